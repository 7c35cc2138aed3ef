"""`backup` and `restore`: beside a running server, on an empty folder, refused in one line where they cannot."""

import asyncio
import errno
import json
from pathlib import Path

import pytest

from proxy.state.archive import ArchiveError
from proxy.state.unpack import examine
from tests.api.managed import Managed
from tests.cli.calling import QUIET_FEED, Place

UPSTREAMS = '["https://u:hunter2@other.example/simple/"]'


@pytest.fixture
def filled(place: Place) -> Place:
    """A data folder with a feed of the API."""
    place.write(QUIET_FEED)
    place.begin()
    made = place.call("feed", "create", "more", "--set", "kind=pypi", "--set", f"upstreams={UPSTREAMS}")
    assert made.exit_code == 0, made.output
    return place


def test_a_backup_is_restored_on_an_empty_host(
    filled: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = filled.call("backup", "b.tar")
    assert result.exit_code == 0 and "0 approved" in result.stdout and "holds secrets" in result.stdout
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    result = filled.call("restore", str(filled.folder / "b.tar"))
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    assert "config.toml restored too" in result.stdout
    shown = json.loads(filled.call("feed", "show", "more", "--json").stdout)
    assert shown["declared"]["upstreams"] == ["https://u:***@other.example/simple/"]
    again = filled.call("restore", str(filled.folder / "b.tar"))
    assert (again.exit_code, again.stdout) == (1, "") and "is not empty" in again.stderr


def test_settings_that_need_what_is_restored_are_no_obstacle(filled: Place, tmp_path: Path) -> None:
    filled.write(QUIET_FEED + '[feeds.third]\nkind = "pypi"\nupstreams = [{ feed = "more" }]\n')
    assert filled.call("backup", "b.tar").exit_code == 0
    document = filled.json("restore", "b.tar", "--data-dir", str(tmp_path / "new"))
    assert (document["ok"], document["config"]) == (True, None)
    assert filled.call("check-config", "--config", "config.toml").exit_code == 0


@pytest.mark.parametrize("words", ["backup b.tar", "restore gone.tar", "restore config.toml"])
def test_what_cannot_be_done_is_one_line(place: Place, words: str) -> None:
    place.write(QUIET_FEED)
    result = place.call(*words.split())
    assert (result.exit_code, result.stdout) == (1, "") and len(result.stderr.splitlines()) == 1
    assert place.json(*words.split(), status=1)["ok"] is False


def test_a_folder_that_is_not_there_is_named(filled: Place) -> None:
    result = filled.call("backup", "nowhere/b.tar")
    assert result.exit_code == 1 and "there is no folder nowhere for the backup" in result.stderr


def test_a_full_disk_under_a_restore_is_told_in_words(filled: Place) -> None:
    def full(name: str, file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert filled.call("backup", "b.tar").exit_code == 0
    with pytest.raises(ArchiveError, match=r"cannot be written: No space left on device$"):
        examine(filled.folder / "b.tar", full)


def test_wrong_settings_of_the_server_are_told(place: Place) -> None:
    place.write("[server]\nport = 'x'\n")
    for words in ("backup b.tar", "restore b.tar"):
        assert place.call(*words.split()).exit_code == 2


async def test_a_running_server_is_backed_up(place: Place) -> None:
    async with Managed(place.folder, QUIET_FEED) as server:
        await server.made("/policies", name="mine", block=["a"])
        document = await asyncio.to_thread(place.json, "backup", "b.tar")
        assert document["ok"] is True and document["left_out"] == []
        assert (await server.ask("GET", "/policies/mine")).status == 200
