"""A draft of a policy judged over the projects whose pages are held; nobody is asked, nothing is kept.

An index of half a million projects is never held whole: what nobody has asked for is judged when somebody does. What a
package list's members need is not worked out for a draft, so it is counted as held.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping

from proxy.artifacts.notes import Notes
from proxy.artifacts.store import BlobStore
from proxy.config.settings import Feed
from proxy.feeds import facts as stored_facts
from proxy.feeds.held import held_bytes
from proxy.feeds.keeper import Absent, Keeper, Offer
from proxy.feeds.pypi import shard as stored
from proxy.feeds.pypi.facts import facts_of
from proxy.feeds.pypi.licenses import Licenses
from proxy.feeds.trial import Tallied, Trial, trial
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.policy.facts import License
from proxy.policy.judge import Judge
from proxy.policy.settings import Policy
from proxy.state.approvals import Approvals


class PypiTrials:
    """Trials of one feed; `feeds` are all there are, because it may take from others."""

    def __init__(
        self, feed: Feed, feeds: Mapping[str, Feed], keeper: Keeper, store: BlobStore, notes: Notes,
        approvals: Approvals, clock: Clock,
    ) -> None:  # fmt: skip
        self._feed = feed
        self._behind = tuple(_behind(feed, feeds))
        self._approvals = approvals
        self._keeper = keeper
        self._store = store
        self._notes = notes
        self._clock = clock

    async def run(self, policy: Policy, licenses: Licenses) -> Trial:
        """Return what the policy would make of what is held."""
        judge = Judge(policy, "pypi")
        tick_ms = judge.tick_of(self._clock.now())
        tallied = Tallied()
        for name in sorted(await self._names()):
            offer = await self._offer(name)
            data = await held_bytes(self._store, offer.shard) if offer is not None else None
            if offer is not None and data is not None:
                known = await licenses.of(offer.upstream, name) if policy.asks_licenses else None
                await asyncio.to_thread(_count, data, judge, tick_ms, known, tallied)
        count = len(tallied.shown_of)
        scope = f"the {count} projects that somebody has asked for; others are judged when they are"
        if self._feed.curated_from:
            scope = f"the {count} projects with an approval"
        if policy.asks_licenses:
            scope = f"{scope}; a licence that has not been looked up yet counts as held"
        if policy.include_dependencies:
            scope = f"{scope}; what the list's members need is not worked out here and counts as held"
        return trial(self._feed.name, policy.name, scope, tallied)

    async def _names(self) -> set[str]:
        """Return the names of which a page is held, or an approval."""
        names = set[str]()
        for feed in self._behind:
            names.update(self._approvals.names(feed.name))
            for upstream in feed.upstreams:
                names |= {name async for name in self._held(upstream.id)}
        return names

    async def _held(self, upstream: str) -> AsyncIterator[str]:
        for key in await self._notes.keys(f"shard/{upstream}/"):
            note = await self._notes.get(key)
            facts = stored_facts.unpack(note) if note is not None else None
            data = await held_bytes(self._store, facts.shard) if facts is not None else None
            shard = await asyncio.to_thread(stored.unpack, data) if data is not None else None
            if shard is not None:
                yield shard.project.name

    async def _offer(self, name: str) -> Offer | None:
        """Return what the feed's owner of the name has."""
        try:
            offer = await self._keeper.lookup(self._feed.name, name, offline=True)
        except Problem:  # an owner that is held: nothing of the name is shown, whatever the policy
            return None
        return None if isinstance(offer, Absent) else offer


def _behind(feed: Feed, feeds: Mapping[str, Feed]) -> Iterable[Feed]:
    """Yield a feed and those that it takes from; loops of feeds are a configuration error."""
    yield feed
    for upstream in feed.upstreams:
        if upstream.feed is not None:
            yield from _behind(feeds[upstream.feed], feeds)


def _count(
    data: bytes, judge: Judge, tick_ms: int, licenses: Mapping[str, License] | None, tallied: Tallied
) -> None:
    shard = stored.unpack(data)
    if shard is None:
        return
    name = shard.project.name
    tallied.judged(judge.judge(name, list(facts_of(shard, licenses)), tick_ms))
    # What another feed or a drift hides stays hidden, whatever the draft says.
    for verdict in shard.hidden.values():
        tallied.add(name, {f"{verdict.outcome.value} {verdict.rule}": 1}, 0)
