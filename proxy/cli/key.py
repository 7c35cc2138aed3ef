"""`feedgate key …`: make, list and take away the keys of a server. A new key's value is printed once, alone on a line.

A given value comes from a file or standard input, never from the command line, which other users of the host can see.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import USAGE, fail, print_json, print_notes, print_table
from proxy.config.faults import printable
from proxy.config.units import parse_duration

commands = typer.Typer(help="The keys.", no_args_is_help=True)
_LONGEST = 1024
Feeds = list[str] | None


@commands.callback()
def before() -> None:
    """The keys."""


@commands.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people shall know the key by.")],
    read: Annotated[Feeds, typer.Option(metavar="FEED", help="May read this feed ('*': every one).")] = None,
    promote: Annotated[Feeds, typer.Option(metavar="FEED", help="May read it and approve for it.")] = None,
    manage: Annotated[Feeds, typer.Option(metavar="FEED", help="May do all of this feed.")] = None,
    group: Annotated[Feeds, typer.Option(metavar="NAME", help="Belongs to this group.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="May do everything.")] = False,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="2027-01-31 (its end), a time, or 90d from now.")
    ] = None,
    value_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Take this value ('-': standard input).")
    ] = None,
    server: ServerUrl = None,
    key: Key = None,
    ca: CaFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print its value, this once."""
    given = (("read", read), ("promote", promote), ("manage", manage))
    body: dict[str, Any] = {
        "name": name,
        "grants": [{"feed": feed, "rights": [right]} for right, feeds in given for feed in feeds or ()],
        "groups": group or [],
        "admin": admin,
    }
    try:
        if expires is not None:
            body["expires"] = _end(expires)
        if value_file is not None:
            body["value"] = _value(value_file)
    except ValueError as err:
        fail(str(err), as_json=as_json)
        raise typer.Exit(USAGE) from err
    try:
        with asking(
            Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json), asks_origins=False
        ) as api:
            made = api.send("POST", "/keys", body).document
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(made)
        return
    if not (body["grants"] or body["groups"] or admin):
        print_notes(["the key has no rights but those that feeds grant to every key: see --read"])
    print_notes([f"key {made['id']} was made; its value is shown this once"])
    print(made["value"])


@commands.command("list")
def list_keys(
    context: typer.Context, server: ServerUrl = None, key: Key = None, ca: CaFile = None,
    config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """List the keys, oldest first; the first admin's is in state/admin.key and not among them."""
    try:
        with asking(
            Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json), asks_origins=False
        ) as api:
            items = api.listed("/keys")["items"]
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json({"items": items, "next": None})
        return
    header = ["ID", "NAME", "RIGHTS", "GROUPS", "EXPIRES", "LAST USED"]
    empty = (
        "no keys yet but the first admin's, which is in state/admin.key: `feedgate key create NAME` makes one"
    )
    print_table(header, [_row(item) for item in items], empty)


@commands.command("delete")
def delete(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="KEY", help="The key's id or name, not its value.")],
    server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Take a key away: from the next request on it opens nothing."""
    try:
        with asking(
            Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json), asks_origins=False
        ) as api:
            found = [item for item in api.listed("/keys")["items"] if which in (item["id"], item["name"])]
            if not found:
                raise AskFailed("there is no key with this id or name; `feedgate key list` lists them")
            gone = api.send("DELETE", f"/keys/{segment(found[0]['id'])}").document
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(gone)
    else:
        print(f"key {gone['id']} ({printable(gone['name'])}) is deleted")


def _row(item: dict[str, Any]) -> list[str]:
    grants = [f"{', '.join(grant['rights'])} {grant['feed']}" for grant in item["grants"]]
    expires = item["expires"] or "never"
    return [
        item["id"],
        printable(item["name"]),
        "everything" if item["admin"] else "; ".join(grants) or "none of its own",
        ", ".join(item["groups"]),
        f"{expires} (expired)" if item["expired"] else expires,
        item["last_used_at"] or "never",
    ]


def _end(text: str) -> str:
    """Return the time that is meant; a duration counts from now. Raises ValueError."""
    if not text[:1].isdigit() or not text[-1:].isalpha() or text.endswith("Z"):
        return text
    try:
        lasts = timedelta(seconds=parse_duration(text))
    except ValueError as err:
        raise ValueError(f"--expires {err}") from err
    return (datetime.now(UTC) + lasts).isoformat(timespec="seconds")


def _value(name: str) -> str:
    """Return the given value without its line end. Raises ValueError, which does not repeat it."""
    try:
        text = sys.stdin.read(_LONGEST) if name == "-" else Path(name).read_text("ascii")[:_LONGEST]
    except OSError as err:
        raise ValueError(f"{name} cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise ValueError(f"{name} holds no key: keys are ASCII") from err
    return text.strip("\r\n")
