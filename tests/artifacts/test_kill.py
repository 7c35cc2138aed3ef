"""Killed at every step of a cold download, the store is whole after the next start (B01)."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.artifacts.tools import data_of, files_below, open_store, sha256_of

PROGRAM = """
import asyncio, json, os, signal, sys
from pathlib import Path
from proxy.artifacts.files import Files
from proxy.artifacts.flights import Flights
from proxy.artifacts.store import BlobStore
from proxy.model.clock import SystemClock
from tests.artifacts.sources import honest
from tests.artifacts.tools import data_of, expected_of

class Deadly(Files):
    # Counts what changes the disk, and kills the process right before or right after the n-th of these calls.
    def __init__(self, when, is_after):
        self.count = 0
        self.names = []
        for name in ("pwrite", "fsync", "rename", "unlink"):
            setattr(self, name, self.guarded(name, getattr(Files, name), when, is_after))

    def guarded(self, name, real, when, is_after):
        def call(*args):
            self.count += 1
            self.names.append(name)
            if self.count == when and not is_after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*args)
            if self.count == when:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        return call

async def main(root, when, is_after):
    files = Deadly(when, is_after)
    store = BlobStore(Path(root), SystemClock(), max_bytes=400_000, scrub_s=0, files=files)
    await store.start()
    await store.scanned()
    flights = Flights(store, store.clock)
    data = data_of(200_000)
    await flights.join("k", [honest(data)], expected_of(data), keep=True).done()
    await store.put(b"a document")
    # Evicts the first.
    await store.put(data_of(300_000, seed=2))
    await flights.close()
    await store.close()
    print(json.dumps(files.names))

asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "after"))
"""


def run(root: Path, when: int, moment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root), str(when), moment],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def audit(root: Path) -> None:
    """Nothing partial is visible, leftovers are gone, and the same requests are right."""
    stored = {sha256_of(data): data for data in (data_of(200_000), b"a document", data_of(300_000, seed=2))}
    async with open_store(root, max_bytes=1 << 30) as store:
        names = [Path(name) for name in files_below(root)]
        assert all(name.name in stored for name in names), names
        assert all(name.parts[0] == name.name[:2] for name in names), names
        assert not list((root / "tmp").iterdir())
        for digest, data in stored.items():
            blob = await store.get(digest)
            if blob is not None:
                assert await store.read(blob) == data
            elif any(name.name == digest for name in names):
                raise AssertionError("a blob that is there was refused")
            again = await store.put(data)
            assert await store.read(again) == data
        assert store.stats().damaged == 0


def test_the_calls_that_are_swept_are_those_of_the_law(tmp_path: Path) -> None:
    names = json.loads(run(tmp_path / "blobs", 0, "after").stdout)
    assert {"pwrite", "fsync", "rename", "unlink"} <= set(names)
    # Of the fetched file: written, synced, renamed, its folder (and the folder above) synced.
    assert names[names.index("rename") - 2 : names.index("rename") + 2] == [
        "fsync",
        "fsync",
        "rename",
        "fsync",
    ]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_call_leaves_nothing_partial(tmp_path: Path, moment: str) -> None:
    when = 0
    while True:
        when += 1
        root = tmp_path / f"blobs{when}"
        result = run(root, when, moment)
        if result.returncode == 0:
            break
        assert result.returncode == -signal.SIGKILL, result.stderr
        asyncio.run(audit(root))
    assert when > 15
