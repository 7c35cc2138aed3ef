"""The blob store's plain life: put, get, adopt, restart, sweep, scan."""

import shutil
from pathlib import Path

import pytest

from proxy.artifacts.blob import SMALL_BYTES
from proxy.artifacts.store import BlobStore
from proxy.model.clock import SystemClock
from tests.artifacts.tools import data_of, files_below, open_store, sha256_of


async def test_a_small_blob_comes_back_with_its_bytes(store: BlobStore) -> None:
    blob = await store.put(b"hello")
    assert store.peek(blob.digest) == blob
    assert blob.data == b"hello"
    assert blob.digest == sha256_of(b"hello")


async def test_a_large_blob_comes_back_as_a_file(store: BlobStore, root: Path) -> None:
    data = data_of(SMALL_BYTES + 1)
    blob = await store.put(data)
    assert blob.data is None
    assert files_below(root) == [f"{blob.digest[:2]}/{blob.digest}"]
    assert blob.path.read_bytes() == data
    assert store.peek(blob.digest) == blob
    assert await store.read(blob) == data


async def test_an_unknown_blob_is_a_miss(store: BlobStore) -> None:
    digest = sha256_of(b"nobody")
    assert store.peek(digest) is None
    assert await store.get(digest) is None
    assert await store.find(digest) is None


@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES, SMALL_BYTES + 1, 5 * 1024 * 1024])
async def test_a_blob_survives_a_restart_and_is_verified_on_first_read(root: Path, size: int) -> None:
    data = data_of(size)
    async with open_store(root) as store:
        digest = (await store.put(data)).digest
    async with open_store(root) as store:
        assert store.stats().blobs == 1
        assert store.peek(digest) is None
        blob = await store.get(digest)
        assert blob is not None
        assert await store.read(blob) == data
        assert store.peek(digest) == blob


async def test_the_same_bytes_are_written_once(store: BlobStore) -> None:
    data = data_of(SMALL_BYTES * 2)
    first = await store.put(data)
    inode = first.path.stat().st_ino
    await store.put(data)
    assert first.path.stat().st_ino == inode
    assert store.stats().blobs == 1
    assert store.stats().total_bytes == len(data)


async def test_a_partial_is_adopted_under_its_own_digest_only(store: BlobStore, root: Path) -> None:
    partial = store.partial()
    await partial.append(b"abc")
    with pytest.raises(ValueError, match="own digest"):
        await store.adopt(partial, sha256_of(b"abd"))
    blob = await store.adopt(partial, sha256_of(b"abc"))
    partial.close()
    assert await store.get(blob.digest) is not None
    assert files_below(root) == [f"{blob.digest[:2]}/{blob.digest}"]


async def test_a_discarded_partial_leaves_nothing(store: BlobStore, root: Path) -> None:
    partial = store.partial()
    await partial.append(b"abc")
    assert len(files_below(root)) == 1
    await partial.discard()
    partial.close()
    assert files_below(root) == []


async def test_leftovers_of_a_killed_run_are_swept_at_the_start(root: Path) -> None:
    async with open_store(root) as store:
        blob = await store.put(b"kept")
    (root / "tmp" / "0123456789abcdef-7").write_bytes(b"half")
    (root / "tmp" / "moved").mkdir()
    (root / "tmp" / "moved" / "x").write_bytes(b"half")
    async with open_store(root):
        assert files_below(root) == [f"{blob.digest[:2]}/{blob.digest}"]
        assert list((root / "tmp").iterdir()) == []


async def test_a_partial_of_this_run_is_not_swept(root: Path) -> None:
    store = BlobStore(root, SystemClock(), max_bytes=1, scrub_s=0)
    await store.start()
    partial = store.partial()
    await partial.append(b"mine")
    await store.scanned()
    assert len(files_below(root)) == 1
    partial.close()
    await store.close()


async def test_a_wiped_folder_is_harmless_while_stopped_and_while_running(root: Path) -> None:
    async with open_store(root) as store:
        blob = await store.put(data_of(SMALL_BYTES * 2))
    shutil.rmtree(root)
    async with open_store(root) as store:
        assert await store.get(blob.digest) is None
        blob = await store.put(data_of(SMALL_BYTES * 2))
        shutil.rmtree(root)
        assert store.peek(blob.digest) is None
        assert await store.get(blob.digest) is None
        again = await store.put(data_of(SMALL_BYTES * 2))
        assert await store.read(again) == data_of(SMALL_BYTES * 2)
        assert store.stats().degraded is None


async def test_foreign_files_in_the_folder_are_left_alone(root: Path) -> None:
    root.mkdir()
    (root / "README").write_text("mine")
    (root / "aa").mkdir()
    (root / "aa" / "note").write_text("mine")
    async with open_store(root) as store:
        assert store.stats().blobs == 0
    assert (root / "README").exists()
    assert (root / "aa" / "note").exists()
