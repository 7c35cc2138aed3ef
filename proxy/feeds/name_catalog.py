"""The catalog of an upstream whose index is sharded by name: name -> shard, as fresh as it can be.

It decides nothing about what may be seen; it knows what the origin said last, when, and whether to ask again.
One refresh per name is under way at a time, it belongs to nobody, and whoever needs the name waits for it as
long as `freshness` says. A damaged, shrunken or older page never replaces the last good shard.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from proxy.config.settings import Upstream
from proxy.feeds import facts as stored
from proxy.feeds.facts import Facts
from proxy.feeds.freshness import Expired, Fresh, Limits, Resting, Stale, age_s, decide
from proxy.feeds.intake import Intake
from proxy.feeds.keeper import How
from proxy.feeds.shards import BadIndex
from proxy.feeds.shared import finish, outcome
from proxy.feeds.troubles import Troubles
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.upstream.errors import BadAnswer, UpstreamError

_LOG = logging.getLogger("feedgate.catalog")
_REMEMBERED = 20_000
_AMEND_TRIES = 10
_FROZEN, _REFUSED = "pages stay as they were", "pages are refused"


@dataclass(frozen=True, slots=True)
class Held:
    """The catalog's answer: the shard (None: the origin has no such name) and how fresh the answer is."""

    shard: Sha256 | None
    how: How
    age_s: float
    fresh_for_s: float
    #: The page lists nothing: it is there, and says as little as none.
    is_empty: bool = False


