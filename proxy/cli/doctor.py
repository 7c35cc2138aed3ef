"""`feedgate doctor [FEED]`: what is wrong here and on the way out, and what to do about it, one line each."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from proxy.cli.asking import Api, AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.examine import machine
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import FAILED, fail, print_json, print_state
from proxy.cli.progress import Progress, progress
from proxy.cli.snippet import find_feed
from proxy.config.load import Loaded
from proxy.config.settings import Feed
from proxy.feeds.doctor import examine
from proxy.model.clock import SystemClock
from proxy.model.finding import Finding
from proxy.upstream.doctor import is_well
from proxy.upstream.door import Door

_MARKS = {"ok": "ok     ", "warning": "WARNING", "failed": "FAILED "}


def doctor(
    context: typer.Context,
    feed: Annotated[str | None, typer.Argument(help="Only this feed's upstreams.")] = None,
    server: ServerUrl = None,
    key: Key = None,
    ca: CaFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Look at the settings, the machine and every hop to every upstream; with --server, at that server's hops."""
    try:
        if server is not None:
            with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api:
                findings = list(_told(api, feed, as_json=as_json))
        else:
            loaded = load_or_exit(context, config, as_json=as_json, with_secrets=True)
            findings = _here(loaded, feed, as_json=as_json)
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json({"ok": is_well(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print_state("", _MARKS[finding.outcome], f" {finding.name}: {finding.detail}")
    if not is_well(findings):
        raise typer.Exit(FAILED)


def _here(loaded: Loaded, feed: str | None, *, as_json: bool) -> list[Finding]:
    """Look from this machine, in this environment."""
    settings = loaded.settings
    feeds = [find_feed(settings, feed, as_json=as_json)] if feed else [*settings.feeds.values()]
    findings = [*_configuration(loaded.notes), *machine(settings, SystemClock())]
    with progress("asking the upstreams", is_quiet=as_json) as bar:
        return findings + asyncio.run(_upstreams(feeds, loaded.request.environ, bar))


def _told(api: Api, feed: str | None, *, as_json: bool) -> Iterator[Finding]:
    """Yield what a server says of its own hops: its environment and its network are what counts."""
    names = [feed] if feed is not None else [item["name"] for item in api.listed("/feeds")["items"]]
    with progress("asking the upstreams", is_quiet=as_json) as bar:
        for number, name in enumerate(names):
            bar.tell(f"asking the upstreams of {name}", number, len(names), f"{number} of {len(names)} feeds")
            for item in api(f"/feeds/{segment(name)}/doctor")["findings"]:
                yield Finding(str(item["name"]), item["outcome"], str(item["detail"]))


def _configuration(notes: Iterable[str]) -> Iterator[Finding]:
    yield Finding("configuration", "ok", "no errors")
    for note in notes:
        yield Finding("configuration", "warning", note)


async def _upstreams(feeds: Sequence[Feed], environ: Mapping[str, str], bar: Progress) -> list[Finding]:
    """Walk every hop to every upstream of the feeds."""
    door = Door(SystemClock(), environ=environ)
    findings: list[Finding] = []
    try:
        for number, feed in enumerate(feeds):
            bar.tell(
                f"asking the upstreams of {feed.name}", number, len(feeds), f"{number} of {len(feeds)} feeds"
            )
            findings += await examine(feed, door.remote)
        return findings
    finally:
        await door.close()
