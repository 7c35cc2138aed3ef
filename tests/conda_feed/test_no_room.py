"""A disk that cannot be written, and a host without processes: refused with 503, and the rest goes on."""

import errno
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.conda.pack import BadPack
from proxy.feeds.conda.trouble import told
from proxy.model.problem import Problem
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare

PATHS = ("repodata.json", "repodata.json.zst", SHARD_INDEX, "a-1.0-0.conda")


def block(path: Path) -> None:
    """Put a file where a folder belongs: even root cannot write there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")


@pytest.mark.parametrize("changes", [{}, {"except_": ("b",)}])
@pytest.mark.parametrize("where", ["origin", "feed-chan"])
async def test_a_folder_that_cannot_be_written_is_answered_with_503(
    stand: Stand, where: str, changes: dict[str, Any]
) -> None:
    stand.channel.add(bare("a"))
    block(stand.folder / "data/cache/conda" / where)
    await stand.start(**changes)
    expected = {200, 503} if where == "feed-chan" and not changes else {503}
    for path in PATHS:
        got = await stand.get(f"linux-64/{path}")
        assert got.status in expected
        assert got.status == 200 or "retry-after" in got.headers
    assert stand.log.of("ERROR")


async def test_a_full_disk_in_a_child_is_answered_with_503(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child whose files may not grow is told what a full disk tells, but for the number."""
    stand.channel.add(bare("a"))
    await stand.start()
    monkeypatch.setattr("sys.executable", _limited(stand.folder))
    got = await stand.get("linux-64/repodata.json")
    assert (got.status, got.json()["type"]) == (503, "urn:feedgate:disk-full")
    monkeypatch.undo()
    stand.clock.advance(1000)
    assert (await stand.get("linux-64/repodata.json")).status == 200


async def test_a_host_without_processes_is_answered_with_503(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    monkeypatch.setattr("sys.executable", str(stand.folder / "there-is-none"))
    got = await stand.get("linux-64/repodata.json")
    assert (got.status, got.json()["type"]) == (503, "urn:feedgate:busy")
    monkeypatch.undo()
    stand.clock.advance(1000)
    assert (await stand.get("linux-64/repodata.json")).status == 200


def _limited(folder: Path) -> str:
    """Return an interpreter whose files may not grow."""
    program = folder / "limited-python"
    program.write_text(f'#!/bin/sh\ntrap "" XFSZ\nulimit -f 0\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (OSError(errno.ENOSPC, "full"), "disk-full"),
        (PermissionError(errno.EACCES, "no"), "disk-full"),
        (BlockingIOError(errno.EAGAIN, "no process"), "busy"),
        (OSError(errno.EMFILE, "no descriptor"), "busy"),
        (BadPack("damaged"), "busy"),
    ],
)
def test_what_the_machine_refuses_is_told(error: Exception, word: str) -> None:
    with pytest.raises(Problem) as caught, told("chan"):
        raise error
    assert (caught.value.word, caught.value.status) == (word, 503)
    assert caught.value.retry_after_s is not None
