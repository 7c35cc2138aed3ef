"""`feedgate route …`: the named ways out."""

import typer

from proxy.cli.asking import AskFailed, CaFile, Key, Refused, ServerUrl, Whom, asking
from proxy.cli.declared import add_commands, add_create
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import fail, print_json, print_notes, print_table

commands = typer.Typer(help="The named ways out.", no_args_is_help=True)


@commands.callback()
def before() -> None:
    """The named ways out."""


add_create(commands, "routes")
add_commands(commands, "routes", with_show=True)


@commands.command("list")
def list_routes(
    context: typer.Context, server: ServerUrl = None, key: Key = None, ca: CaFile = None, config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """List the routes and the feeds with an upstream on them."""
    try:
        with asking(Whom(server, ca, key), lambda: load_or_exit(context, config, as_json=as_json)) as api:
            document = api.listed("/routes")
    except (AskFailed, Refused) as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if as_json:
        print_json(document)
        return
    rows = [
        [item["name"], item["settings"]["proxy"] or "direct", item["source"], ", ".join(item["feeds"])]
        for item in document["items"]
    ]
    print_table(["NAME", "PROXY", "FROM", "FEEDS"], rows)
    if not rows:
        print_notes(["there is no named route: requests leave as the environment's proxy variables say"])
