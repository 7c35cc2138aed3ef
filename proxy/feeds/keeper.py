"""The keeper: what a serving process asks of the process that owns the outbound door and the state.

Every argument and every result is a plain value (names, digests, seconds), so the same interface is called
directly while there is one process and over a Unix socket when there are several (design, section 4,
Processes). Bytes never cross it: shards, documents and artifacts are blobs on disk, and a file that is still
arriving is read as it grows.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from proxy.model.digest import Sha256


class How(StrEnum):
    """How an answer about a name was come by."""

    HIT = "hit"
    STALE = "stale"
    MISS = "miss"
    REVALIDATED = "revalidated"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Offer:
    """What the owner of a name offers under it: a packed shard, and how fresh that is."""

    upstream: str
    shard: Sha256
    #: STALE: the origin could not be asked in time and this is the last good copy.
    how: How
    #: Seconds since the origin last confirmed it.
    age_s: float
    #: Seconds for which a server may use it without asking again.
    fresh_for_s: float
    #: The page lists nothing.
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class Absent:
    """Nobody who may have the name has it."""

    reason: str
    fresh_for_s: float


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """Which artifact: the feed and name it is asked under, the shard's upstream, and its facts from the record."""

    feed: str
    name: str
    upstream: str
    url: str
    filename: str
    sha256: Sha256 | None
    size: int | None
    other_hashes: tuple[tuple[str, str], ...] = ()
    #: conda's; "" where a kind has none.
    subdir: str = ""


class Landing(Protocol):
    """An artifact on its way in: the size once the origin has told it, and the growing bytes."""

    async def opened(self) -> int | None:
        """Wait for the origin's header; return the total size in bytes if known. Raises Problem."""
        ...

    def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield the bytes as they arrive; the last 4 KiB only after the digest is right. Raises Problem."""
        ...

    def is_kept(self) -> bool:
        """Tell whether the bytes are being kept, as far as is known: before the first of them nobody can tell."""
        ...


class Keeper(Protocol):
    """The one writer of state and the one that goes out."""

    def is_keeping(self) -> bool:
        """Tell whether the disk takes what is fetched."""
        ...

    def peek(self, feed: str, name: str) -> Offer | Absent | None:
        """Return the answer at once if it is known and fresh, else None."""
        ...

    async def lookup(
        self, feed: str, name: str, *, refresh: bool = False, offline: bool = False
    ) -> Offer | Absent:
        """Return what the feed's owner of the name offers. Raises Problem (origin trouble, held owner).

        `offline` asks nobody: what is held is the answer, however old.
        """
        ...

    async def proven(self, ref: ArtifactRef) -> Sha256 | None:
        """Return the digest of the artifact's bytes if its upstream has shown that it has them (design, law 5).

        Only then may what is held under the digest be sent; whether anything is held is not said.
        """
        ...

    async def held(self, ref: ArtifactRef) -> Sha256 | None:
        """Return the digest under which the artifact's bytes are held, if they are and are `proven`."""
        ...

    async def size_of(self, ref: ArtifactRef) -> int | None:
        """Return the artifact's size, asking the origin where the index does not tell."""
        ...

    async def fetch(self, ref: ArtifactRef) -> Landing:
        """Join or start the one fetch of the artifact from its upstream."""
        ...

    async def arriving(self, ref: ArtifactRef) -> Landing | None:
        """Join the fetch of the artifact from its upstream, if one is under way."""
        ...

    def pass_range(self, ref: ArtifactRef, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield bytes start..stop-1 straight from the origin, uncached and unverified (the client checks)."""
        ...
