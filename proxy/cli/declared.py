"""Making, showing, changing and deleting feeds, policies and routes: one way for all three nouns.

The words are those of config.toml: `--set KEY=VALUE`, the value as JSON or as plain text, and whole documents from a
file or standard input (`--file`), which is also how secrets are given: the command line is seen by others.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.cli.asking import Api, AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.options import AsJson, ConfigFile, asked_file, asked_folder, load_or_exit, refuse_elsewhere
from proxy.cli.output import FAILED, USAGE, fail, print_error, print_json, refuse
from proxy.config.faults import ConfigError, printable
from proxy.config.load import Request, places_of
from proxy.config.stored import SINGULAR

_LARGEST = 1024 * 1024

Name = Annotated[str, typer.Argument(help="Its name.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="The value as JSON, or as plain text.")
]
Unsets = Annotated[list[str] | None, typer.Option("--unset", metavar="KEY", help="Take the key out.")]
FromFile = Annotated[
    str | None, typer.Option("--file", metavar="PATH", help="A JSON document of keys; '-': standard input.")
]


def add_create(commands: typer.Typer, noun: str) -> None:
    """Add `create` for a noun that has no words of its own."""
    what = SINGULAR[noun]

    def create(
        context: typer.Context, name: Name, sets: Sets = None, file: FromFile = None, server: ServerUrl = None,
        key: Key = None, ca: CaFile = None, config: ConfigFile = None, as_json: AsJson = False,
    ) -> None:  # fmt: skip
        document = read_document(sets, None, file, as_json=as_json)
        with calling(context, Whom(server, ca, key), config, as_json) as api:
            reply = api.send("POST", f"/{noun}", {**document, "name": name})
            tell(reply.document, f"{what} {reply.document['name']} created", as_json)

    commands.command("create", help=f"Make a {what}.")(create)


def add_commands(commands: typer.Typer, noun: str, *, with_show: bool) -> None:
    """Add `edit`, `delete` (and `show`) for the noun."""
    what = SINGULAR[noun]

    def edit(
        context: typer.Context, name: Name, sets: Sets = None, unset: Unsets = None, file: FromFile = None,
        server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None,
        as_json: AsJson = False,
    ) -> None:  # fmt: skip
        document = read_document(sets, unset, file, as_json=as_json)
        with calling(context, Whom(server, ca, key), config, as_json) as api:
            path = f"/{noun}/{segment(name)}"
            reply = api.send("PATCH", path, document, If_Match=_seen(api, path))
            tell(reply.document, f"{what} {reply.document['name']} changed", as_json)

    def delete(
        context: typer.Context, name: Name,
        force: Annotated[bool, typer.Option("--force", help="A feed's approvals too.")] = False,
        broken: Annotated[
            bool, typer.Option("--broken", help="What stops the start, approvals too; while no server runs.")
        ] = False,
        server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None,
        as_json: AsJson = False,
    ) -> None:  # fmt: skip
        if broken:
            _delete_broken(context, config, server, noun, name, as_json)
            tell({"ok": True}, f"{what} {name} deleted", as_json)
            return
        with calling(context, Whom(server, ca, key), config, as_json) as api:
            path = f"/{noun}/{segment(name)}"
            api.send("DELETE", path, query={"force": "true"} if force else {}, If_Match=_seen(api, path))
            tell({"ok": True}, f"{what} {name} deleted", as_json)

    def show(
        context: typer.Context, name: Name, server: ServerUrl = None, key: Key = None, ca: CaFile = None,
        config: ConfigFile = None, as_json: AsJson = False,
    ) -> None:  # fmt: skip
        with calling(context, Whom(server, ca, key), config, as_json) as api:
            document = api(f"/{noun}/{segment(name)}")
            if as_json:
                print_json(document)
            else:
                print("\n".join(_lines(document, "")))

    commands.command("edit", help=f"Change keys of a {what}; all others stay as they are.")(edit)
    commands.command("delete", help=f"Delete a {what}.")(delete)
    if with_show:
        commands.command("show", help=f"Show everything about a {what} but its secrets.")(show)


@contextmanager
def calling(context: typer.Context, whom: Whom, config: str | None, as_json: bool) -> Iterator[Api]:
    """Give the way to ask; a refusal is told, fault by fault, and ends the command."""
    try:
        with asking(whom, lambda: load_or_exit(context, config, as_json=as_json)) as api:
            yield api
    except Refused as err:
        raise typer.Exit(_refuse(err, as_json=as_json)) from err
    except AskFailed as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err


def _delete_broken(
    context: typer.Context, config: str | None, server: str | None, noun: str, name: str, as_json: bool
) -> None:
    from proxy.cli.broken import delete_broken

    refuse_elsewhere(context, server, None, as_json=as_json)
    folder = asked_folder(context)
    given = {"server.data_dir": folder} if folder is not None else {}
    try:
        where, state = places_of(Request.here(asked_file(context, config), given))
        delete_broken(where, state, noun, SINGULAR[noun], name)
    except ConfigError as err:
        raise typer.Exit(refuse(err, as_json=as_json)) from err
    except AskFailed as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err


def _refuse(refused: Refused, *, as_json: bool) -> int:
    faults = refused.document.get("faults")
    if as_json:
        print_json({"ok": False, "error": str(refused), "faults": faults or []})
    elif faults:
        for fault in faults:
            print_error(f"{fault['key']}: {fault['message']}" if fault["key"] else fault["message"])
    else:
        print_error(str(refused))
    return FAILED


def _seen(api: Api, path: str) -> str:
    """Return the tag of the thing as it is now; '*' where it has none, and the answer will say why not."""
    return api.get(path).etag or "*"


def tell(document: dict[str, Any], line: str, as_json: bool) -> None:
    print_json(document) if as_json else print(printable(line))


def read_document(
    sets: list[str] | None, unset: list[str] | None, file: str | None, *, as_json: bool
) -> dict[str, Any]:
    """Return the keys that are given; leave with status 2 for what cannot be read."""
    try:
        document = _from_file(file) if file is not None else {}
        for text in sets or ():
            name, equals, value = text.partition("=")
            if not equals or not name:
                raise ValueError(f"--set wants KEY=VALUE, not {printable(text[:60])}")
            document[name] = _value(value)
    except (ValueError, OSError) as err:
        fail(str(err), as_json=as_json)
        raise typer.Exit(USAGE) from err
    return document | dict.fromkeys(unset or ())


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _from_file(name: str) -> dict[str, Any]:
    text = sys.stdin.read(_LARGEST) if name == "-" else Path(name).read_text("utf-8")
    document = _value(text)
    if not isinstance(document, dict):
        raise ValueError(f"--file {name}: there is no JSON object in it")
    return document


def _lines(value: Any, indent: str) -> list[str]:
    """Return a document as lines for people, to whom internal ids say nothing."""
    lines: list[str] = []
    for name, part in value.items():
        if name == "id":
            continue
        if isinstance(part, dict) and part:
            lines += [f"{indent}{name}:", *_lines(part, f"{indent}  ")]
        elif isinstance(part, list) and part and all(isinstance(each, dict) for each in part):
            for number, each in enumerate(part):
                lines += [f"{indent}{name}[{number}]:", *_lines(each, f"{indent}  ")]
        elif part not in (None, [], {}):
            shown = part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
            lines.append(printable(f"{indent}{name}: {shown}"))
    return lines
