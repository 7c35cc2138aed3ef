"""Options that every command has, and the one way from them to settings."""

from collections.abc import Mapping
from typing import Annotated

import typer

from proxy.cli.output import fail, print_notes, refuse
from proxy.config.faults import ConfigError
from proxy.config.load import Loaded, Request, load
from proxy.state.declared import read_stored
from proxy.state.errors import StateError

ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config", "-c", metavar="PATH", help="The settings (FEEDGATE_CONFIG; default ./config.toml)."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
DataDir = Annotated[str | None, typer.Option("--data-dir", metavar="PATH", help="server.data_dir")]


def asked_file(context: typer.Context, config: str | None) -> str | None:
    """Return the file named after the command, else the one named before it."""
    before: str | None = context.find_root().obj
    return config if config is not None else before


def load_or_exit(
    context: typer.Context,
    config: str | None,
    overrides: Mapping[str, str | None] | None = None,
    *,
    as_json: bool = False,
    with_notes: bool = False,
) -> Loaded:
    """Return the settings; print every fault and leave with status 2 if there are any."""
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    try:
        loaded = load(Request.here(asked_file(context, config), given, stored=read_stored))
    except ConfigError as err:
        raise typer.Exit(refuse(err, as_json=as_json)) from err
    except StateError as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if with_notes and not as_json:
        print_notes(loaded.notes)
    return loaded
