"""Nobody but its owner sees into the data folder, whatever the umask, and a folder that is open is reported (S13)."""

import asyncio
import json
import os
import shlex
import sqlite3
import stat
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.state.modes import why_open
from tests.cli.calling import QUIET_FEED, Place, make_place, serving
from tests.support.channel import FakeChannel
from tests.support.conda_packages import package
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

FEEDS = """
[server]
port = 0
[feeds.open]
kind = "pypi"
upstreams = [{{ url = "{index}", allow_private = true, route = "direct", retries = 0 }}]
[feeds.approved]
kind = "pypi"
curated_from = ["open"]
[feeds.forge]
kind = "conda"
upstreams = [{{ url = "{channel}", allow_private = true, route = "direct", retries = 0 }}]
[feeds.chosen]
kind = "conda"
curated_from = ["forge"]
"""
#: Documents that a channel need not have.
_SIDE = ("/channeldata.json", "/run_exports.json")
RELEASED = Path(__file__).parents[1] / "data/state"


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """Start each case with the widest umask."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return make_place(tmp_path, monkeypatch)


@pytest.fixture
async def filled(place: Place) -> AsyncIterator[Place]:
    async with Origin() as origin:
        index, channel = FakeIndex(origin), FakeChannel(origin)
        index.add(wheel("demo", "1.0"), wheel("demo", "2.0"))
        channel.add(package("tool", noarch="python"))
        place.write(FEEDS.format(index=index.url, channel=channel.url))
        yield place


def open_below(folder: Path) -> dict[str, str]:
    """Return everything that others could read, with its mode."""
    modes = {path: path.lstat().st_mode for path in (folder, *folder.rglob("*")) if not path.is_symlink()}
    assert len(modes) > 1
    return {
        str(path.relative_to(folder)): stat.filemode(mode) for path, mode in modes.items() if mode & 0o077
    }


def got(opener: urllib.request.OpenerDirector, url: str) -> bytes:
    """Return the answer, once what is being prepared is there."""
    for _ in range(150):
        try:
            with opener.open(url, timeout=60) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as err:
            if err.code == 404 and url.endswith(_SIDE):
                return b"the channel has none"
            assert err.code == 503, url
        time.sleep(0.2)
    raise AssertionError(f"still being prepared: {url}")


def used(place: Place) -> None:
    """Have the server make all that it makes: pages, files, generations, keys, approvals, changes, a reload."""
    url = json.loads((place.folder / "data/state/server.json").read_text())["url"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for path in (
        "/pypi/open/simple/", "/pypi/open/simple/demo/", "/conda/forge/noarch/repodata.json.zst",
        "/conda/forge/channeldata.json", "/conda/forge/noarch/tool-1.0-0.conda",
        "/conda/forge/noarch/run_exports.json",
    ):  # fmt: skip
        assert got(opener, url + path)
    for words in (
        ("key", "create", "ci", "--read", "open"),
        ("promote", "approved", "demo"),
        ("promote", "chosen", "tool", "--platform", "noarch"),
        (
            "feed",
            "create",
            "more",
            "--set",
            "kind=pypi",
            "--set",
            'upstreams=["https://index.example/simple/"]',
        ),
        ("reload",),
        ("backup", "copy.tar"),
    ):
        result = place.call(*words)
        assert result.exit_code == 0, (words, result.output)
    assert b"tool" in got(opener, f"{url}/conda/chosen/noarch/repodata.json")


async def test_all_that_a_server_makes_is_its_owners_alone(filled: Place) -> None:
    def walk() -> None:
        with serving(filled, umask=0) as lines:
            used(filled)
            assert open_below(filled.folder / "data") == {}
        assert not any("others than its owner" in line for line in lines)
        assert open_below(filled.folder / "data") == {}
        names = {path.name for path in (filled.folder / "data").rglob("*")}
        assert {
            "state",
            "vault",
            "cache",
            "state.sqlite",
            "server.json",
            "reload.json",
            "admin.key",
            "secret.key",
        } <= names
        assert (filled.folder / "copy.tar").stat().st_mode & 0o077 == 0

    await asyncio.to_thread(walk)


async def test_commands_without_a_server_make_nothing_that_others_may_read(filled: Place) -> None:
    def walk() -> None:
        os.umask(0o077)
        filled.begin()
        for words in (
            ("promote", "approved", "demo"),
            ("key", "create", "ci"),
            ("cache", "verify"),
            ("backup", "b.tar"),
        ):
            os.umask(0)
            result = filled.call(*words)
            assert result.exit_code == 0, (words, result.output)
        assert open_below(filled.folder / "data") == {}

    await asyncio.to_thread(walk)


def test_what_a_restore_makes_is_its_owners_alone(place: Place) -> None:
    place.write(QUIET_FEED)
    place.begin()
    blob = place.folder / "data/vault/ab" / ("ab" + "0" * 62)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"bytes")
    assert place.call("backup", "copy.tar").exit_code == 0
    os.umask(0)
    assert place.call("--data-dir", "other/data", "restore", "copy.tar").exit_code == 0
    assert open_below(place.folder / "other/data") == {}


def test_the_copy_made_before_an_upgrade_is_its_owners_alone(place: Place) -> None:
    place.write(QUIET_FEED + "[server]\nport = 0\n")
    state = place.folder / "data/state"
    state.mkdir(mode=0o700, parents=True)
    state.parent.chmod(0o700)
    with closing(sqlite3.connect(state / "state.sqlite")) as connection:
        connection.executescript(min(RELEASED.glob("schema-*.sql")).read_text())
    (state / "state.sqlite").chmod(0o600)
    with serving(place, umask=0):
        pass
    assert list(state.glob("state.sqlite.before-*"))
    assert open_below(place.folder / "data") == {}


@pytest.mark.parametrize("wide", [".", "state", "vault", "cache", "state/state.sqlite", "cache/blobs/ab"])
def test_what_others_may_read_is_reported_at_the_start_with_the_command_that_mends_it(
    place: Place, wide: str
) -> None:
    place.write(QUIET_FEED + "[server]\nport = 0\n[log]\nformat = 'json'\n")
    data = place.folder / "data"
    os.umask(0o077)
    for name in ("vault/ab", "cache/blobs/ab"):
        (data / name).mkdir(parents=True)
    place.begin()
    assert why_open(data) is None
    (data / wide).chmod(0o755)
    with serving(place, umask=0) as lines:
        pass
    (told,) = (json.loads(line)["message"] for line in lines if "others than its owner" in line)
    assert str(data / wide) in told
    findings = place.json("doctor", "--config", str(place.folder / "config.toml"), status=1)["findings"]
    assert isinstance(findings, list)
    assert [each["outcome"] for each in findings if each["name"] == "data folder"] == ["warning"]
    command = shlex.split(told.partition("mend it with: ")[2])
    subprocess.run(command, check=True)
    assert why_open(data) is None
    assert open_below(data) == {}
    with serving(place, umask=0) as lines:
        pass
    assert not any("others than its owner" in line for line in lines)
