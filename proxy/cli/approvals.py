"""`feedgate approvals` and `feedgate revoke`: what is approved, what its origin made of it, and taking it back."""

from typing import Annotated, Any

import typer

from proxy.cli.accept import approval_of
from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import USAGE, fail, print_json, print_notes, print_table, rounded
from proxy.cli.promote import refuse
from proxy.cli.waiting import waiting
from proxy.config.faults import printable

#: So many of the files whose needs are not known are named.
MOST_UNREAD = 10
Feed = Annotated[str, typer.Argument(help="The curated feed.")]


def approvals(
    context: typer.Context, feed: Feed,
    q: Annotated[str | None, typer.Option("--q", metavar="TEXT", help="Only what has this in its name.")] = None,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="active, revoked, drifted, withdrawn, quarantined or pending."),
    ] = None,
    accept: Annotated[
        str | None, typer.Option(metavar="FILE", help="Take what the origin has of this file by now.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", metavar="DIGEST", help="With --accept: the digest that was seen.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="As many as this.")] = 100,
    server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """List what is approved in a curated feed, or accept what the origin has made of a file."""
    if (accept is None) != (sha256 is None):
        fail("--accept and --sha256 belong together", as_json=as_json)
        raise typer.Exit(USAGE)
    path = f"/feeds/{segment(feed)}/approvals"
    try:
        with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api:
            if accept is not None:
                one = approval_of(api, path, accept)
                items = [api.send("POST", f"{path}/{one['id']}/accept", {"sha256": sha256}).document]
                more = False
            else:
                given = {"q": q, "state": state}
                query = {name: value for name, value in given.items() if value is not None}
                document = api.listed(path, query, limit)
                items, more = document["items"], document["next"] is not None
    except Refused as err:
        raise typer.Exit(refuse(err, as_json=as_json)) from err
    except AskFailed as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json({"items": items})
        return
    words = f"no approvals in '{feed}' yet: `feedgate promote {feed} SPEC` makes some"
    _show(items, f"no approvals in '{feed}' are like that" if q or state else words)
    if more:
        print_notes(["there are more; --limit gives more of them, --q narrows them down"])


def revoke(
    context: typer.Context, feed: Feed,
    what: Annotated[
        list[str] | None,
        typer.Argument(help="Specs (every approved version that fits), files, ids of approvals."),
    ] = None,
    promotion: Annotated[
        str | None, typer.Option(metavar="ID", help="All that this promotion approved.")
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; whoever asks for a file is told.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be revoked, and what breaks.")] = False,
    server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Take approvals back, all that is named or nothing, and tell what breaks: refused from now on."""
    body = {"specs": what or [], "promotion": promotion, "reason": reason, "dry_run": dry_run}
    try:
        with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api:
            _require_words(what, promotion, reason, dry_run=dry_run, as_json=as_json)
            with waiting(api, feed, f"revoking, and looking what breaks in {feed}", is_quiet=as_json):
                document = api.send("POST", f"/feeds/{segment(feed)}/revocations", body).document
    except Refused as err:
        raise typer.Exit(refuse(err, as_json=as_json, done="revoked")) from err
    except AskFailed as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document | _only(document, what or []))
        return
    _show_revoked(document)


def _require_words(
    what: list[str] | None, promotion: str | None, reason: str, *, dry_run: bool, as_json: bool
) -> None:
    """Leave with the status of wrong usage where it is not said what is revoked, or why."""
    if not what and promotion is None:
        fail("say what is revoked: specs, files, or --promotion ID", as_json=as_json)
        raise typer.Exit(USAGE)
    if not dry_run and not reason.strip():
        fail("say why with --reason, or look first with --dry-run", as_json=as_json)
        raise typer.Exit(USAGE)


def _only(document: dict[str, Any], what: list[str]) -> dict[str, Any]:
    """Return the approval of the one file that was named: programs that revoke one file read it at the top."""
    items: list[dict[str, Any]] = document["artifacts"]
    return (
        items[0] if len(what) == len(items) == 1 and what[0] in (items[0]["artifact"], items[0]["id"]) else {}
    )


def _show_revoked(document: dict[str, Any]) -> None:
    items, breaks, unread = document["artifacts"], document["breaks"], document["unread"]
    done = "would be revoked" if document["dry_run"] else "revoked"
    why = f": {document['reason']}" if document["reason"] else ""
    for item in items:
        print(printable(f"{done} {item['artifact']} of {document['feed']}{why}"))
    if breaks:
        would = "would break" if document["dry_run"] else "breaks"
        print(printable(f"this {would} {len(breaks)} that stay approved:"))
        for each in breaks:
            print(printable(f"  {each['artifact']} needs {each['needs']}, which {each['met']} met"))
    elif not unread:
        print("nothing that stays approved needs it")
    if unread:
        more = f" and {len(unread) - MOST_UNREAD} more" if len(unread) > MOST_UNREAD else ""
        print_notes([f"could not find out what these need: {', '.join(unread[:MOST_UNREAD])}{more}"])
    if document["dry_run"]:
        print_notes([f"a dry run: {len(items)} would be revoked of {document['feed']}"])


def _show(items: list[dict[str, Any]], empty: str) -> None:
    rows = [
        [
            item["artifact"], item["version"], rounded(item["size"]) if item["size"] is not None else "",
            item["at"][:10], item["actor"], _told(item),
        ]
        for item in items
    ]  # fmt: skip
    print_table(["FILE", "VERSION", "SIZE", "APPROVED", "BY", "STATE"], rows, empty)


def _told(item: dict[str, Any]) -> str:
    """Return what a person should know of an approval."""
    if item["state"] == "revoked":
        return printable(f"revoked: {item['reason']}")
    parts = [f"{item['drift']['kind']}: {item['drift']['reason']}"] if item["drift"] is not None else []
    if item["bytes"] != "held":
        parts.append(f"bytes {item['bytes']}" + (f": {item['failure']}" if item["failure"] else ""))
    return printable("; ".join(parts) or "active")
