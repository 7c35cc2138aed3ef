"""`feedgate client setup CLIENT --feed FEED`: write a client's own file so that it installs from a feed alone.

What would change is shown first. A file that was there is kept beside itself, as `FILE.before-feedgate`.
"""

import difflib
import os
import stat
import sys
from itertools import chain, count
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.asking import CaFile, Key, ServerUrl, Whom
from proxy.cli.client_files import CLIENT_FILES, ClientFile, NotEdited, Target
from proxy.cli.options import AsJson, ConfigFile
from proxy.cli.output import USAGE, fail, print_json, print_notes
from proxy.cli.snippet import Lines, ask_lines
from proxy.config.faults import nearest, printable, quote
from proxy.model.placeholders import KEY_PLACEHOLDER
from proxy.pypi.snippets import host_to_trust, with_credentials

commands = typer.Typer(help="The clients on this machine.", no_args_is_help=True)
_KEPT = ".before-feedgate"


@commands.callback()
def before() -> None:
    """The clients on this machine."""


@commands.command("setup")
def setup(
    context: typer.Context,
    client: Annotated[str, typer.Argument(help=f"One of {', '.join(CLIENT_FILES)}.")],
    feed: Annotated[str, typer.Option("--feed", help="The feed's name.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and no more.")] = False,
    server: ServerUrl = None,
    key: Key = None,
    ca: CaFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what makes a client install from a feed and nothing else, and write it into the client's own file."""
    known = CLIENT_FILES.get(client)
    if known is None:
        fail(
            f"no file is known for {quote(client)}{nearest(client, CLIENT_FILES)}; `feedgate snippet` has more lines",
            as_json=as_json,
        )
        raise typer.Exit(USAGE)
    lines = ask_lines(context, feed, Whom(server, ca, key), config, as_json=as_json)
    path = known.place(os.environ, Path.home())
    try:
        target = _target(lines, known.kind, key, ca)
        former = _text_of(path)
        text = _edited(known, path, former or "", target)
    except (OSError, NotEdited) as err:
        message = f"{path}: {err.strerror}" if isinstance(err, OSError) else str(err)
        raise typer.Exit(fail(message, as_json=as_json)) from err
    diff = _difference(path, former or "", text)
    shown = diff.replace(key, KEY_PLACEHOLDER) if key else diff
    if not as_json:
        print(_printable(shown) if diff else f"{path} says so already")
    is_written = former != text and not dry_run and (yes or (not as_json and _agreed(path)))
    kept = None
    if is_written:
        try:
            kept = _write(path, former, text, is_secret=target.url != lines.url)
        except OSError as err:
            raise typer.Exit(fail(f"{path}: {err.strerror}", as_json=as_json)) from err
    if as_json:
        print_json({"ok": True, "client": client, "file": str(path), "written": is_written, "diff": shown})
    elif is_written:
        print(f"wrote {path}" + (f"; what was there is in {kept.name}" if kept is not None else ""))
        print_notes([lines.warning])
    set_here = [name for name in known.variables if os.environ.get(name)]
    if set_here and not as_json:
        print_notes([f"{', '.join(set_here)} of this shell still counts beside the file: unset it"])


def _target(lines: Lines, kind: str, key: str | None, ca: str | None) -> Target:
    """Return what the client is told. Raises NotEdited."""
    if ("pip" in lines.texts) != (kind == "pypi"):
        raise NotEdited(f"{lines.feed} is no feed for this client")
    url = lines.url
    if any(KEY_PLACEHOLDER in text for text in lines.texts.values()):
        if key is None:
            raise NotEdited(
                f"{lines.feed} is closed: give a key that may read it with --key; it goes into the file"
            )
        tail = f"/conda/{lines.feed}/"
        url = (
            with_credentials(url, key)
            if kind == "pypi"
            else f"{url.removesuffix(tail)}/conda/t/{key}/{lines.feed}/"
        )
    return Target(url, host_to_trust(lines.url), Path(ca).absolute() if ca is not None else None)


def _text_of(path: Path) -> str | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # A person's word for "no file": PIP_CONFIG_FILE=/dev/null.
            raise NotEdited(f"{path} is no file; unset the variable that names it, or name another")
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as err:
        raise NotEdited(f"{path} is not UTF-8") from err


def _edited(known: ClientFile, path: Path, text: str, target: Target) -> str:
    try:
        return known.edit(text, target)
    except NotEdited as err:
        raise NotEdited(f"{path} cannot be read: {err}; mend it, or move it away") from err


def _difference(path: Path, former: str, text: str) -> str:
    lines = difflib.unified_diff(
        former.splitlines(keepends=True), text.splitlines(keepends=True), str(path), str(path)
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines).rstrip("\n")


def _printable(text: str) -> str:
    return "\n".join(printable(line) for line in text.splitlines())


def _agreed(path: Path) -> bool:
    """Ask the person at the terminal; without one nothing is agreed to."""
    if not sys.stdin.isatty():
        print_notes(["nothing was written: say --yes"])
        return False
    return typer.confirm(f"Write {path}?")


def _write(path: Path, former: str | None, text: str, *, is_secret: bool) -> Path | None:
    """Write the file whole or not at all; a link stays one, and a file with a key is its owner's alone.

    Returns where the former text is kept: never over what an earlier call kept.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o600 if is_secret else path.stat().st_mode & 0o777 if former is not None else 0o644
    kept = None
    if former is not None:
        names = (f"{path.name}{_KEPT}{number}" for number in chain(("",), map("-{}".format, count(2))))
        kept = next(each for each in map(path.with_name, names) if not os.path.lexists(each))
        _put(kept, former, mode=path.stat().st_mode & 0o777)
    _put(path, text, mode=mode)
    return kept


def _put(path: Path, text: str, *, mode: int) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8"
        ) as stream:
            stream.write(text)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
