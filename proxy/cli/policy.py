"""`feedgate policy …`: the policies in plain words, and what a draft would hide."""

from typing import Annotated

import typer

from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking, segment
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import fail, print_json, print_notes, print_table
from proxy.config.faults import printable

commands = typer.Typer(help="The policies.", no_args_is_help=True)

#: The most that the API gives at once.
_PAGE = "1000"


@commands.callback()
def before() -> None:
    """The policies."""


@commands.command("list")
def list_policies(
    context: typer.Context, server: ServerUrl = None, key: Key = None, ca: CaFile = None,
    config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """List the policies and the feeds that use them."""
    try:
        with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api:
            document = api("/policies", {"limit": _PAGE})
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
