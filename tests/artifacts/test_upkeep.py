"""The background: a scan that delays nobody, a scrub that finds what nobody reads."""

import asyncio
import os
import time
import tracemalloc
from pathlib import Path

from proxy.artifacts import ledger
from proxy.artifacts.accounting import Entry
from proxy.artifacts.files import Files
from proxy.artifacts.store import BlobStore
from proxy.model.clock import SystemClock
from proxy.model.digest import Sha256
from tests.artifacts.tools import FailingFiles, data_of, open_store, until


def fill_folder(root: Path, count: int) -> list[Sha256]:
    """Lay empty files under digests; their bytes are wrong, but nobody reads them here."""
    digests = [Sha256(f"{number * 7919 % 2**32:08x}" + f"{number:056x}") for number in range(count)]
    for digest in digests:
        folder = root / digest[:2]
        folder.mkdir(parents=True, exist_ok=True)
        os.close(os.open(folder / digest, os.O_CREAT | os.O_WRONLY))
    return digests


async def test_a_store_of_many_blobs_is_ready_before_they_are_counted(root: Path) -> None:
    await asyncio.to_thread(fill_folder, root, 5000)
    files = FailingFiles()
    store = BlobStore(root, SystemClock(), max_bytes=1 << 30, scrub_s=0, files=files)
    await store.start()
    assert not store.stats().is_scanned
    blob = await store.put(b"served meanwhile")
    assert await store.get(blob.digest) == blob
    await store.scanned()
    assert store.stats().blobs == 5001
    await store.close()


async def test_the_loop_turns_while_many_blobs_are_counted(root: Path) -> None:
    await asyncio.to_thread(fill_folder, root, 5000)
    store = BlobStore(root, SystemClock(), max_bytes=1 << 30, scrub_s=0)
    await store.start()
    turns = 0
    while not store.stats().is_scanned:
        await asyncio.sleep(0)
        turns += 1
    assert turns > 256
    await store.close()


async def test_a_scan_costs_little_memory_at_any_time(root: Path) -> None:
    """A million blobs once cost 442 MiB: the ledger, the names found and the entries, each an object."""
    count = 20_000
    digests = await asyncio.to_thread(fill_folder, root, count)
    entries = [(digest, Entry(0, 1_790_000_000.0)) for digest in digests]
    await asyncio.to_thread(ledger.save, root / "ledger", root / "temp", entries, Files())
    del digests, entries
    store = BlobStore(root, SystemClock(), max_bytes=1 << 30, scrub_s=0)
    tracemalloc.start()
    try:
        await store.start()
        await store.scanned()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert store.stats().blobs == count
    await store.close()
    # The buckets are 0.6 MB, and a ledger's record is 40 bytes until its folder is scanned.
    assert peak <= 1_200_000 + 60 * count


def flip(path: Path) -> None:
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


async def test_the_scrub_finds_rot_that_nobody_reads(root: Path) -> None:
    async with open_store(root) as store:
        good = [await store.put(data_of(70_000 + number, seed=number)) for number in range(5)]
        bad = await store.put(data_of(70_000))
    await asyncio.to_thread(flip, bad.path)
    async with open_store(root, scrub_s=0.4) as store:
        # It is counted when it is found, and removed by a thread a moment later.
        await until(lambda: store.stats().damaged == 1 and not bad.path.exists())
        # One by one: a belief ends after 0.4 s here, and all five at once are rare on a busy machine.
        for blob in good:
            await until(lambda digest=blob.digest: store.peek(digest) is not None)  # type: ignore[misc]
        assert store.stats().blobs == 5


async def test_the_scrub_verifies_again_when_its_time_is_over(root: Path) -> None:
    files = FailingFiles()
    async with open_store(root, scrub_s=0.4, files=files) as store:
        await store.put(data_of(100_000))
        before = files.calls.get("pread", 0)
        begun = time.monotonic()
        await until(lambda: files.calls.get("pread", 0) >= before + 2)
        assert time.monotonic() - begun > 0.1
        assert store.stats().damaged == 0


async def test_the_scrub_does_not_count_as_use(root: Path) -> None:
    async with open_store(root, scrub_s=0.3, max_bytes=3 * 100_000) as store:
        first = await store.put(data_of(100_000, seed=1))
        for seed in (2, 3):
            await store.put(data_of(100_000, seed=seed))
        await asyncio.sleep(0.4)
        await store.put(data_of(100_000, seed=4))
        assert await store.get(first.digest) is None


async def test_verify_all_reports_and_removes_what_is_damaged(root: Path) -> None:
    async with open_store(root) as store:
        await store.put(data_of(1000))
        bad = await store.put(data_of(100_000))
        await asyncio.to_thread(flip, bad.path)
        report = await store.verify_all()
        assert report.checked == 2
        assert report.total_bytes == 101_000
        assert report.damaged == (bad.digest,)
        assert (await store.verify_all()).damaged == ()
        assert store.stats().blobs == 1
