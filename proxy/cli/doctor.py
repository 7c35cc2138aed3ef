"""`feedgate doctor [FEED]`: what is wrong here and on the way out, and what to do about it, one line each."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from proxy.cli.examine import machine
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import FAILED, print_json
from proxy.cli.snippet import find_feed
from proxy.config.settings import Feed
from proxy.model.clock import SystemClock
from proxy.model.finding import Finding
from proxy.upstream.doctor import examine, is_well
from proxy.upstream.door import Door

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
    if as_json:
        print_json({"ok": is_well(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print(f"{_MARKS[finding.outcome]} {finding.name}: {finding.detail}")
    if not is_well(findings):
        raise typer.Exit(FAILED)


def _configuration(notes: Iterable[str]) -> Iterator[Finding]:
    yield Finding("configuration", "ok", "no errors")
    for note in notes:
        yield Finding("configuration", "warning", note)


async def _upstreams(feeds: Iterable[Feed], environ: Mapping[str, str]) -> list[Finding]:
    """Walk every hop to every upstream of the feeds."""
    door = Door(SystemClock(), environ=environ)
    try:
        return [finding for feed in feeds for finding in await examine(feed, door.remote)]
    finally:
        await door.close()
