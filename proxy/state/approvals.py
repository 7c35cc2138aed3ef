"""The approvals of every curated feed, in memory by name; each change is on disk, with its audit, before it is seen.

Readers never wait: the gate asks here for every file of a curated feed. `revision` grows with each change of a feed,
`on_change` tells which names. One change at a time; what was decided before it is checked again inside.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from proxy.model.approval import Approval, Promotion
from proxy.model.audit_entry import AuditEntry
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.state.approved import Curated, drop, load, load_vaulted

if TYPE_CHECKING:
    from proxy.state.database import Database

_LOG = logging.getLogger("feedgate.approvals")
#: For so long an Idempotency-Key stands for its first promotion.
KEY_MS = 7 * 86_400_000

OnChange = Callable[[str, frozenset[str]], None]
_NOTHING: Mapping[str, Approval] = MappingProxyType({})


class Overtaken(Exception):
    """What a decision was made on has changed; decide again."""


class Approvals:
    """All feeds. Reading is at once; changing raises Problem, and then nothing has changed."""

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._feeds: dict[str, Curated] = {}
        self._by_id: dict[str, Approval] = {}
        self._digests: dict[Sha256, int] = {}
        #: For which feeds which bytes have come from where they were approved.
        self._vaulted: dict[Sha256, set[str]] = {}
        self._listeners: list[OnChange] = []
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Take in what the open database holds; before anything is served."""
        loaded = await asyncio.to_thread(load, self._database.path)
        vaulted = await asyncio.to_thread(load_vaulted, self._database.path)
        self._feeds.clear()
        self._by_id.clear()
        self._digests.clear()
        self._vaulted.clear()
        for approval in loaded:
            self._put(approval)
        for feed, digest in vaulted:
            self._vaulted.setdefault(digest, set()).add(feed)

    # -- reading -------------------------------------------------------------------------------------------

    def of(self, feed: str, name: str) -> Mapping[str, Approval]:
        """Return the active approvals of a name by artifact."""
        curated = self._feeds.get(feed)
        return _NOTHING if curated is None else curated.active.get(name, _NOTHING)

    def revoked(self, feed: str, name: str) -> Mapping[str, Approval]:
        """Return the artifacts of a name that were approved once and are no more."""
        curated = self._feeds.get(feed)
        return _NOTHING if curated is None else curated.revoked.get(name, _NOTHING)

    def names(self, feed: str) -> Sequence[str]:
        """Return the names with an active approval, in the order of the alphabet."""
        curated = self._feeds.get(feed)
        if curated is None:
            return ()
        if curated.names is None:
            curated.names = tuple(sorted(name for name, active in curated.active.items() if active))
        return curated.names

    def known_names(self, feed: str) -> Iterable[str]:
        """Return the names with any approval, revoked ones included."""
        curated = self._feeds.get(feed)
        return () if curated is None else {**curated.active, **curated.revoked}.keys()

    def revision(self, feed: str, name: str | None = None) -> int:
        """Return a number that differs after every change of the feed, or of one name of it."""
        curated = self._feeds.get(feed)
        if curated is None:
            return 0
        return curated.revision if name is None else curated.changed.get(name, 0)

    def find(self, feed: str, id_: str) -> Approval | None:
        """Return an approval by its id, revoked ones too."""
        approval = self._by_id.get(id_)
        return approval if approval is not None and approval.feed == feed else None

    def all_of(self, feed: str) -> list[Approval]:
        """Return every approval of a feed, revoked ones included, oldest first."""
        return [approval for approval in self._by_id.values() if approval.feed == feed]

    def active(self) -> list[Approval]:
        """Return the active approvals of all feeds."""
        return [approval for approval in self._by_id.values() if approval.state == "active"]

    def pins(self, digest: Sha256) -> bool:
        """Tell whether any active approval is of these bytes."""
        return digest in self._digests

    def has_bytes(self, feed: str, digest: Sha256) -> bool:
        """Tell whether these bytes have come for this feed from where they were approved.

        The vault may hold them for another feed only; then they are not this feed's to send.
        """
        return feed in self._vaulted.get(digest, ())

    def unpinned_since(self, before_ms: int) -> set[Sha256]:
        """Return the digests whose every approval was revoked before that time."""
        revoked = [each for each in self._by_id.values() if each.state == "revoked"]
        late = {each.sha256 for each in revoked if (each.revoked_ms or 0) >= before_ms}
        return {each.sha256 for each in revoked if each.sha256 not in self._digests} - late

    def on_change(self, listener: OnChange) -> Callable[[], None]:
        """Call back after each change with the feed and its changed names; returns how to stop that."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    # -- changing ------------------------------------------------------------------------------------------

    async def promote(
        self, promotion: Promotion, made: Sequence[Approval], audit: AuditEntry,
        seen: Mapping[tuple[str, str], str | None] = MappingProxyType({}),
    ) -> Promotion:  # fmt: skip
        """Write a promotion with its new approvals, all or none; return it, or the earlier one of the same key.

        `seen` is what it was decided on, (name, artifact) -> the id of its active approval: raises Overtaken where that
        has changed since. Raises
        Problem('conflict') where an artifact has been approved with another digest meanwhile, and
        Problem('unprocessable') where the key stands for another request.
        """
        await self._library()
        from proxy.state import approval_rows as rows

        async with self._turn:
            earlier = await self._earlier(promotion)
            if earlier is not None:
                return earlier
            if any(self._id_of(promotion.feed, *what) != id_ for what, id_ in seen.items()):
                raise Overtaken
            new = [approval for approval in made if not self._is_approved(approval)]
            async with self._database.change(audit) as connection:
                if promotion.key is not None:
                    await rows.forget_keys(connection, promotion.feed, promotion.at_ms - KEY_MS)
                await rows.add(connection, promotion, new)
            self._changed(new)
        return promotion

    async def earlier(self, feed: str, key: str, asked_sha256: str, now_ms: int) -> Promotion | None:
        """Return what was answered to the same request with this key. Raises Problem('unprocessable') for another."""
        await self._library()
        from proxy.state import approval_rows as rows

        async with (await self._database.rows()).read() as connection:
            found = await rows.promotion(connection, feed, key=key)
        if found is None or found.at_ms <= now_ms - KEY_MS:
            return None
        if found.asked_sha256 != asked_sha256:
            raise Problem(
                "unprocessable", "this Idempotency-Key was used for another request; use a new one", feed=feed
            )
        return found

    async def change(self, before: Approval, after: Approval, audit: AuditEntry) -> Approval:
        """Write one approval anew. Raises Problem('conflict') where it is no longer as it was."""
        return (await self.change_all([(before, after)], [audit]))[0]

    async def change_all(
        self, changes: Sequence[tuple[Approval, Approval]], audit: Sequence[AuditEntry]
    ) -> list[Approval]:
        """Write several approvals anew, all or none."""
        await self._library()
        from proxy.state import approval_rows as rows

        after = [each for _, each in changes]
        async with self._turn:
            for before, _ in changes:
                if self._by_id.get(before.id) != before:
                    raise Problem("conflict", f"the approval {before.id} has changed meanwhile; look again")
            async with self._database.change(*audit) as connection:
                await rows.write(connection, after)
            self._changed(after)
        return after

    async def note_bytes(self, feed: str, name: str, digest: Sha256, at_ms: int) -> None:
        """Note that bytes of a name have come for a feed from where they were approved. Raises Problem('disk-full').

        Where nothing of the name is approved any more, perhaps because the feed is gone, nothing is noted.
        """
        if self.has_bytes(feed, digest):
            return
        rows = await self._database.rows()
        async with self._turn:
            if self.of(feed, name):
                await rows.write_vaulted(feed, digest, at_ms)
                self._vaulted.setdefault(digest, set()).add(feed)

    async def let_go(self, digest: Sha256, remove: Callable[[Sha256], Awaitable[None]]) -> bool:
        """Remove bytes that no active approval is of, and none is made meanwhile; tell whether they were removed."""
        async with self._turn:
            if self.pins(digest):
                return False
            if self._vaulted.pop(digest, None) is not None:
                await (await self._database.rows()).forget_vaulted(digest)
            await remove(digest)
            return True

    async def forget(self, feed: str, audit: AuditEntry) -> None:
        """Remove everything that was approved in a feed, which is being deleted."""
        await self._library()
        from proxy.state import approval_rows as rows

        async with self._turn:
            async with self._database.change(audit) as connection:
                await rows.remove(connection, feed)
            self.forgotten(feed)

    def forgotten(self, feed: str) -> None:
        """Note that the rows of a feed have been removed."""
        gone = self.all_of(feed)
        for approval in gone:
            self._take(approval)
            del self._by_id[approval.id]
        for digest in [digest for digest, feeds in self._vaulted.items() if feed in feeds]:
            self._vaulted[digest].discard(feed)
            if not self._vaulted[digest]:
                del self._vaulted[digest]
        curated = self._feeds.pop(feed, None)
        if curated is not None:
            self._tell(feed, frozenset(each.name for each in gone))

    async def promotion(self, feed: str, id_: str) -> Promotion | None:
        """Return one promotion of a feed."""
        await self._library()
        from proxy.state import approval_rows as rows

        async with (await self._database.rows()).read() as connection:
            return await rows.promotion(connection, feed, id=id_)

    async def promotions(
        self, feed: str, limit: int, before: tuple[int, str] | None = None
    ) -> list[Promotion]:
        """Return a feed's promotions, newest first."""
        await self._library()
        from proxy.state import approval_rows as rows

        async with (await self._database.rows()).read() as connection:
            return await rows.promotions_of(connection, feed, limit, before)

    # -- parts ---------------------------------------------------------------------------------------------

    async def _library(self) -> None:
        """Have what `approval_rows` imports loaded in a thread, before it is imported here."""
        await self._database.rows()

    async def _earlier(self, promotion: Promotion) -> Promotion | None:
        if promotion.key is None or promotion.asked_sha256 is None:
            return None
        return await self.earlier(promotion.feed, promotion.key, promotion.asked_sha256, promotion.at_ms)

    def _id_of(self, feed: str, name: str, artifact: str) -> str | None:
        approval = self.of(feed, name).get(artifact)
        return approval.id if approval is not None else None

    def _is_approved(self, approval: Approval) -> bool:
        present = self.of(approval.feed, approval.name).get(approval.artifact)
        if present is not None and present.sha256 != approval.sha256:
            raise Problem(
                "conflict", "this file has been approved with another digest meanwhile",
                feed=approval.feed, artifact=approval.artifact,
            )  # fmt: skip
        return present is not None

    def _changed(self, approvals: Sequence[Approval]) -> None:
        by_feed: dict[str, set[str]] = {}
        for approval in approvals:
            self._put(approval)
            by_feed.setdefault(approval.feed, set()).add(approval.name)
        for feed, names in by_feed.items():
            self._tell(feed, frozenset(names))

    def _tell(self, feed: str, names: frozenset[str]) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(feed, names)
            except Exception:  # noqa: BLE001 - what is on disk is done; a listener cannot undo it
                _LOG.exception("a listener failed; the change is made")

    def _put(self, approval: Approval) -> None:
        self._take(approval)
        curated = self._feeds.setdefault(approval.feed, Curated())
        self._by_id[approval.id] = approval
        active, revoked = curated.active, curated.revoked
        if approval.state == "active":
            active.setdefault(approval.name, {})[approval.artifact] = approval
            drop(revoked, approval)
            self._digests[approval.sha256] = self._digests.get(approval.sha256, 0) + 1
        elif approval.artifact not in active.get(approval.name, _NOTHING):
            revoked.setdefault(approval.name, {})[approval.artifact] = approval
        curated.revision += 1
        curated.changed[approval.name] = curated.revision
        curated.names = None

    def _take(self, approval: Approval) -> None:
        """Forget what is known under the same id."""
        before = self._by_id.get(approval.id)
        if before is None or before.state != "active":
            return
        drop(self._feeds[before.feed].active, before)
        left = self._digests[before.sha256] - 1
        if left:
            self._digests[before.sha256] = left
        else:
            del self._digests[before.sha256]
