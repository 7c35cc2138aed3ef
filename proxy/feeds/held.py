"""Reading what is held: a blob that was evicted or proved damaged since it was found is as good as not held."""

from proxy.artifacts.blob import Blob, LostBlobError
from proxy.artifacts.store import BlobStore
from proxy.feeds.keeper import ArtifactRef, Keeper
from proxy.model.digest import Sha256


async def held_bytes(store: BlobStore, digest: Sha256 | None) -> bytes | None:
    """Return the blob's bytes, None where they are not held (any more)."""
    blob = await store.get(digest) if digest is not None else None
    try:
        return None if blob is None else await store.read(blob)
    except LostBlobError:
        return None


async def held_blob(store: BlobStore, keeper: Keeper, ref: ArtifactRef) -> Blob | None:
    """Return an artifact's bytes if they are held, and its feed may send them.

    The store is not even looked at for others, so that nothing, not even the time it takes, tells whether it has them.
    """
    digest = await keeper.proven(ref)
    return None if digest is None else store.peek(digest) or await store.find(digest)
