"""What a fetch is told from outside: where the bytes come from, and what they must be.

A source is one way to the artifact's bytes; mirrors of one upstream may hide behind one source (the
outbound door moves between them) or be several. Timeouts, minimum rates, breakers and the retries of an
opening are its own.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from itertools import starmap
from typing import Protocol

from proxy.artifacts.hashes import Hashes, is_checkable
from proxy.model.digest import Sha256


class OriginStreamLike(Protocol):
    """The bytes of a file from `start` on, as they arrive (see `proxy.upstream.stream`)."""

    @property
    def status(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def total(self) -> int | None: ...
    @property
    def etag(self) -> str | None: ...
    @property
    def last_modified(self) -> str | None: ...
    @property
    def coding(self) -> str:
        """The Content-Encoding that the origin states; empty if there is none."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes; raises UpstreamError unless all of them came."""
        ...

    async def close(self) -> None: ...


class Source(Protocol):
    """One place that has the artifact."""

    def name(self) -> str:
        """Name it for people, without a credential."""
        ...

    async def open(self, start: int, if_range: str | None) -> OriginStreamLike:
        """Ask for the bytes from `start` on. Raises UpstreamError, or Problem('unknown') if it is gone."""
        ...

    async def right_bytes(self, digest: Sha256) -> None:
        """Take note that this source sent the whole artifact, which has this digest. Raises nothing."""
        ...

    async def wrong_bytes(self, detail: str) -> None:
        """Take note that this source sent bytes that are not the artifact's; it rests for a while."""
        ...


@dataclass(frozen=True, slots=True)
class Expected:
    """What the artifact's bytes must be, as far as its index tells. `other` counts only without `sha256`."""

    sha256: Sha256 | None
    size: int | None = None
    other: Mapping[str, str] = field(default_factory=dict)

    def hashes(self) -> Hashes:
        """Return digests of nothing, of the kinds that are needed."""
        return Hashes({} if self.sha256 is not None else self.other)

    @property
    def is_provable(self) -> bool:
        """Whether bytes can be told from others: a digest is stated that is known here."""
        return self.sha256 is not None or any(starmap(is_checkable, self.other.items()))

    def complaint(self, found: Hashes, source: str) -> str | None:
        """Return what is wrong with a whole artifact, naming both digests, or None."""
        if self.size is not None and found.size != self.size:
            return f"{source} sent {found.size} bytes where {self.size} were expected{self._digests(found)}"
        if self.sha256 is not None:
            if found.sha256() == self.sha256:
                return None
            return f"{source} sent sha256 {found.sha256()} where {self.sha256} was expected"
        for name, wanted in self.other.items():
            got = found.other(name)
            if got is not None and got != wanted.lower():
                return f"{source} sent {name} {got} where {wanted} was expected"
        return None

    def _digests(self, found: Hashes) -> str:
        return "" if self.sha256 is None else f" (sha256 {found.sha256()} where {self.sha256} was expected)"


@dataclass(frozen=True, slots=True)
class Opened:
    """What the origin's header told. `source` names who answered."""

    total: int | None
    etag: str | None
    last_modified: str | None
    source: str
