"""A curated feed's names: what people approved is its catalog, and nothing else is asked for.

`CuratedNames` stands where an open feed has the owners of its names, so pages, files, verdicts and the feeds behind it
go through the same code. The shard of a name is made from its approvals by the kind (`Build`) and kept as a blob like
any other: losing it costs making it again. An answer is good for no longer than the moment it is given, because
asking is at once: a revocation reaches the gate with the very next request.

`Pins` says where the bytes of an approved file come from: the source's upstream that it was approved from.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from proxy.artifacts.store import BlobStore
from proxy.feeds.keeper import ArtifactRef, How
from proxy.feeds.name_catalog import Held
from proxy.feeds.owners import Owned
from proxy.model.approval import Approval
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.state.approvals import Approvals

#: The upstream of every record of a curated feed.
APPROVED = "approved"


@dataclass(frozen=True, slots=True)
class OfName:
    """What is approved under one name, and what is no more; by artifact."""

    name: str
    active: Mapping[str, Approval]
    revoked: Mapping[str, Approval]


Build = Callable[[OfName], bytes]


class CuratedNames:
    """One feed's names."""

    def __init__(self, feed: str, approvals: Approvals, store: BlobStore, build: Build) -> None:
        self._feed = feed
        self._approvals = approvals
        self._store = store
        self._build = build
        #: name -> (its revision, the shard made of it).
        self._made: dict[str, tuple[int, Sha256]] = {}
        self._turn = asyncio.Lock()

    def peek(self, name: str) -> Owned | None:
        """Return the answer at once where the shard is made; an unapproved name needs none."""
        revision = self._approvals.revision(self._feed, name)
        if not revision:
            return _ABSENT
        made = self._made.get(name)
        return _offer(made[1]) if made is not None and made[0] == revision else None

    async def find(self, name: str, *, refresh: bool = False, offline: bool = False) -> Owned:
        """Return the answer; with `refresh` the shard is made again, because it is not held any more."""
        known = None if refresh else self.peek(name)
        if known is not None:
            return known
        async with self._turn:
            known = None if refresh else self.peek(name)
            return known if known is not None else await self._make(name)

    async def has_listed(self, name: str) -> bool:
        """Tell whether anything of the name was ever approved."""
        return bool(self._approvals.of(self._feed, name) or self._approvals.revoked(self._feed, name))

    async def amend(self, upstream: str, name: str, edit: Callable[[bytes], bytes | None]) -> None:
        """Change the made shard by what was learned of a file, until the next change of its name."""
        async with self._turn:
            made = self._made.get(name)
            blob = await self._store.get(made[1]) if made is not None else None
            if made is None or blob is None:
                return
            edited = await asyncio.to_thread(edit, await self._store.read(blob))
            if edited is not None and self._made.get(name) == made:
                self._made[name] = (made[0], (await self._store.put(edited)).digest)

    async def close(self, grace_s: float = 0.0) -> None:
        """Nothing is under way."""

    async def _make(self, name: str) -> Owned:
        revision = self._approvals.revision(self._feed, name)
        of_name = OfName(
            name,
            dict(self._approvals.of(self._feed, name)),
            dict(self._approvals.revoked(self._feed, name)),
        )
        if not of_name.active and not of_name.revoked:
            return _ABSENT
        blob = await self._store.put(await asyncio.to_thread(self._build, of_name))
        self._made[name] = (revision, blob.digest)
        return _offer(blob.digest)


class Pins:
    """Where approved files come from."""

    def __init__(self, approvals: Approvals, clock: Clock) -> None:
        self._approvals = approvals
        self._clock = clock

    def source(
        self, feed: str, curated_from: Sequence[str], ref: ArtifactRef, upstream: str
    ) -> tuple[str, str]:
        """Return the feed and upstream that a curated feed's file was approved from. Raises Problem.

        `upstream` is the one that is known already where the file was approved from another curated feed.
        """
        pinned = self.of(feed, ref)
        if pinned is not None:
            if pinned.source_feed in curated_from:
                return pinned.source_feed, pinned.upstream
        elif upstream != APPROVED and len(curated_from) == 1:
            return curated_from[0], upstream
        raise Problem(
            "pinned-unavailable",
            "the approved bytes are not held, and the feed that they were approved from is no more among the sources",
            feed=ref.feed, artifact=ref.filename,
        )  # fmt: skip

    def has_bytes(self, feed: str, digest: Sha256) -> bool:
        """Tell whether bytes have come for a curated feed from where they were approved."""
        return self._approvals.has_bytes(feed, digest)

    async def note_bytes(self, ref: ArtifactRef, digest: Sha256) -> None:
        """Note that they have. What cannot be noted now is noted once the vault is looked through again."""
        at_ms = round(self._clock.now().timestamp() * 1000)
        with suppress(Problem):
            await self._approvals.note_bytes(ref.feed, ref.name, digest, at_ms)

    def of(self, feed: str, ref: ArtifactRef) -> Approval | None:
        """Return the approval that a curated feed's reference speaks of."""
        active = self._approvals.of(feed, ref.name).values()
        return next((each for each in active if each.sha256 == ref.sha256 or _is_beside(ref, each)), None)


def _is_beside(ref: ArtifactRef, approval: Approval) -> bool:
    """Tell whether a reference is of a side-car of an approved file, which its record names."""
    return ref.filename.startswith(f"{approval.artifact.rpartition('/')[2]}.sigs.")


_ABSENT = Owned(None, Held(None, How.HIT, 0.0, 0.0))


def _offer(shard: Sha256) -> Owned:
    return Owned(APPROVED, Held(shard, How.HIT, 0.0, 0.0))
