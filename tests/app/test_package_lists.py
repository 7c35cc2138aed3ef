"""U16: `only = { file = "approved.txt" }`: a plain list is read with the settings, and again when it changes."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import proxy.management
from proxy.app import App
from proxy.config.faults import ConfigError
from proxy.config.load import Loaded
from proxy.config.policies import parse_given
from tests.config.loading import loads

CONFIG = """
[server]
port = 0
[feeds.one]
kind = "pypi"
upstreams = ["https://index.example/simple/"]
policy = "small"
[policies.small]
only = { file = "approved.txt" }
"""
LIST = "\ufeff# what the board agreed on\nrequests >=2  # not the first\n\nrich\nrequests >=2\r\n"


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "approved.txt").write_text(LIST, "utf-8")
    return loads(tmp_path, CONFIG)


@pytest.fixture
async def app(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    monkeypatch.setattr(proxy.management, "LISTS_S", 0.02)
    app = App(loaded.settings, {}, loaded=loaded)
    await app.start()
    yield app
    await app.stop()


def only(app: App) -> tuple[str, ...]:
    return app.site.settings.policies["small"].only


async def changed(app: App, before: tuple[str, ...]) -> tuple[str, ...]:
    async with asyncio.timeout(20):
        while only(app) == before:
            await asyncio.sleep(0.01)
    return only(app)


def test_a_list_is_one_spec_a_line(loaded: Loaded, tmp_path: Path) -> None:
    assert loaded.settings.policies["small"].only == ("requests >=2", "rich")
    assert list(loaded.settings.lists) == [tmp_path / "approved.txt"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"rich\n\nno spec >>2\n", "approved.txt line 3"),
        (b"rich >>" + b"1" * 100_000, "approved.txt line 1"),
        (b"# nothing yet\n", "approved.txt names no package"),
        (b"rich\n\xff\n", "approved.txt is not UTF-8 (line 2)"),
        (None, "approved.txt cannot be read: No such file or directory"),
        # Reading a pipe waits for who writes, with the one turn that changes of the settings have.
        ("pipe", "approved.txt is not a plain file"),
    ],
)
def test_a_list_that_cannot_be_used_is_told_with_its_line(
    loaded: Loaded, tmp_path: Path, data: bytes | str | None, words: str
) -> None:
    file = tmp_path / "approved.txt"
    file.unlink()
    if isinstance(data, bytes):
        file.write_bytes(data)
    elif data == "pipe":
        os.mkfifo(file)
    with pytest.raises(ConfigError) as caught:
        loaded.again()
    (fault,) = caught.value.faults
    assert fault.key == "policies.small.only"
    assert fault.message.startswith(words) and len(fault.message) < 400


def test_only_the_settings_file_may_name_a_list(tmp_path: Path) -> None:
    """Not the environment, and not the API: it would read the server's files."""
    (tmp_path / "approved.txt").write_text("rich\n")
    assert parse_given("small", {"only": {"file": str(tmp_path / "approved.txt")}}).policy is None
    with pytest.raises(ConfigError, match=r"policies\.small\.only: must be a list"):
        loads(
            tmp_path,
            CONFIG.replace("only =", "block ="),
            environ={"FEEDGATE__POLICIES__SMALL__ONLY": '{"file": "approved.txt"}'},
        )


async def test_a_changed_list_is_in_force_without_the_rest_of_the_file(app: App, tmp_path: Path) -> None:
    """What somebody is just writing into config.toml waits for a reload."""
    (tmp_path / "config.toml").write_text("half a [line")
    before = only(app)
    (tmp_path / "approved.txt").write_text("rich\n")
    assert await changed(app, before) == ("rich",)


async def test_a_list_with_an_error_leaves_the_former_in_force(
    app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = only(app)
    with caplog.at_level(logging.ERROR, "feedgate"):
        (tmp_path / "approved.txt").write_text("no spec >>2\n")
        async with asyncio.timeout(20):
            while not caplog.records:
                await asyncio.sleep(0.01)
    (record,) = caplog.records
    assert "the former stays in force" in record.message and "approved.txt line 1" in record.message
    assert only(app) == before
    (tmp_path / "approved.txt").write_text("rich\nidna\n")
    assert await changed(app, before) == ("rich", "idna")
