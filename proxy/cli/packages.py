"""`feedgate feed packages FEED [NAME]`: what a feed has, and every file of a name with what is decided about it."""

from typing import Annotated, Any

import typer

from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import fail, print_json, print_notes, print_table, rounded, until_in_words
from proxy.cli.waiting import waiting
from proxy.config.faults import printable

_LIMIT = 100
_SHOWN = ("allow", "warn")


def packages(
    context: typer.Context,
    feed: Annotated[str, typer.Argument(help="The feed's name.")],
    name: Annotated[str | None, typer.Argument(help="Only this name, file by file.")] = None,
    q: Annotated[
        str, typer.Option("--q", metavar="TEXT", help="Only names that contain this, nearest first.")
    ] = "",
    hidden: Annotated[bool, typer.Option("--hidden", help="Only what is hidden.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many names.")] = _LIMIT,
    server: ServerUrl = None,
    key: Key = None,
    ca: CaFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List what a feed has; with a NAME every file of it, and why a hidden one is hidden."""
    path = f"/feeds/{segment(feed)}/packages"
    try:
        with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as get:
            what = f"looking up what {feed} has" + ("" if name is None else f" of {name}")
            with waiting(get, feed, what, is_quiet=as_json):
                if name is None:
                    query = {"q": q} if q else {}
                    document = get.listed(path, query | ({"state": "hidden"} if hidden else {}), limit)
                else:
                    document = _files(get(f"{path}/{segment(name)}", {}), only_hidden=hidden)
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
    elif name is None:
        is_narrow = bool(q) or hidden
        _show_names(document, f"no packages in '{feed}'" + (" are like that" if is_narrow else " yet"))
    else:
        _show_files(document)


def _files(document: dict[str, Any], *, only_hidden: bool) -> dict[str, Any]:
    items = [item for item in document["items"] if not (only_hidden and _is_shown(item))]
    return document | {"items": items}


def _is_shown(item: dict[str, Any]) -> bool:
    return item["verdict"]["outcome"] in _SHOWN


def _show_names(document: dict[str, Any], empty: str) -> None:
    rows = [
        [
            item["name"],
            *("?" if item[count] is None else str(item[count]) for count in ("versions", "files", "hidden")),
        ]
        for item in document["items"]
    ]
    print_table(["NAME", "VERSIONS", "FILES", "HIDDEN"], rows, empty)
    if document["next"] is not None:
        print_notes(["there are more; --limit gives more of them, --q narrows them down"])


def _show_files(document: dict[str, Any]) -> None:
    rows = [
        [
            item["artifact"],
            item["version"] or "",
            rounded(item["size"]) if item.get("size") is not None else "",
            (item["uploaded_at"] or "")[:10],
            _told(item),
        ]
        for item in document["items"]
    ]
    print_table(
        ["FILE", "VERSION", "SIZE", "DATE", "STATE"],
        rows,
        f"no files of '{document['name']}' are listed like that",
    )
    if document["verdict"] is not None:
        print_notes([f"{document['name']} is hidden: {_reason(document['verdict'])}"])


def _told(item: dict[str, Any]) -> str:
    """Return what a person should know of a file: nothing of one that is simply there."""
    if not _is_shown(item):
        return change_told(item["change"]) if item.get("change") else _reason(item["verdict"])
    yanked = item["yanked"]
    return printable(f"yanked: {yanked}" if isinstance(yanked, str) else "yanked" if yanked else "")


def change_told(change: dict[str, Any]) -> str:
    """Return what a person should know of a file that its origin has changed."""
    since = f" since {change['since']}" if change["since"] else ""
    now = f"; by now {change['after']}" if change["after"] else ""
    before = f", before {change['before']}" if change["before"] else ""
    how = "; served as it was seen first" if change["is_served"] else ""
    return printable(f"held: changed at the origin{since}{how}{now}{before}")


def _reason(verdict: dict[str, Any]) -> str:
    until = f" ({until_in_words(verdict['until'])})" if verdict["until"] else ""
    return printable(f"{verdict['outcome']} by {verdict['rule']}: {verdict['reason']}{until}")
