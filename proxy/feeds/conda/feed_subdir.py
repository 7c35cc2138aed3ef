"""A subdir of an upstream that is a feed of this server: what that feed's channel shows there.

Loops of feeds are a configuration error, so the chain ends.
"""

from collections.abc import Sequence

from proxy.feeds.conda.channel import Channel
from proxy.feeds.conda.edition import Edition, HeldSubdir


class FeedSubdir:
    """Another feed's subdir, seen as an upstream's (`channel.Catalog`)."""

    def __init__(self, channel: Channel, subdir: str) -> None:
        self._channel = channel
        self._subdir = subdir
        self._last: HeldSubdir | None = None

    def peek(self) -> HeldSubdir | None:
        edition = self._channel.peek(self._subdir)
        return None if edition is None else self._kept(edition)

    def last(self) -> HeldSubdir | None:
        return self._last

    def stem(self) -> str | None:
        return (
            self._last.generation.stem
            if self._last is not None and self._last.generation is not None
            else None
        )

    async def find(self, *, offline: bool = False) -> HeldSubdir:
        edition = await self._channel.edition(self._subdir, offline=offline)
        return self._kept(edition) if edition is not None else self._channel.nothing_in(self._subdir)

    def damaged(self, stem: str) -> None:
        self._channel.damaged_stem(self._subdir, stem)

    def is_busy(self) -> bool:
        return False

    def notes(self) -> Sequence[str]:
        return ()

    def under_way(self) -> Sequence[str]:
        return ()

    async def close(self) -> None:
        """Nothing is under way here: the other feed closes its own."""

    def _kept(self, edition: Edition) -> HeldSubdir:
        self._last = HeldSubdir(
            edition.generation, edition.folder, edition.how, edition.age_s, edition.fresh_for_s, edition.lineage,
            edition,
        )  # fmt: skip
        return self._last
