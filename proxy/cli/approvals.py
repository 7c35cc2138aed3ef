"""`feedgate approvals` and `feedgate revoke`: what is approved, what its origin made of it, and taking it back."""

from typing import Annotated, Any

import typer

from proxy.cli.asking import Api, AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import USAGE, fail, print_json, print_notes, print_table, rounded
from proxy.cli.promote import refuse
from proxy.config.faults import printable

Feed = Annotated[str, typer.Argument(help="The curated feed.")]


def approvals(
    context: typer.Context, feed: Feed,
    q: Annotated[str | None, typer.Option("--q", metavar="TEXT", help="Only files whose name has this.")] = None,
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
                one = _one(api, path, accept)
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
    _show(items)
    if more:
        print_notes(["there are more; --limit gives more of them, --q narrows them down"])


def revoke(
    context: typer.Context, feed: Feed,
    artifact: Annotated[str, typer.Argument(help="The file, or the id of its approval.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; whoever asks for the file is told.")],
    server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Take an approval back: the file is refused from now on."""
    path = f"/feeds/{segment(feed)}/approvals"
    try:
        with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api:
            one = _one(api, path, artifact)
            document = api.send("DELETE", f"{path}/{one['id']}", {"reason": reason}).document
    except Refused as err:
        raise typer.Exit(refuse(err, as_json=as_json)) from err
    except AskFailed as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
        return
    print(printable(f"revoked {document['artifact']} of {feed}: {reason}"))


def _one(api: Api, path: str, wanted: str) -> dict[str, Any]:
    """Return the active approval of a file, or the one of an id. Raises AskFailed, Refused."""
    items: list[dict[str, Any]] = api.listed(path, {"q": wanted, "state": "active"})["items"]
    found = next((item for item in items if item["artifact"] == wanted), None)
    if found is not None:
        return found
    try:
        return api(f"{path}/{segment(wanted)}")
    except Refused as err:
        if err.word != "unknown":
            raise
        raise AskFailed(f"there is no active approval of {wanted}; `feedgate approvals` lists them") from err


def _show(items: list[dict[str, Any]]) -> None:
    rows = [
        [
            item["artifact"], item["version"], rounded(item["size"]) if item["size"] is not None else "",
            item["at"][:10], item["actor"], _told(item),
        ]
        for item in items
    ]  # fmt: skip
    print_table(["FILE", "VERSION", "SIZE", "APPROVED", "BY", "STATE"], rows)


def _told(item: dict[str, Any]) -> str:
    """Return what a person should know of an approval."""
    if item["state"] == "revoked":
        return printable(f"revoked: {item['reason']}")
    parts = [f"{item['drift']['kind']}: {item['drift']['reason']}"] if item["drift"] is not None else []
    if item["bytes"] != "held":
        parts.append(f"bytes {item['bytes']}" + (f": {item['failure']}" if item["failure"] else ""))
    return printable("; ".join(parts) or "active")
