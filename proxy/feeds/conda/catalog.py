"""What a channel asks of each of its upstreams, subdir by subdir."""

from collections.abc import Sequence
from typing import Protocol

from proxy.feeds.conda.edition import HeldSubdir


class Catalog(Protocol):
    """One subdir of an upstream: an origin's (`subdir_catalog`), another feed's (`feed_subdir`), or approvals."""

    def peek(self) -> HeldSubdir | None: ...

    def last(self) -> HeldSubdir | None: ...

    def stem(self) -> str | None:
        """Return the name of the generation that is held, however old; None where there is none."""
        ...

    async def find(self, *, offline: bool = False) -> HeldSubdir: ...

    def damaged(self, stem: str) -> None: ...

    def is_busy(self) -> bool: ...

    def notes(self) -> Sequence[str]:
        """Return what is amiss with it, one line each: what, since when and why."""
        ...

    def under_way(self) -> Sequence[str]:
        """Return what is being done for it now, one line each."""
        ...

    async def close(self) -> None: ...
