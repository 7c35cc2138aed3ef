"""`feedgate doctor [FEED]`: what is wrong here and on the way out, and what to do about it, one line each."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated

import typer

from proxy.cli.examine import Finding, machine
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import FAILED, print_json
from proxy.cli.snippet import find_feed
from proxy.config.settings import Feed
from proxy.model.clock import SystemClock
from proxy.upstream.door import Door
from proxy.upstream.probe import Hop
from proxy.upstream.way import Way

_ADVICE = {
    "name": "check the name and this machine's resolver",
    "tcp": "check the firewall, or name the outbound proxy (HTTPS_PROXY or [routes.default])",
    "proxy": "check the outbound proxy's address, user and password, and what it lets through",
    "tls": "if a proxy or a private CA signs here, name its certificate in ca_files of the route",
    "origin": "check the upstream's url and auth",
    "folder": "check the upstream's url, and that the mount is there and this user may read it",
}
#: What every channel has at least one of; a client needs it, whatever the platform.
_INDEXES = ("noarch/repodata.json.zst", "noarch/repodata.json")
_MARKS = {"ok": "ok     ", "warning": "WARNING", "failed": "FAILED "}


def doctor(
    context: typer.Context,
    feed: Annotated[str | None, typer.Argument(help="Only this feed's upstreams.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Look at the settings, the machine and every hop to every upstream."""
    loaded = load_or_exit(context, config, as_json=as_json)
    settings = loaded.settings
    feeds = [find_feed(settings, feed, as_json=as_json)] if feed else [*settings.feeds.values()]
    findings = [*_configuration(loaded.notes), *machine(settings, SystemClock())]
    findings += asyncio.run(_upstreams(feeds, loaded.request.environ))
    is_well = not any(finding.outcome == "failed" for finding in findings)
    if as_json:
        items = [{"name": f.name, "outcome": f.outcome, "detail": f.detail} for f in findings]
        print_json({"ok": is_well, "findings": items})
    else:
        for finding in findings:
            print(f"{_MARKS[finding.outcome]} {finding.name}: {finding.detail}")
    if not is_well:
        raise typer.Exit(FAILED)


def _configuration(notes: Iterable[str]) -> Iterator[Finding]:
    yield Finding("configuration", "ok", "no errors")
    for note in notes:
        yield Finding("configuration", "warning", note)


async def _upstreams(feeds: Iterable[Feed], environ: Mapping[str, str]) -> list[Finding]:
    """Walk every hop to every upstream of the feeds; an offline feed's are not asked here either."""
    door = Door(SystemClock(), environ=environ)
    findings: list[Finding] = []
    try:
        for feed in feeds:
            if feed.offline:
                findings.append(
                    Finding(f"feed {feed.name}", "ok", "offline: what is held is served, no origin is asked")
                )
                continue
            for number, upstream in enumerate(feed.upstreams, 1):
                if upstream.feed is None:
                    hops = await _walk(door.remote(upstream), feed.kind)
                    findings += (judge_hop(f"feed {feed.name}, upstream {number}", hop) for hop in hops)
    finally:
        await door.close()
    return findings


async def _walk(way: Way, kind: str) -> list[Hop]:
    """Walk to what a client of the kind needs first: a channel's own URL has nothing to show."""
    if kind != "conda":
        return await way.probe()
    hops: list[Hop] = []
    for index in _INDEXES:
        hops = await way.probe(index)
        last = hops[-1]
        if last.name == "origin":
            hops[-1] = replace(last, detail=f"{index}: {last.detail}")
        if last.ok or last.name != "origin":
            break
    return hops


def judge_hop(place: str, hop: Hop) -> Finding:
    """Return the finding of one step of the way, with what to do where it fails."""
    name = f"{place}, {hop.name}"
    if hop.ok:
        return Finding(name, "ok", hop.detail)
    advice = _ADVICE.get(hop.name)
    if "allow_private" in hop.detail:
        advice = "if it is meant to be asked, set allow_private = true in this upstream"
    return Finding(name, "failed", f"{hop.detail}; {advice}" if advice else hop.detail)
