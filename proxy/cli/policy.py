"""`feedgate policy …`: the policies in plain words, and what a draft would hide."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.declared import add_commands, add_create
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import USAGE, fail, print_error, print_json, print_notes, print_table
from proxy.cli.waiting import waiting
from proxy.config.faults import printable

commands = typer.Typer(help="The policies.", no_args_is_help=True)

#: So many of the lost names are told to people; --json tells more.
_LOST_SHOWN = 20


@commands.callback()
def before() -> None:
    """The policies."""


add_create(commands, "policies")
add_commands(commands, "policies", with_show=False)


@commands.command("list")
def list_policies(
    context: typer.Context, server: ServerUrl = None, key: Key = None, ca: CaFile = None,
    config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """List the policies and the feeds that use them."""
    try:
        with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api:
            document = api.listed("/policies")
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
        return
    rows = [
        [item["name"], item["mode"], ", ".join(item["feeds"]), item["words"][0]] for item in document["items"]
    ]
    print_table(["NAME", "MODE", "FEEDS", "BEGINS WITH"], rows)
    if not rows:
        print_notes(["there is no policy: add a [policies.NAME] table, and name it in a feed's `policy`"])


@commands.command("show")
def show(
    context: typer.Context, name: Annotated[str, typer.Argument(help="The policy's name.")],
    server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say in plain words what a policy does, rule by rule."""
    try:
        with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api:
            document = api(f"/policies/{segment(name)}")
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
        return
    used = f"used by {', '.join(document['feeds'])}" if document["feeds"] else "used by no feed"
    print(printable(f"policy {document['name']} ({document['mode']}), {used}:"))
    for sentence in document["words"]:
        print(printable(f"  {sentence}"))


@commands.command("test")
def test(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A TOML file with one [policies.NAME] table, or its keys alone.")],
    feed: Annotated[str, typer.Option("--feed", metavar="F", help="The feed to judge.")],
    name: Annotated[str | None, typer.Option("--name", help="Which of several policies in the file.")] = None,
    server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Judge a draft of a policy against what a feed has now, without changing anything."""
    try:
        draft = _draft(file, name)
    except DraftError as err:
        fail(f"{file}: {err}", as_json=as_json)
        raise typer.Exit(USAGE) from err
    path = f"/feeds/{segment(feed)}/policy-trial"
    try:
        with (
            asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api,
            waiting(api, feed, f"judging what {feed} has", is_quiet=as_json),
        ):
            document = api.send("POST", path, draft).document
    except Refused as err:
        raise typer.Exit(_refuse(err, as_json=as_json)) from err
    except AskFailed as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
    else:
        _show_trial(document)


class DraftError(Exception):
    """The file holds no policy; the text says why."""


def _draft(file: Path, name: str | None) -> dict[str, Any]:
    """Return the body of the request."""
    import tomllib

    try:
        table = tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as err:
        raise DraftError(getattr(err, "strerror", None) or str(err)) from err
    policies = table.get("policies")
    if policies is None and name is None:
        return {"policy": json.loads(json.dumps(table, default=str))}
    if not isinstance(policies, dict) or not policies:
        raise DraftError("it has no [policies.NAME] table")
    if name is None and len(policies) > 1:
        raise DraftError(f"it has several policies; choose one with --name: {', '.join(policies)}")
    chosen = name if name is not None else next(iter(policies))
    if not isinstance(policies.get(chosen), dict):
        raise DraftError(f"it has no table [policies.{chosen}]")
    return {"name": chosen, "policy": json.loads(json.dumps(policies[chosen], default=str))}


def _refuse(err: Refused, *, as_json: bool) -> int:
    """Print every fault of the draft; one that is wrong is wrong usage."""
    faults = err.document.get("faults")
    if not isinstance(faults, list):
        return fail(str(err), as_json=as_json)
    if as_json:
        print_json({"ok": False, "errors": faults})
    else:
        for fault in faults:
            print_error(f"{fault['key'].removeprefix('policy.')}: {fault['message']}")
    return USAGE


def _show_trial(document: dict[str, Any]) -> None:
    names, files, shown = document["names"], document["files"], document["shown"]
    print(printable(f"policy {document['policy']} on feed {document['feed']}: {document['scope']}"))
    print(f"{files} files of {names} names, {shown} shown, {files - shown} hidden")
    rows = [[count["outcome"], count["rule"], str(count["files"])] for count in document["counts"]]
    print_table(["OUTCOME", "RULE", "FILES"], rows)
    if document["lost"]:
        some = document["lost_names"][:_LOST_SHOWN]
        more = f" and {document['lost'] - len(some)} more" if document["lost"] > len(some) else ""
        print(printable(f"{document['lost']} names lose all versions: {', '.join(some)}{more}"))
    else:
        print("no name loses all versions")
    print_notes(document["warnings"])
