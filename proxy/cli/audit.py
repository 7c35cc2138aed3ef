"""`feedgate audit`: who changed what, and whether the record of it is whole."""

from typing import Annotated, Any

import typer

from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import FAILED, fail, print_error, print_json, print_notes, print_table
from proxy.config.faults import printable

_LIMIT = 100
#: So many names of packages stand beside the id of a promotion.
_NAMES = 5


def audit(
    context: typer.Context,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Only from this time on (UTC).")] = None,
    feed: Annotated[str | None, typer.Option(help="Only changes of this feed.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only changes by this name or key's id.")] = None,
    action: Annotated[str | None, typer.Option(help="Only these: feed.edit, or all of a noun: feed.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many entries.")] = _LIMIT,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that no entry was altered or removed.")
    ] = False,
    server: ServerUrl = None,
    key: Key = None,
    ca: CaFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show who changed what, oldest first."""
    given = {"since": since, "feed": feed, "actor": actor, "action": action}
    query = {name: value for name, value in given.items() if value is not None}
    try:
        with asking(
            Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json), asks_origins=False
        ) as api:
            document = api("/audit/chain") if verify else api.listed("/audit", query, limit)
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
    elif verify:
        _show_chain(document)
    else:
        _show(document, "no changes like that" if query else "no changes yet")
    if verify and not document["ok"]:
        raise typer.Exit(FAILED)


def _show_chain(document: dict[str, Any]) -> None:
    head = document["head"]
    if document["ok"]:
        print(
            f"{document['entries']} entries, all there and unchanged; the last is {head['number']} {head['hash']}"
        )
    else:
        print_error(f"the audit is broken: {document['fault']}; sound up to {head['number']} {head['hash']}")


def _subject(item: dict[str, Any]) -> str:
    """Return what was changed: its id, and beside it what people call it."""
    names = [name for name in _names(item["after"] or item["before"]) if name != item["subject"]]
    if not names:
        return str(item["subject"])
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{item['subject']} ({', '.join(names[:_NAMES])}{more})"


def _names(told: object) -> list[str]:
    """Return the names that an entry tells: a key's, or those of packages; old entries tell only their files."""
    if not isinstance(told, dict):
        return []
    parts = [*told.get("approved", ()), *told.get("revoked", ()), told]
    words = (" ".join(str(part[key]) for key in ("name", "version") if part.get(key)) for part in parts)
    found = (text or part.get("artifact") for text, part in zip(words, parts, strict=True))
    return [name for name in dict.fromkeys(found) if name]


def _show(document: dict[str, Any], empty: str) -> None:
    rows = [
        [
            str(item["number"]),
            item["at"],
            printable(item["actor"]),
            printable(item["action"]),
            printable(_subject(item)),
            printable(item["detail"]),
        ]
        for item in document["items"]
    ]
    print_table(["NUMBER", "AT", "ACTOR", "ACTION", "SUBJECT", "DETAIL"], rows, empty)
    if document["next"] is not None:
        print_notes(["there are more; --limit gives more of them, --since begins later"])
