"""`feedgate feed owners FEED`: which upstream each name belongs to, and letting another one have it."""

from typing import Annotated, Any

import typer

from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import fail, print_json, print_notes, print_table
from proxy.config.faults import printable


def owners(
    context: typer.Context,
    feed: Annotated[str, typer.Argument(help="The feed's name.")],
    release: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Forget who owns this name; the first upstream that has it gets it."
        ),
    ] = None,
    q: Annotated[str, typer.Option("--q", metavar="TEXT", help="Only names that contain this.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many names.")] = 100,
    server: ServerUrl = None,
    key: Key = None,
    ca: CaFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List which upstream each name of a feed belongs to, or release a name."""
    path = f"/feeds/{segment(feed)}/owners"
    try:
        with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api:
            if release is None:
                document = api.listed(path, {"q": q} if q else {}, limit)
            else:
                document = api.send("DELETE", f"{path}/{segment(release)}").document
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
    elif release is None:
        _show(feed, document, q)
    else:
        was = document["source"] or document["upstream"]
        print(printable(f"{document['name']} of {feed} was {was}'s: the first upstream that has it gets it"))


def _show(feed: str, document: dict[str, Any], q: str) -> None:
    items = document["items"]
    if not items:
        print_notes(
            [f"no {'such ' if q else ''}name of {feed} has an owner yet; a feed with one upstream needs none"]
        )
        return
    rows = [[item["name"], _told(item), item["since"][:10]] for item in items]
    print_table(["NAME", "OWNER", "SINCE"], rows)
    if document["next"] is not None:
        print_notes(["there are more; --limit gives more of them, --q narrows them down"])


def _told(item: dict[str, Any]) -> str:
    notes = [] if item["source"] else ["not among the feed's upstreams any more"]
    notes += [] if item["has_listed"] else ["never listed a file of it"]
    return printable((item["source"] or item["upstream"]) + (f" ({'; '.join(notes)})" if notes else ""))
