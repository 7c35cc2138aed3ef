"""What a feed shows of one project, as a promotion needs to know it: for certain.

A page shows what is known by then, and waits a moment only; a promotion must not hang on what has been looked up
before. So what keeps a file from being judged is looked up here when the file is a candidate, however long that takes:
first that of the newest candidate alone, then of more and more together, for as long as none of them may be shown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from proxy.feeds.promotion.selecting import Found, Refused, refused
from proxy.feeds.pypi.facts import version_key
from proxy.feeds.pypi.feed import PypiFeed
from proxy.feeds.pypi.licenses import one_of_each_version
from proxy.feeds.pypi.pinned import pin
from proxy.feeds.pypi.shard import Shard
from proxy.feeds.pypi.view import PypiView
from proxy.feeds.pypi.viewer import is_untold
from proxy.model.approval import Approval
from proxy.model.digest import Sha256
from proxy.model.verdict import Verdict
from proxy.pypi.distribution import Distribution

_LARGEST_BATCH = 32


class Untold(Exception):
    """What must be known of a file could not be found out; `refused` says it."""

    def __init__(self, why: Refused) -> None:
        super().__init__(why.reason)
        self.refused = why


@dataclass(frozen=True, slots=True)
class Seen:
    """What a feed shows of a name, and what is behind that."""

    view: PypiView
    shard: Shard


class Sourced:
    """A project of a feed, ready to be asked. `turns` bounds what is looked up at once."""

    def __init__(
        self, feed: PypiFeed, seen: Seen, approved: Mapping[str, Approval], turns: asyncio.Semaphore
    ) -> None:
        self.feed = feed
        self.view = seen.view
        self._shard = seen.shard
        self._approved = approved
        self._turns = turns
        self._batch = 1
        #: The files that are hidden for want of knowledge only, by path.
        self._waiting = _waiting(seen.view)
        #: Those of them that were looked up in vain.
        self._untold: dict[str, Distribution] = {}
        self._turn = asyncio.Lock()

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def shown(self) -> list[Distribution]:
        """The files that are shown; their bytes may have changed at the origin (`drifted`)."""
        return [file for file in self.view.listing.files if file.path in self.view.kept]

    def possible(self) -> list[Distribution]:
        """Return the files that may be promoted, and those that may be once more is known of them."""
        files = [*self.shown, *self._waiting.values()]
        return [file for file in files if not self.drifted(file)]

    def drifted(self, file: Distribution) -> bool:
        return file.filename in self._shard.changed

    async def allowed(self, files: Sequence[Distribution]) -> list[Distribution]:
        """Return which files of one version may be promoted, after finding out what must be known of them.

        Raises Untold where that did not come.
        """
        await self._settle(files)
        for file in files:
            verdict = self.verdict(file)
            if verdict is not None and file.path in self._waiting:
                raise Untold(refused(file.filename, verdict))
        return [file for file in files if file.path in self.view.kept]

    async def settle(self, files: Sequence[Distribution] | None = None) -> None:
        """Find out all that keeps these files (or any) from being judged, the newest first, as far as it comes."""
        wanted = {file.path for file in files} if files is not None else None
        while waiting := one_of_each_version(
            file for file in self._fresh() if wanted is None or file.path in wanted
        ):
            await self._look_up(waiting[: self._grown()])

    def verdict(self, file: Distribution) -> Verdict | None:
        """Return why a file is hidden, with what could not be found out; None for one that is shown."""
        verdict = self.view.hidden.get(file.path)
        return None if verdict is None else self.feed.viewer.told_of(self._asked_for(file), verdict)

    def found(self, file: Distribution) -> Found:
        """Return a file with what an approval of it pins; of a curated source, that is what its own approval has."""
        sha256 = Sha256(file.sha256) if file.sha256 is not None else None
        former = self._approved.get(file.filename)
        if former is not None:
            return Found(
                file.filename, self.name, file.version or "", sha256, file.size, former.record, former.upstream,
                former.origin_url,
            )  # fmt: skip
        return Found(
            file.filename, self.name, file.version or "", sha256, file.size, pin(self._shard, file),
            self.view.upstream, file.url,
        )  # fmt: skip

    # -- parts ---------------------------------------------------------------------------------------------

    def _take(self, view: PypiView) -> None:
        self.view = view
        self._waiting = _waiting(view)

    def _fresh(self) -> list[Distribution]:
        """Return what may still be looked up: nothing is asked twice."""
        untold = {version_key(file) for file in self._untold.values()}
        return [
            file
            for file in self._waiting.values()
            if file.path not in self._untold and version_key(file) not in untold - {None}
        ]

    async def _settle(self, files: Sequence[Distribution]) -> None:
        """Look up what these files of one version wait for, and beside it what older ones do that may be next."""
        async with self._turn:
            if not any(file.path in self._waiting for file in files):
                return
            fresh = self._fresh()
            wanted = {file.path for file in files}
            first = one_of_each_version(file for file in fresh if file.path in wanted)
            if not first:
                return
            version = version_key(first[0])
            older = [file for file in fresh if _is_older(version_key(file), version)]
            await self._look_up([*first, *one_of_each_version(older)][: self._grown()])

    async def _look_up(self, files: Sequence[Distribution]) -> None:
        self._take(await self.feed.viewer.learned(self.view, files, self._turns))
        self._untold |= {file.path: file for file in files if file.path in self._waiting}

    def _grown(self) -> int:
        batch, self._batch = self._batch, min(2 * self._batch, _LARGEST_BATCH)
        return batch

    def _asked_for(self, file: Distribution) -> Distribution:
        """Return the file of the same version that was asked in vain."""
        version = version_key(file)
        return next((each for each in self._untold.values() if version_key(each) == version), file)


class SourcedBehind(Sourced):
    """A project of a feed that takes it from another one: what keeps files from being judged there is found out too."""

    def __init__(
        self, feed: PypiFeed, seen: Seen, approved: Mapping[str, Approval], turns: asyncio.Semaphore,
        behind: Sourced, again: Callable[[], Awaitable[Seen | None]],
    ) -> None:  # fmt: skip
        super().__init__(feed, seen, approved, turns)
        self._behind = behind
        self._again = again

    def possible(self) -> list[Distribution]:
        own = super().possible()
        paths = {file.path for file in own}
        others = (file for file in self._behind.possible() if file.path not in paths)
        return [*own, *(file for file in others if self._is_held_behind(file) and not self.drifted(file))]

    async def allowed(self, files: Sequence[Distribution]) -> list[Distribution]:
        if any(self._is_held_behind(file) for file in files):
            await self._behind.allowed(files)
            await self._look_again()
        return await super().allowed(files)

    async def settle(self, files: Sequence[Distribution] | None = None) -> None:
        await self._behind.settle(files)
        await self._look_again()
        await super().settle(files)

    def _is_held_behind(self, file: Distribution) -> bool:
        verdict = self.view.hidden.get(file.path)
        return verdict is not None and file.path not in self._waiting and is_untold(verdict)

    async def _look_again(self) -> None:
        seen = await self._again()
        if seen is not None:
            self._shard = seen.shard
            self._take(seen.view)


def _waiting(view: PypiView) -> dict[str, Distribution]:
    return {file.path: file for file in view.wanted if file.path in view.hidden}


def _is_older(version: Version | None, than: Version | None) -> bool:
    return version is not None and than is not None and version < than