class NameCatalog:
    """One upstream's names. `intake` asks the origin and keeps what comes; this class remembers and decides."""

    def __init__(self, upstream: Upstream, intake: Intake, clock: Clock, *, offline: bool) -> None:
        self._upstream = upstream
        self._intake = intake
        self._clock = clock
        self._offline = offline
        self._limits = Limits(upstream.ttl_s, upstream.negative_ttl_s, upstream.stale_if_error_s)
        self._facts: OrderedDict[str, Facts] = OrderedDict()
        self._refreshing: dict[str, asyncio.Task[Facts]] = {}
        #: The names whose page did not come or was refused.
        self.troubles = Troubles(clock)

    def peek(self, name: str) -> Held | None:
        """Return the answer if it is in memory and fresh."""
        facts = self._facts.get(name)
        if facts is None:
            return None
        if self._offline:
            return self._held(facts, How.HIT) if facts.is_present else None
        match self._decide(facts):
            case Fresh():
                return self._held(facts, How.HIT)
            case Resting():
                return self._held(facts, How.STALE)
            case _:
                return None

    async def find(self, name: str, *, refresh: bool = False, offline: bool = False) -> Held:
        """Return what the upstream has under the name. Raises UpstreamError when neither it nor a copy can tell.

        `offline` is for a feed that must not cause a request: it gets what is held, however old.
        """
        facts = self._facts.get(name) or await self._recall(name)
        if self._offline or offline:
            return self._held(facts or Facts(0), How.HIT)
        if facts is None:
            return self._held(await outcome(self._refresh(name, None)), How.MISS)
        match Expired() if refresh and facts.is_present else self._decide(facts):
            case Fresh():
                return self._held(facts, How.HIT)
            case Resting():
                return self._held(facts, How.STALE)
            case Stale(patience_s):
                return await self._try(name, facts, patience_s)
            case Expired():
                return await self._must(name, facts, refresh)

    async def has_listed(self, name: str) -> bool:
        """Tell whether the upstream ever listed a file of the name."""
        return await self._intake.has_listed(name)

    async def amend(self, name: str, edit: Callable[[bytes], bytes | None]) -> None:
        """Change the held shard of a name by what was learned since; until the origin's page changes."""
        for _ in range(_AMEND_TRIES):
            facts = self._facts.get(name) or await self._recall(name)
            amended = await self._intake.amended(facts, edit) if facts is not None else None
            if facts is None or amended is None:
                return
            # Whoever was faster has changed another part of it.
            if self._facts.get(name) is facts:
                await self._remember(name, amended)
                return

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop what is under way, after waiting that long for it."""
        await finish(tuple(self._refreshing.values()), grace_s)

    # -- deciding ------------------------------------------------------------------------------------------

    def _decide(self, facts: Facts) -> Fresh | Stale | Resting | Expired:
        return decide(
            is_present=facts.is_present, checked_at_ms=facts.checked_at_ms, failures=facts.failures,
            failed_at_ms=facts.failed_at_ms, now_ms=self._now_ms(), limits=self._limits,
            is_for_one_only=facts.is_for_one_only,
        )  # fmt: skip

    def _asked(self, before: Facts, after: Facts) -> Held:
        return self._held(after, How.REVALIDATED if before.shard == after.shard else How.REPLACED)

    def _held(self, facts: Facts, how: How) -> Held:
        decided = self._decide(facts)
        fresh_for = decided.fresh_for_s if isinstance(decided, Fresh) else 0.0
        return Held(
            facts.shard,
            how,
            age_s(facts.checked_at_ms, self._now_ms()) or 0.0,
            fresh_for,
            bool(facts.is_empty),
        )

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    # -- asking --------------------------------------------------------------------------------------------

    async def _try(self, name: str, facts: Facts, patience_s: float) -> Held:
        task = self._refresh(name, facts)
        await asyncio.wait({task}, timeout=patience_s)
        if task.done() and not task.cancelled() and task.exception() is None:
            return self._asked(facts, task.result())
        # An answer counts as soon as it is here, though it may still be on its way to the disk.
        latest = self._facts.get(name, facts)
        if latest.checked_at_ms != facts.checked_at_ms:
            return self._asked(facts, latest)
        return self._held(latest, How.STALE)

    async def _must(self, name: str, facts: Facts, refresh: bool) -> Held:
        try:
            return self._asked(facts, await outcome(self._refresh(name, facts)))
        except UpstreamError:
            if refresh and facts.is_present and await self._intake.has(facts):
                return self._held(facts, How.STALE)
            raise

    def _refresh(self, name: str, facts: Facts | None) -> "asyncio.Task[Facts]":
        task = self._refreshing.get(name)
        if task is None:
            task = asyncio.create_task(self._ask(name, facts), name=f"refresh {self._upstream.id}")
            self._refreshing[name] = task
            task.add_done_callback(lambda done: self._refreshed(name, done))
        return task

    def _refreshed(self, name: str, task: "asyncio.Task[Facts]") -> None:
        self._refreshing.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.warning(
                "refreshing a name failed: origin %s, project %s, error %s",
                self._upstream.title,
                name,
                str(error),
            )

    async def _ask(self, name: str, facts: Facts | None) -> Facts:
        try:
            fresh = await self._intake.take(name, facts, self._now_ms())
        except BadIndex as bad:
            self._failed(name, facts, str(bad), is_refused=True)
            raise BadAnswer("origin", f"the page of {name} cannot be used: {bad}") from bad
        except (UpstreamError, Problem) as error:
            self._failed(name, facts, str(error), is_refused=isinstance(error, BadAnswer))
            raise
        self.troubles.forget(name, _FROZEN, _REFUSED)
        fresh = self._with_amendment(name, facts, fresh)
        await self._remember(name, fresh)
        return fresh

    def _with_amendment(self, name: str, before: Facts | None, fresh: Facts) -> Facts:
        """Return the origin's confirmation of what was held, with what was amended while it was asked."""
        latest = self._facts.get(name)
        if latest is None or before is None or fresh.shard != before.shard:
            return fresh
        return msgspec.structs.replace(fresh, shard=latest.shard)

    def _failed(self, name: str, facts: Facts | None, why: str, *, is_refused: bool) -> None:
        latest = self._facts.get(name) or facts
        if latest is not None:
            self._put(name, latest.failed(self._now_ms()))
        if latest is not None and latest.is_present:
            since = datetime.fromtimestamp(latest.checked_at_ms / 1000, UTC)
            text = f"the page of {name} stays as it was, for it cannot be refreshed ({why})"
            self.troubles.note(name, _FROZEN, text, since)
        elif is_refused:
            self.troubles.note(name, _REFUSED, f"the page of {name} is refused ({why})")

    # -- remembering ---------------------------------------------------------------------------------------

    def _note(self, name: str) -> str:
        return f"shard/{self._upstream.id}/{hashlib.sha256(name.encode()).hexdigest()[:32]}"

    async def _recall(self, name: str) -> Facts | None:
        data = await self._intake.notes.get(self._note(name))
        facts = stored.unpack(data) if data is not None else None
        if facts is None or not await self._intake.can_read(facts):
            return None
        self._put(name, facts)
        return facts

    async def _remember(self, name: str, facts: Facts) -> None:
        self._put(name, facts)
        if facts.is_present:
            await self._intake.notes.set(self._note(name), stored.pack(facts))
        else:
            await self._intake.notes.delete(self._note(name))

    def _put(self, name: str, facts: Facts) -> None:
        self._facts[name] = facts
        self._facts.move_to_end(name)
        if len(self._facts) > _REMEMBERED:
            self._facts.popitem(last=False)
