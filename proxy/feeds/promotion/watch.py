"""The watch over approvals: what their sources offer by now, compared in the background and told to the reviewer.

A name is looked at when its source was read anew, and each in its turn, slowly: no client makes an approved feed ask
its source. What is found is written with its audit; the approved feed goes on as it was, but for a quarantine.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from proxy.config.settings import Feed
from proxy.feeds.promotion.comparing import Comparing, Refreshes, is_same
from proxy.feeds.shared import finish
from proxy.model.actor import SYSTEM
from proxy.model.approval import Approval, Drift
from proxy.model.audit_entry import AuditEntry
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.model.tally import Tally
from proxy.state.approvals import Approvals
from proxy.upstream.errors import UpstreamError

_LOG = logging.getLogger("feedgate.approvals")
_ROUND_S = 900.0
_FIRST_ROUND_S = 60.0
#: Between two names of a round, at least; a round over many names takes as long as it takes.
_LEAST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 1.0

Name = tuple[str, str]


class Watch:
    """The comparisons. `feeds` and `kinds` are those of the settings in force."""

    def __init__(
        self, approvals: Approvals, refreshes: Refreshes, clock: Clock, tally: Tally,
        feeds: Callable[[], Mapping[str, Feed]], kinds: Callable[[], Mapping[str, Comparing]],
    ) -> None:  # fmt: skip
        self._approvals = approvals
        self._refreshes = refreshes
        self._clock = clock
        self._tally = tally
        self._feeds = feeds
        self._kinds = kinds
        self._queue: asyncio.Queue[Name] = asyncio.Queue()
        self._queued: set[Name] = set()
        self._tasks: list[asyncio.Task[None]] = []

    # -- life

    def start(self) -> None:
        self._refreshes.listen(self._noticed)
        self._tasks = [
            asyncio.create_task(self._work(), name="compare approvals"),
            asyncio.create_task(self._rounds(), name="watch sources"),
        ]

    async def close(self) -> None:
        self._refreshes.listen(None)
        await finish(tuple(self._tasks))

    async def look(self) -> None:
        """Look at every approved name now; return when all have been compared."""
        for source, name in self._names():
            self._put(source, name)
        await self._queue.join()

    # -- parts

    def _noticed(self, source: str, name: str) -> None:
        if any(self._of(source, name)):
            self._put(source, name)

    def _put(self, source: str, name: str) -> None:
        if (source, name) not in self._queued:
            self._queued.add((source, name))
            self._queue.put_nowait((source, name))

    async def _work(self) -> None:
        while True:
            source, name = await self._queue.get()
            # From here on another notice means another look.
            self._queued.discard((source, name))
            try:
                await self._compare(source, name)
            except (Problem, UpstreamError) as error:
                _LOG.info(
                    "a source could not be compared: feed %s, name %s, why %s", source, name, str(error)
                )
            except Exception:  # noqa: BLE001 - the next name is looked at, whatever this one did
                _LOG.exception("comparing approvals failed: feed %s, name %s", source, name)
            finally:
                self._queue.task_done()

    async def _rounds(self) -> None:
        await asyncio.sleep(_FIRST_ROUND_S)
        while True:
            names = self._names()
            pause = min(_LONGEST_PAUSE_S, max(_LEAST_PAUSE_S, _ROUND_S / max(1, len(names))))
            for source, name in names:
                self._put(source, name)
                await asyncio.sleep(pause)
            await asyncio.sleep(_ROUND_S)

    async def _compare(self, source: str, name: str) -> None:
        feed = self._feeds().get(source)
        kind = self._kinds().get(feed.kind) if feed is not None and not feed.offline else None
        approvals = self._of(source, name)
        if kind is None or not approvals:
            return
        found = await kind.compare(source, name, approvals, self._now_ms())
        changed = [
            (approval, replace(approval, drift=found[approval.id]))
            for approval in approvals
            if approval.id in found and not is_same(approval.drift, found[approval.id])
        ]
        if changed:
            await self._approvals.change_all(changed, [_entry(before, after) for before, after in changed])
            self._tell(changed)

    def _of(self, source: str, name: str) -> list[Approval]:
        return [
            approval
            for feed in self._feeds().values()
            if source in feed.curated_from
            for approval in self._approvals.of(feed.name, name).values()
            if approval.source_feed == source
        ]

    def _names(self) -> Sequence[Name]:
        active = self._approvals.active()
        return list(dict.fromkeys((approval.source_feed, approval.name) for approval in active))

    def _tell(self, changed: Sequence[tuple[Approval, Approval]]) -> None:
        for _, after in changed:
            self._tally.count("approvals", after.drift.kind if after.drift is not None else "as_approved")
            _LOG.warning(
                "the source of an approval has changed: feed %s, file %s, what %s",
                after.feed,
                after.artifact,
                _words(after.drift),
            )

    def _now_ms(self) -> int:
        return round(self._clock.now().timestamp() * 1000)


def _entry(before: Approval, after: Approval) -> AuditEntry:
    kind = after.drift.kind if after.drift is not None else "restored"
    return AuditEntry(
        SYSTEM, f"approval.{kind}", after.id, before=_told(before), after=_told(after), detail=_words(after.drift),
        feed=after.feed,
    )  # fmt: skip


def _told(approval: Approval) -> dict[str, object]:
    drift = approval.drift
    return {
        "artifact": approval.artifact, "name": approval.name, "version": approval.version,
        "sha256": approval.sha256, "drift": drift.kind if drift is not None else None,
        "origin_sha256": drift.sha256 if drift is not None else None,
    }  # fmt: skip


def _words(drift: Drift | None) -> str:
    return drift.reason if drift is not None else "the origin lists it as it was approved again"
