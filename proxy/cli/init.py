"""`feedgate init`: write the commented config.toml that is shipped with the program, say what comes next."""

from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.options import AsJson, ConfigFile, asked_file
from proxy.cli.output import fail, print_json
from proxy.config.load import DEFAULT_FILE, Request

TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE = TEMPLATES / "config.toml"
TWO_FEEDS = TEMPLATES / "two-feeds.toml"
#: The unapproved feeds are read with a key alone.
_REVIEWER = (
    "feedgate key create reviewer --read conda-unapproved --read pypi-unapproved"
    " --promote conda-approved --promote pypi-approved"
)


def init(
    context: typer.Context,
    two_feeds: Annotated[
        bool, typer.Option("--two-feeds", help="An unapproved and an approved feed of each kind.")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write a commented config.toml with one open PyPI feed; an existing file is left alone."""
    name = Request.here(asked_file(context, config)).named or DEFAULT_FILE
    path = Path(name)
    try:
        _write(path, (TWO_FEEDS if two_feeds else TEMPLATE).read_bytes())
    except FileExistsError as err:
        message = f"{name} is already there and was left as it is; name another with --config"
        raise typer.Exit(fail(message, as_json=as_json)) from err
    except (OSError, ValueError) as err:
        reason = err.strerror if isinstance(err, OSError) else "not a usable path"
        raise typer.Exit(fail(f"{name} cannot be written: {reason}", as_json=as_json)) from err
    steps = _next_steps(name, "pypi-approved" if two_feeds else "pypi")
    if two_feeds:
        steps.append(f"{_REVIEWER}{_option(name)}")
    if as_json:
        print_json({"ok": True, "file": str(path.absolute()), "next": steps})
        return
    print(f"wrote {name}. Next:")
    for step in steps:
        print(f"  {step}")


def _write(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, whole or not at all."""
    with path.open("xb") as stream:
        try:
            stream.write(data)
            stream.flush()
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _next_steps(name: str, feed: str) -> list[str]:
    option = _option(name)
    return [f"feedgate check-config{option}", f"feedgate serve{option}", f"feedgate snippet {feed}{option}"]


def _option(name: str) -> str:
    return "" if name == DEFAULT_FILE else f" --config {name}"
