"""Starting: what makes it impossible is told in one line, without a traceback, and is the exit status."""

import socket
from pathlib import Path

import pytest

import proxy.app
from proxy.process import run
from proxy.upstream.errors import AddressRefused
from tests.config.loading import loads

CONFIG = '[feeds.one]\nkind = "pypi"\nupstreams = ["https://index.example/simple/"]\n'


def test_an_upstream_that_cannot_be_used_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(*_: object) -> None:
        raise AddressRefused("guard", "a URL without a valid host name")

    monkeypatch.setattr(proxy.app, "build_site", build)
    loaded = loads(tmp_path, CONFIG)
    assert run(loaded.settings, loaded) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a URL without a valid host name" in line


def test_a_port_in_use_is_one_line_that_names_the_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        loaded = loads(tmp_path, f"{CONFIG}[server]\nport = {port}\n")
        assert run(loaded.settings, loaded) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"feedgate: server.port: {port} on 127.0.0.1 is in use")
