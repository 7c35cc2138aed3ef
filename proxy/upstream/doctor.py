"""The doctor of a feed: every hop to every mirror of its upstreams, as findings of one line each.

`feedgate doctor` and the management API say the same, from here. It asks the network; it changes no breaker and no
health, and an offline feed's upstreams are not asked here either. What an index is, its intake's own reader says
(`proxy.feeds.doctor`), which this room cannot know; without it only the beginning of an answer is looked at.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial

from proxy.config.settings import Feed, Upstream
from proxy.model.finding import Finding
from proxy.upstream.hop import Hop
from proxy.upstream.looks import why_wrong
from proxy.upstream.sight import Whole
from proxy.upstream.way import Way

#: The forms of a channel's index, in the order in which its intake asks for them.
_FORMS = ("repodata.json.zst", "repodata.json", "repodata.json.bz2")
#: What every channel has; a client needs it, whatever the platform.
_NOARCH = "noarch"

#: How an upstream's index (of a path below its URL) is taken in whole, for the length of the block.
Reading = Callable[[Upstream, str], AbstractAsyncContextManager[Whole]]


async def examine(
    feed: Feed, way_of: Callable[[Upstream], Way], reading: Reading | None = None
) -> list[Finding]:
    """Return what is found on the ways of the feed; raises nothing of the network's."""
    if feed.offline:
        return [Finding(f"feed {feed.name}", "ok", "offline: what is held is served, no origin is asked")]
    findings: list[Finding] = []
    for number, upstream in enumerate(feed.upstreams, 1):
        if upstream.feed is not None:
            continue
        for mirror in range(len(upstream.urls)):
            which = f", mirror {mirror + 1}" if len(upstream.urls) > 1 else ""
            hops = await _Walk(way_of(upstream), feed, mirror, reading).hops()
            findings += [judge_hop(f"feed {feed.name}, upstream {number}{which}", hop) for hop in hops]
    return findings


def is_well(findings: Iterable[Finding]) -> bool:
    """Return whether nothing failed."""
    return not any(finding.outcome == "failed" for finding in findings)


class _Walk:
    """The way to what a client of the kind needs first: a channel's own URL has nothing to show."""

    def __init__(self, way: Way, feed: Feed, mirror: int, reading: Reading | None) -> None:
        self._way = way
        self._feed = feed
        self._mirror = mirror
        self._reading = reading

    async def hops(self) -> list[Hop]:
        if self._feed.kind != "conda":
            return await self._to("")
        hops = await self._to_subdir(_NOARCH)
        if all(hop.ok for hop in hops):
            for subdir in self._feed.subdirs:
                hops += _ends(await self._to_subdir(subdir), subdir) if subdir != _NOARCH else ()
        return hops

    async def _to_subdir(self, subdir: str) -> list[Hop]:
        """Walk to the first form that is an index, as the intake does; where none is, to the one that tells most."""
        walks: list[list[Hop]] = []
        for form in _FORMS:
            if form.endswith(".zst") and not self._way.settings.repodata_use_zst:
                continue
            index = f"{subdir}/{form}"
            hops = [_named(hop, index) for hop in await self._to(index)]
            if all(hop.ok for hop in hops if hop.name != "clock"):
                return [*hops, *(_not_used(walk) for walk in walks if _is_no_index(walk))]
            walks.append(hops)
            if not any(hop.name == "origin" for hop in hops):
                break  # nothing of the origin can be had
        # Where there is none at all, the plain one's absence is told, which everybody can look at.
        plain = walks[-2] if len(walks) > 1 else walks[-1]
        return next(filter(_is_no_index, walks), plain)

    async def _to(self, index: str) -> list[Hop]:
        judge = partial(why_wrong, self._feed.kind, index)
        url = index or None
        if self._reading is None:
            return await self._way.probe(url, mirror=self._mirror, judge=judge)
        async with self._reading(self._way.settings, index) as whole:
            return await self._way.probe(url, mirror=self._mirror, judge=judge, whole=whole)


def _named(hop: Hop, index: str) -> Hop:
    return replace(hop, detail=f"{index}: {hop.detail}") if hop.name in ("origin", "content") else hop


def _is_no_index(hops: Sequence[Hop]) -> bool:
    return any(hop.name == "content" and not hop.ok for hop in hops)


def _not_used(hops: Sequence[Hop]) -> Hop:
    """Return what is said of a form that is no index, where another one is."""
    bad = next(hop for hop in hops if hop.name == "content" and not hop.ok)
    return replace(bad, ok=True, is_warning=True, advice="the next form is read in its place")


def _ends(hops: Sequence[Hop], subdir: str) -> list[Hop]:
    """Return what is told of a subdir beside noarch, the way to which is the same."""
    absent = [hop for hop in hops if hop.name == "origin" and "answered 404" in hop.detail]
    if absent:
        return [
            replace(absent[0], ok=True, is_warning=True, advice=f"the channel has no {subdir}; check subdirs")
        ]
    return [hop for hop in hops if hop.name == "content" or not hop.ok]


def judge_hop(place: str, hop: Hop) -> Finding:
    """Return the finding of one step of the way, with what to do where it fails."""
    name = f"{place}, {hop.name}"
    if hop.ok:
        return Finding(name, "warning" if hop.is_warning else "ok", hop.told)
    if "allow_private" in hop.detail:
        hop = replace(hop, advice="if it is meant to be asked, set allow_private = true in this upstream")
    return Finding(name, "failed", hop.told)
