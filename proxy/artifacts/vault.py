"""The vault: the bytes of what people approved. They are never evicted, purged or pruned, and do not count as cache.

A second blob store below `data_dir/vault`, with the same durable writes, verification and scrub: it is never wiped, and
what rots in it is fetched again by its pin (`feeds/vaulting.py`). `VaultedStore` is the cache with the vault behind it:
whoever reads a blob finds it in either, and writes into the cache.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from proxy.artifacts.blob import Blob, LostBlobError
from proxy.artifacts.files import DiskError, OpenFile
from proxy.artifacts.store import BlobStore, nothing_is_pinned
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.tally import Tally

_NO_LIMIT = 2**62
_MEMORY_BYTES = 8 * 1024 * 1024


class Vault(BlobStore):
    """The blobs below `root`, for good."""

    def __init__(self, root: Path, clock: Clock, *, scrub_s: float, tally: Tally | None = None) -> None:
        super().__init__(
            root, clock, max_bytes=_NO_LIMIT, scrub_s=scrub_s, memory_bytes=_MEMORY_BYTES, tally=tally
        )

    def holds(self, digest: Sha256) -> bool:
        """Tell at once whether the blob is here; not before the scan of a start has passed it (`scanned`)."""
        return digest in self._accounting

    async def copy(self, source: BlobStore, blob: Blob) -> Blob:
        """Take the bytes of another store's blob, verified on their way.

        Raises LostBlobError where they are there no more or are not right, DiskError where they cannot be kept.
        """
        partial = self.partial()
        try:
            async with contextlib.aclosing(source.stream(blob)) as pieces:
                async for piece in pieces:
                    await partial.append(piece)
            return await self.adopt(partial, blob.digest)
        except LostBlobError:
            await partial.discard()
            raise
        except ValueError as wrong:
            await partial.discard()
            raise LostBlobError(blob.digest, str(wrong)) from wrong
        except DiskError as error:
            self.health.failed(error)
            raise
        finally:
            partial.close()


class VaultedStore(BlobStore):
    """The cache; what it does not hold is looked for in the vault."""

    def __init__(
        self, root: Path, clock: Clock, vault: Vault, *, max_bytes: int, scrub_s: float, tally: Tally,
        is_pinned: Callable[[Sha256], bool] = nothing_is_pinned,
    ) -> None:  # fmt: skip
        super().__init__(root, clock, max_bytes=max_bytes, scrub_s=scrub_s, is_pinned=is_pinned, tally=tally)
        self._vault = vault

    def peek(self, digest: Sha256) -> Blob | None:
        return super().peek(digest) or self._vault.peek(digest)

    async def get(self, digest: Sha256) -> Blob | None:
        return await super().get(digest) or await self._vault.get(digest)

    async def find(self, digest: Sha256) -> Blob | None:
        return await super().find(digest) or await self._vault.find(digest)

    def stream(self, blob: Blob, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        if self._is_vaults(blob):
            return self._vault.stream(blob, start, stop)
        return super().stream(blob, start, stop)

    async def open(self, blob: Blob) -> OpenFile:
        return await (self._vault.open(blob) if self._is_vaults(blob) else super().open(blob))

    def holds(self, digest: Sha256) -> bool:
        """Tell at once whether the cache has a copy of its own, as far as it has been scanned."""
        return digest in self._accounting

    async def own(self, digest: Sha256) -> Blob | None:
        """Return the cache's own copy, verified."""
        return await super().get(digest)

    def _is_vaults(self, blob: Blob) -> bool:
        return blob.path == self._vault.path_of(blob.digest)
