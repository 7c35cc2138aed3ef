"""`feedgate backup FILE` and `feedgate restore FILE`: the state, the vault and the settings' file, in one archive.

A backup works beside a running server. Both tell nothing of the archive but its size: it holds secrets.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from proxy.cli.options import (
    AsJson,
    ConfigFile,
    DataDir,
    Elsewhere,
    asked_file,
    asked_folder,
    refuse_elsewhere,
)
from proxy.cli.output import fail, human, print_json, print_notes, refuse, rounded
from proxy.cli.progress import progress
from proxy.config.faults import ConfigError
from proxy.config.load import DEFAULT_FILE, Request, places_of
from proxy.model.clock import SystemClock
from proxy.state.archive import ArchiveError, Places, Report
from proxy.state.database import database_path
from proxy.state.modes import keep_private

Archive = Annotated[Path, typer.Argument(metavar="FILE", help="The archive.")]


def backup(
    context: typer.Context,
    file: Archive,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    server: Elsewhere = None,
    as_json: AsJson = False,
) -> None:
    """Write state, vault and config.toml into one archive; works beside a running server."""
    from proxy.state.backup import backup as write

    request, places = _places(context, config, data_dir, server, as_json)
    found = request.file
    places = Places(places.state, places.database, places.vault, found[0] if found is not None else None)
    try:
        held = (places.database, *places.vault.glob("??/*"))
        with _progress("backup", held, as_json) as progress:
            report = write(file, places, now=SystemClock().now(), progress=progress)
    except ArchiveError as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    except OSError as err:
        raise typer.Exit(fail(_closed(err), as_json=as_json)) from err
    if as_json:
        print_json({"ok": True, "file": str(file), **msgspec.structs.asdict(report)})
        return
    print(f"{_told(report)} in {file}; it holds secrets: keep it where only you can read it")
    if report.left_out:
        print_notes(
            [f"{len(report.left_out)} approved files are damaged and left out; they are fetched again"]
        )


def restore(
    context: typer.Context,
    file: Archive,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    server: Elsewhere = None,
    as_json: AsJson = False,
) -> None:
    """Restore a backup on an empty data folder; config.toml is written where there is none."""
    from proxy.state.restore import restore as read

    _, places = _places(context, config, data_dir, server, as_json)
    try:
        with _progress("restore", (file,), as_json) as progress:
            report, is_config_written = read(file, places, progress=progress)
    except ArchiveError as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err
    except OSError as err:
        raise typer.Exit(fail(_closed(err), as_json=as_json)) from err
    told = {"config": str(places.config) if is_config_written else None}
    if as_json:
        print_json({"ok": True, **msgspec.structs.asdict(report), **told})
        return
    print(f"{_told(report)} restored below {places.vault.parent}, as of {report.created}")
    if is_config_written:
        print(f"{places.config} restored too")
    else:
        print_notes([f"{places.config} is as it was; compare it with the one of the other host"])


def _closed(err: OSError) -> str:
    """Return why the data folder cannot be looked into, and what to do."""
    return f"{err.filename} cannot be read: {err.strerror}; run the command as the user that the data folder belongs to"


def _told(report: Report) -> str:
    return f"{report.files} files ({report.vault} approved), {rounded(report.bytes)}"


def _places(
    context: typer.Context, config: str | None, data_dir: str | None, server: str | None, as_json: bool
) -> tuple[Request, Places]:
    """Return where everything is; the rest of the settings may be wrong, or need what is to be restored."""
    keep_private()
    refuse_elsewhere(context, server, data_dir, as_json=as_json)
    folder = asked_folder(context, data_dir)
    given = {"server.data_dir": folder} if folder is not None else {}
    request = Request.here(asked_file(context, config), given)
    named = request.cwd / (request.named or DEFAULT_FILE)
    if not named.exists():
        # Not an error here: a restore brings it.
        environ = {name: value for name, value in request.environ.items() if name != "FEEDGATE_CONFIG"}
        request = Request(None, environ, named.parent, given)
        if request.file is not None:
            raise typer.Exit(
                fail(f"there is no file {named}, but a {DEFAULT_FILE} beside it", as_json=as_json)
            )
    try:
        where, state = places_of(request)
    except ConfigError as err:
        raise typer.Exit(refuse(err, as_json=as_json)) from err
    url = state.url.reveal() if state.url is not None else None
    return request, Places(where.state_dir, database_path(where.state_dir, url), where.vault_dir, named)


@contextmanager
def _progress(what: str, files: Iterable[Path], as_json: bool) -> Iterator[Callable[[int], None]]:
    """Show how far it is."""
    total = 0 if as_json else sum(path.stat().st_size for path in files if path.is_file())
    with progress(what, is_quiet=as_json) as bar:
        yield lambda done: bar.tell(
            done=done, total=total, more=f"{human(min(done, total))} of {human(total)}"
        )
