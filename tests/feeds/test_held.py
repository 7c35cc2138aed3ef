"""A blob that is gone by the time it is read is not held; it is no error."""

from pathlib import Path

from proxy.artifacts.blob import Blob
from proxy.artifacts.store import BlobStore
from proxy.feeds.held import held_bytes
from proxy.model.clock import SystemClock
from proxy.model.digest import Sha256

LARGE = b"x" * 200_000


class Evicting(BlobStore):
    """Loses a blob between finding and reading it."""

    async def get(self, digest: Sha256) -> Blob | None:
        found = await super().get(digest)
        await self.remove(digest)
        return found


async def test_bytes_of_a_held_blob_are_read_and_of_others_not(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, SystemClock(), max_bytes=1 << 30, scrub_s=0)
    await store.start()
    blob = await store.put(LARGE)
    assert await held_bytes(store, blob.digest) == LARGE
    assert await held_bytes(store, Sha256("0" * 64)) is None
    assert await held_bytes(store, None) is None
    await store.close()


async def test_blob_that_is_evicted_before_it_is_read_is_not_held(tmp_path: Path) -> None:
    store = Evicting(tmp_path, SystemClock(), max_bytes=1 << 30, scrub_s=0)
    await store.start()
    blob = await store.put(LARGE)
    assert await held_bytes(store, blob.digest) is None
    await store.close()
