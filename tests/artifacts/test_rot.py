"""Rot: what lies under a blob's name is found wrong before its last byte leaves (B05, B07, B18)."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.artifacts.accounting import Accounting
from proxy.artifacts.blob import TAIL_BYTES, LostBlobError, mark_of
from proxy.artifacts.files import Files
from proxy.artifacts.flights import Flights
from proxy.artifacts.pools import Pools
from proxy.artifacts.removal import Removal
from proxy.artifacts.store import BlobStore
from proxy.model.digest import Sha256
from tests.artifacts.sources import honest
from tests.artifacts.tools import (
    FailingFiles,
    collect,
    data_of,
    expected_of,
    files_below,
    open_flights,
    open_store,
    sha256_of,
    until,
)

SIZE = 200_000
LARGE = 6 * 1024 * 1024


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def flip_and_restore_the_times(path: Path) -> None:
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def swap(path: Path) -> None:
    path.unlink()
    path.write_bytes(data_of(SIZE, seed=99))


def delete(path: Path) -> None:
    path.unlink()


def link(path: Path) -> None:
    # To the very bytes: a symlink is not followed even then.
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nonexistent")


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").write_bytes(b"x")


def file_for_shard(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.write_bytes(b"x")


ROT: list[Callable[[Path], None]] = [
    flip,
    flip_and_restore_the_times,
    empty,
    shorten,
    lengthen,
    swap,
    delete,
    link,
    link_to_nowhere,
    fifo,
    folder,
    file_for_shard,
]


@pytest.mark.parametrize("rot", ROT)
@pytest.mark.parametrize("size", [1000, SIZE])
async def test_rot_while_stopped_is_a_miss_and_is_fetched_again(
    root: Path, rot: Callable[[Path], None], size: int
) -> None:
    data = data_of(size)
    async with open_store(root) as store:
        blob = await store.put(data)
    await asyncio.to_thread(rot, blob.path)
    async with open_store(root) as store, open_flights(store) as flights:
        assert store.peek(blob.digest) is None
        async with asyncio.timeout(5):
            assert await store.get(blob.digest) is None
        if rot not in (delete, file_for_shard):
            assert store.stats().damaged == 1
            assert not os.path.lexists(blob.path)
        flight = flights.join("k", [honest(data)], expected_of(data))
        assert await collect(flight) == data
        assert (await flight.done()).path.read_bytes() == data
        found = await store.get(blob.digest)
        assert found is not None
        assert await store.read(found) == data


@pytest.mark.parametrize("rot", ROT)
async def test_rot_while_running_is_noticed_by_inode_size_or_time(
    store: BlobStore, rot: Callable[[Path], None]
) -> None:
    blob = await store.put(data_of(SIZE))
    assert store.peek(blob.digest) == blob
    await asyncio.to_thread(rot, blob.path)
    assert store.peek(blob.digest) is None
    async with asyncio.timeout(5):
        assert await store.get(blob.digest) is None
        assert await store.find(blob.digest) is None
    again = await store.put(data_of(SIZE))
    assert await store.read(again) == data_of(SIZE)


@pytest.mark.parametrize("size", [100_000, LARGE])
async def test_a_blob_that_was_not_verified_yet_streams_at_once_but_for_its_tail(
    root: Path, size: int
) -> None:
    data = data_of(size)
    async with open_store(root) as store:
        digest = (await store.put(data)).digest
    async with open_store(root) as store:
        blob = await store.find(digest)
        assert blob is not None
        assert blob.is_verified == (size < LARGE)
        assert b"".join([piece async for piece in store.stream(blob)]) == data
        assert store.peek(digest) is not None
        again = await store.find(digest)
        assert again is not None
        assert again.is_verified


@pytest.mark.parametrize(("start", "stop"), [(0, None), (1_000_000, None), (1_000_000, 2_000_000)])
async def test_a_rotten_large_blob_never_streams_to_its_end(root: Path, start: int, stop: int | None) -> None:
    data = data_of(LARGE)
    async with open_store(root) as store:
        blob = await store.put(data)
    await asyncio.to_thread(flip, blob.path)
    async with open_store(root) as store:
        found = await store.find(blob.digest)
        assert found is not None
        got = bytearray()
        with pytest.raises(LostBlobError):
            async for piece in store.stream(found, start, stop):
                got += piece
        assert len(got) <= (stop or LARGE) - start - TAIL_BYTES
        assert await store.find(blob.digest) is None
        assert store.stats().damaged == 1
        assert files_below(root) == []


async def test_many_first_readers_share_one_verification(root: Path) -> None:
    data = data_of(LARGE)
    async with open_store(root) as store:
        digest = (await store.put(data)).digest
    files = FailingFiles()
    async with open_store(root, files=files) as store:
        blob = await store.find(digest)
        assert blob is not None
        streams = [store.stream(blob, LARGE - 100) for _ in range(30)]
        ends = await asyncio.gather(*(anext(stream) for stream in streams))
        assert set(ends) == {data[-100:]}
        # Hashed once in pieces of 256 KiB, and each reader's own piece.
        assert files.calls["pread"] <= LARGE // (256 * 1024) + 30 + 2
        for stream in streams:
            await stream.aclose()


async def test_an_evicted_blob_streams_to_its_end(store: BlobStore) -> None:
    data = data_of(LARGE)
    blob = await store.put(data)
    stream = store.stream(blob)
    first = await anext(stream)
    await store.remove(blob.digest)
    assert not blob.path.exists()
    assert first + b"".join([piece async for piece in stream]) == data


async def test_an_open_file_survives_eviction_and_a_replaced_one_is_refused(store: BlobStore) -> None:
    data = data_of(SIZE)
    blob = await store.put(data)
    file = await store.open(blob)
    await store.remove(blob.digest)
    with file.use() as fd:
        assert await asyncio.to_thread(os.pread, fd, SIZE, 0) == data
    await asyncio.to_thread(file.release)
    with pytest.raises(LostBlobError):
        await store.open(blob)
    blob = await store.put(data)
    await asyncio.to_thread(swap, blob.path)
    with pytest.raises(LostBlobError):
        await store.open(blob)


@pytest.mark.parametrize("size", [1000, SIZE])
async def test_a_read_error_is_a_miss_and_is_counted(root: Path, size: int) -> None:
    data = data_of(size)
    async with open_store(root) as store:
        digest = (await store.put(data)).digest
    files = FailingFiles()
    files.break_call("pread")
    async with open_store(root, files=files) as store:
        assert await store.get(digest) is None
        assert store.stats().damaged == 1
        files.heal()
        blob = await store.put(data)
        assert await store.read(blob) == data


async def test_a_read_error_in_the_middle_ends_the_stream_and_removes_the_blob(root: Path) -> None:
    files = FailingFiles()
    async with open_store(root, files=files) as store:
        blob = await store.put(data_of(SIZE))
        stream = store.stream(blob)
        await anext(stream)
        files.break_call("pread")
        with pytest.raises(LostBlobError):
            await anext(stream)
        files.heal()
        assert await store.get(blob.digest) is None
        assert store.stats().damaged == 1


async def test_without_descriptors_a_blob_is_a_miss_but_stays(root: Path) -> None:
    data = data_of(SIZE)
    async with open_store(root) as store:
        digest = (await store.put(data)).digest
    files = FailingFiles()
    files.break_call("open_fd", errno.EMFILE)
    async with open_store(root, files=files) as store:
        assert await store.get(digest) is None
        files.heal()
        found = await store.get(digest)
        assert found is not None
        assert store.stats().damaged == 0


async def test_a_damaged_blob_that_cannot_be_removed_is_hashed_once_only(root: Path) -> None:
    data = data_of(SIZE)
    async with open_store(root) as store:
        blob = await store.put(data)
    await asyncio.to_thread(flip, blob.path)
    files = FailingFiles()
    files.break_call("unlink", errno.EROFS)
    async with open_store(root, files=files) as store:
        assert await store.get(blob.digest) is None
        reads = files.calls["pread"]
        for _ in range(20):
            assert await store.get(blob.digest) is None
        assert files.calls["pread"] == reads
        assert store.stats().damaged == 1


async def test_a_good_file_that_took_the_place_of_a_damaged_one_stays(root: Path) -> None:
    files, pools, accounting = Files(), Pools(), Accounting()
    digest = sha256_of(b"good")
    forgotten: list[Sha256] = []
    removal = Removal(accounting, files, pools, lambda _: root / "blob", forgotten.append, lambda _: False)
    root.mkdir()
    (root / "blob").write_bytes(b"bad!")
    bad = mark_of((root / "blob").stat())
    (root / "new").write_bytes(b"good")
    (root / "new").replace(root / "blob")
    accounting.add(digest, 4, 0)
    await removal.remove_damaged(digest, bad)
    assert (root / "blob").read_bytes() == b"good"
    assert digest in accounting
    assert forgotten == []
    await pools.close()


async def test_verifying_a_large_blob_leaves_the_loop_free(root: Path) -> None:
    data = data_of(1024 * 1024) * 64
    async with open_store(root) as store:
        digest = (await store.put(data)).digest
    async with open_store(root) as store:
        turns = 0
        verifying = asyncio.create_task(store.get(digest))
        while not verifying.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert await verifying is not None
        # Sixteen slices at the least, and the loop turned between them.
        assert turns >= 8


async def test_rot_of_a_file_that_readers_of_a_flight_still_read_cuts_them_off(
    flights: Flights, store: BlobStore, root: Path
) -> None:
    data = data_of(5_000_000)
    flight = flights.join("k", [honest(data)], expected_of(data))
    stream = flight.read()
    first = await anext(stream)
    blob = await flight.done()
    await asyncio.to_thread(os.truncate, blob.path, 100_000)
    # The rest is not there any more: the reader goes on at the origin, with everything hashed anew.
    assert first + b"".join([piece async for piece in stream]) == data
    assert await store.get(sha256_of(data)) is None
    await until(lambda: store.stats().damaged == 1)
