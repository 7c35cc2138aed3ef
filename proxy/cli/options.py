"""Options that every command has, and the one way from them to settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from proxy.cli.output import USAGE, fail, print_notes, refuse
from proxy.config.faults import ConfigError
from proxy.config.load import Loaded, Request, load
from proxy.model.redact import origin_of
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
#: For commands that only work on this machine: a server that is named is not passed over in silence.
Elsewhere = Annotated[str | None, typer.Option("--server", envvar="FEEDGATE_SERVER", hidden=True)]


@dataclass(frozen=True, slots=True)
class Before:
    """What is named before the command: `feedgate --config PATH --data-dir PATH COMMAND`."""

    config: str | None = None
    data_dir: str | None = None

    @classmethod
    def of(cls, context: typer.Context) -> "Before":
        """Return what was named before this command."""
        before = context.find_root().obj
        return before if isinstance(before, cls) else cls()


def asked_file(context: typer.Context, config: str | None) -> str | None:
    """Return the file named after the command, else the one named before it."""
    return config if config is not None else Before.of(context).config


def asked_folder(context: typer.Context, data_dir: str | None = None) -> str | None:
    """Return the data folder named after the command, else the one named before it."""
    return data_dir if data_dir is not None else Before.of(context).data_dir


def is_of_environment(context: typer.Context, parameter: str) -> bool:
    """Return whether a parameter's value is the environment's, and nobody named it on the command line."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "ENVIRONMENT"


def refuse_elsewhere(
    context: typer.Context, server: str | None, data_dir: str | None, *, as_json: bool
) -> None:
    """Leave with status 2 where a server is named and the command works on a folder of this machine.

    FEEDGATE_SERVER alone gives way to a folder that is named on the command line.
    """
    is_given_way = is_of_environment(context, "server") and asked_folder(context, data_dir) is not None
    if server is None or is_given_way:
        return
    message = (
        f"this command works on a data folder of this machine, not on the server {origin_of(server)}: "
        "run it there, or unset FEEDGATE_SERVER or name the folder with --data-dir"
    )
    fail(message, as_json=as_json)
    raise typer.Exit(USAGE)


def load_or_exit(
    context: typer.Context,
    config: str | None,
    overrides: Mapping[str, str | None] | None = None,
    *,
    as_json: bool = False,
    with_notes: bool = False,
    with_secrets: bool = False,
) -> Loaded:
    """Return the settings; print every fault and leave with status 2 if there are any.

    Secrets that only the service has are looked up where they are needed and nowhere else.
    """
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    folder = asked_folder(context, given.get("server.data_dir"))
    if folder is not None:
        given["server.data_dir"] = folder
    try:
        loaded = load(
            Request.here(asked_file(context, config), given, stored=read_stored, with_secrets=with_secrets)
        )
    except ConfigError as err:
        raise typer.Exit(refuse(err, as_json=as_json)) from err
    except StateError as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    if with_notes and not as_json:
        print_notes(loaded.notes)
    return loaded
