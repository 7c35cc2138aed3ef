"""The doctor of a feed: every hop to every mirror of its upstreams, as findings of one line each.

`feedgate doctor` and the management API say the same, from here. It asks the network; it changes no breaker and no
health, and an offline feed's upstreams are not asked here either.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from proxy.config.settings import Feed, Upstream
from proxy.model.finding import Finding
from proxy.upstream.hop import Hop
from proxy.upstream.looks import why_wrong
from proxy.upstream.way import Way

#: What every channel has at least one of; a client needs it, whatever the platform.
_INDEXES = ("noarch/repodata.json.zst", "noarch/repodata.json")


async def examine(feed: Feed, way_of: Callable[[Upstream], Way]) -> list[Finding]:
    """Return what is found on the ways of the feed; raises nothing of the network's."""
    if feed.offline:
        return [Finding(f"feed {feed.name}", "ok", "offline: what is held is served, no origin is asked")]
    findings: list[Finding] = []
    for number, upstream in enumerate(feed.upstreams, 1):
        if upstream.feed is not None:
            continue
        for mirror in range(len(upstream.urls)):
            which = f", mirror {mirror + 1}" if len(upstream.urls) > 1 else ""
            hops = await _walk(way_of(upstream), feed.kind, mirror)
            findings += [judge_hop(f"feed {feed.name}, upstream {number}{which}", hop) for hop in hops]
    return findings


def is_well(findings: Iterable[Finding]) -> bool:
    """Return whether nothing failed."""
    return not any(finding.outcome == "failed" for finding in findings)


async def _walk(way: Way, kind: str, mirror: int) -> list[Hop]:
    """Walk to what a client of the kind needs first: a channel's own URL has nothing to show."""
    if kind != "conda":
        return await way.probe(mirror=mirror, judge=partial(why_wrong, kind, ""))
    hops: list[Hop] = []
    for index in _INDEXES:
        hops = await way.probe(index, mirror=mirror, judge=partial(why_wrong, kind, index))
        hops = [
            replace(hop, detail=f"{index}: {hop.detail}") if hop.name == "origin" else hop for hop in hops
        ]
        if not any(hop.name == "origin" and not hop.ok for hop in hops):
            break
    return hops


def judge_hop(place: str, hop: Hop) -> Finding:
    """Return the finding of one step of the way, with what to do where it fails."""
    name = f"{place}, {hop.name}"
    if hop.ok:
        return Finding(name, "warning" if hop.is_warning else "ok", hop.told)
    if "allow_private" in hop.detail:
        hop = replace(hop, advice="if it is meant to be asked, set allow_private = true in this upstream")
    return Finding(name, "failed", hop.told)
