"""`feedgate serve`, told in full: help and errors of the command whose usual spelling `quick.py` reads."""

from typing import Annotated

import typer

from proxy.cli.options import AsJson, ConfigFile, DataDir, asked_file, asked_folder
from proxy.cli.quick import OPTIONS, Call
from proxy.cli.quick import serve as start


def _option(flag: str) -> typer.models.OptionInfo:
    info: typer.models.OptionInfo = typer.Option(flag, help=OPTIONS[flag], show_default=False)
    return info


def serve(
    context: typer.Context,
    config: ConfigFile = None,
    host: Annotated[str | None, _option("--host")] = None,
    port: Annotated[str | None, _option("--port")] = None,
    workers: Annotated[str | None, _option("--workers")] = None,
    data_dir: DataDir = None,
    public_url: Annotated[str | None, _option("--public-url")] = None,
    log_level: Annotated[str | None, _option("--log-level")] = None,
    log_format: Annotated[str | None, _option("--log-format")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the server until it is told to stop (SIGTERM, Ctrl-C)."""
    folder, form = asked_folder(context, data_dir), "json" if as_json else log_format
    values = (host, port, workers, folder, public_url, log_level, form)
    given = {key: value for key, value in zip(OPTIONS.values(), values, strict=True) if value is not None}
    raise typer.Exit(start(Call(asked_file(context, config), given, as_json)))
