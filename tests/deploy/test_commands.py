"""Commands beside a service and in a container, in the words of the shipped files (U3)."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.config.loading import QUIET
from tests.deploy.test_files import DEPLOY, ROOT, environment, of, unit

CONFIG = '[feeds.pypi]\nkind = "pypi"\nanonymous = false\nupstreams = ["https://index.example/simple/"]\n'
#: A name that leads nowhere: the server is asked where it listens.
PUBLIC = "https://packages.invalid"


def call(words: Sequence[str], environ: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy", *words], env=_env(environ, folder), cwd=folder, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip


def _env(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    return {**environ, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder), **QUIET}


@contextmanager
def service(words: Sequence[str], environ: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Run the server until the end of the block, on a port of its own."""
    own = {"FEEDGATE__SERVER__PORT": "0", "FEEDGATE__SERVER__PUBLIC_URL": PUBLIC}
    with subprocess.Popen(
        [sys.executable, "-m", "proxy", *words], env=_env({**environ, **own}, folder), cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert any(line.startswith("Lines for other clients") for line in process.stdout)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


def made(folder: Path) -> tuple[Path, Path, Path]:
    """Return settings, data and a folder to work in, none of them below another."""
    places = folder / "etc", folder / "lib", folder / "elsewhere"
    for place in places:
        place.mkdir()
    (places[0] / "config.toml").write_text(CONFIG)
    return places[0] / "config.toml", places[1], places[2]


def words_here(config: Path, data: Path, text: str) -> list[str]:
    """Return the words of a shipped line, with folders of the test's own."""
    here = text.replace("/etc/feedgate/config.toml", str(config)).replace("/var/lib/feedgate", str(data))
    return shlex.split(here)


def test_the_units_line_makes_a_key_of_the_service(tmp_path: Path) -> None:
    config, data, elsewhere = made(tmp_path)

    here = partial(words_here, config, data)
    (start,), (given, *_) = unit()["ExecStart"], unit()["Environment"]
    comment = re.findall(
        r"(?m)^#   /opt/feedgate/bin/feedgate (.*)$", (DEPLOY / "feedgate.service").read_text()
    )
    (words,) = map(here, comment)
    assert "key" in words and "create" in words
    environ = dict(word.split("=", 1) for word in here(given))
    refused = call(words, {}, elsewhere)
    assert refused.returncode == 1
    assert str(data) in refused.stderr
    with service(here(start)[1:], environ, elsewhere):
        done = call(words, {}, elsewhere)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.strip()) > 20
        without = call([word for word in words if word not in ("--data-dir", str(data))], {}, elsewhere)
        assert without.returncode == 1
        assert str(config.parent / "data") in without.stderr
    assert list(elsewhere.iterdir()) == []
    assert [path.name for path in config.parent.iterdir()] == ["config.toml"]


def test_the_reload_of_the_unit_reaches_the_service(tmp_path: Path) -> None:
    config, data, elsewhere = made(tmp_path)

    here = partial(words_here, config, data)
    (start,), (again,), (given, *_) = unit()["ExecStart"], unit()["ExecReload"], unit()["Environment"]
    environ = dict(word.split("=", 1) for word in here(given))
    with service(here(start)[1:], environ, elsewhere):
        own = {"FEEDGATE__SERVER__PORT": "0", "FEEDGATE__SERVER__PUBLIC_URL": PUBLIC}
        done = call(here(again)[1:], {**environ, **own}, elsewhere)
        assert done.returncode == 0, done.stderr


def test_a_command_in_the_container_reaches_its_server(tmp_path: Path) -> None:
    config, data, elsewhere = made(tmp_path)
    comment = re.findall(
        r"(?m)^#   docker compose .* exec feedgate feedgate (.*)$", (DEPLOY / "compose.yaml").read_text()
    )
    (words,) = map(shlex.split, comment)
    image = environment()
    assert image["FEEDGATE__SERVER__HOST"] == "0.0.0.0"
    environ = image | {"FEEDGATE_CONFIG": str(config), "FEEDGATE__SERVER__DATA_DIR": str(data)}
    (start,) = (json.loads(text) for text in of("CMD"))
    with service(start, environ, elsewhere):
        done = call(words, environ, elsewhere)
        assert done.returncode == 0, done.stderr
        listed = call(["key", "list", "--json"], environ, elsewhere)
        assert [item["name"] for item in json.loads(listed.stdout)["items"]] == ["ci"]
    assert list(elsewhere.iterdir()) == []
