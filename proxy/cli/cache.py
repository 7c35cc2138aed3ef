"""`feedgate cache …`: what the blob store holds, and a person's orders to it.

`stats` only looks and always works. The others change files behind a running server's back, so they take the
data folder's lock for as long as they work: while a server runs they refuse, and no server starts meanwhile.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from proxy.artifacts.removal import Removed
from proxy.artifacts.report import VerifyReport
from proxy.artifacts.store import BlobStore
from proxy.cli import running
from proxy.cli.options import AsJson, ConfigFile, DataDir, Elsewhere, load_or_exit, refuse_elsewhere
from proxy.cli.output import USAGE, fail, human, print_json, rounded
from proxy.cli.progress import Progress, progress, so_far
from proxy.config.settings import Settings
from proxy.config.units import format_size, parse_size
from proxy.model.clock import SystemClock
from proxy.state.errors import StateError

T = TypeVar("T")
commands = typer.Typer(help="The files kept on disk.", no_args_is_help=True)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_UNLIMITED = 1024**6
_START = re.compile(r"[0-9a-f]{8,64}")


@commands.callback()
def before() -> None:
    """The files kept on disk."""


@commands.command("stats")
def stats(
    context: typer.Context, config: ConfigFile = None, data_dir: DataDir = None, server: Elsewhere = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show how much is held; works beside a running server."""
    settings = _settings(context, config, data_dir, server, as_json)
    sizes = list(_sizes(_root(settings)))
    held, limit = sum(sizes), settings.cache.max_size_bytes
    if as_json:
        print_json({"blobs": len(sizes), "bytes": held, "max_bytes": limit, "folder": str(_root(settings))})
        return
    share = 100 * held // limit
    print(f"{len(sizes)} files, {rounded(held)} of {format_size(limit)} ({share} %) in {_root(settings)}")


@commands.command("verify")
def verify(
    context: typer.Context, config: ConfigFile = None, data_dir: DataDir = None, server: Elsewhere = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Compare every file with its digest; damaged ones are removed, and fetched again when asked for."""
    settings = _settings(context, config, data_dir, server, as_json)
    with progress("comparing files with their digests", is_quiet=as_json) as bar:
        report = _with_store(settings, lambda store: _verified(store, bar), as_json)
    damaged = [str(digest) for digest in report.damaged]
    if as_json:
        print_json({"ok": True, "checked": report.checked, "bytes": report.total_bytes, "damaged": damaged})
        return
    print(f"{report.checked} files, {rounded(report.total_bytes)} read, {len(damaged)} damaged and removed")
    for digest in damaged:
        print(f"  {digest}")


@commands.command("prune")
def prune(
    context: typer.Context,
    to: Annotated[str | None, typer.Option("--to", metavar="SIZE", help="Default: cache.max_size.")] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    server: Elsewhere = None,
    as_json: AsJson = False,
) -> None:
    """Remove the files used longest ago until at most SIZE is held."""
    settings = _settings(context, config, data_dir, server, as_json)
    try:
        target = settings.cache.max_size_bytes if to is None else parse_size(to)
    except ValueError as err:
        raise typer.Exit(_usage(f"--to {err}", as_json)) from err
    with progress("removing what was used longest ago", is_quiet=as_json) as bar:
        removed = _with_store(settings, lambda store: _pruned(store, target, bar), as_json)
    _print_removed(removed.blobs, removed.total_bytes, as_json)


@commands.command("purge")
def purge(
    context: typer.Context,
    digests: Annotated[
        list[str] | None, typer.Argument(help="sha256 digests, or their first 8 digits.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove every file.")] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    server: Elsewhere = None,
    as_json: AsJson = False,
) -> None:
    """Remove files by digest, or all of them; they are fetched again when asked for."""
    settings = _settings(context, config, data_dir, server, as_json)
    starts = tuple(digest.lower() for digest in digests or ())
    if bool(starts) == everything:
        raise typer.Exit(_usage("name the digests to remove, or --all, but not both", as_json))
    if not all(_START.fullmatch(start) for start in starts):
        raise typer.Exit(_usage("a digest is 64 hexadecimal digits, of which 8 are enough", as_json))
    removed = _with_store(
        settings, lambda store: store.purge(lambda d: everything or d.startswith(starts)), as_json
    )
    _print_removed(removed.blobs, removed.total_bytes, as_json)


def _settings(
    context: typer.Context, config: str | None, data_dir: str | None, server: str | None, as_json: bool
) -> Settings:
    refuse_elsewhere(context, server, data_dir, as_json=as_json)
    overrides = {"server.data_dir": data_dir}
    return load_or_exit(context, config, overrides, as_json=as_json).settings


def _root(settings: Settings) -> Path:
    return settings.server.cache_dir / "blobs"


def _sizes(root: Path) -> Iterator[int]:
    """Yield the size of every stored file; what vanishes meanwhile does not count."""
    for path in root.glob("[0-9a-f][0-9a-f]/*"):
        try:
            if _DIGEST.fullmatch(path.name):
                yield path.lstat().st_size
        except FileNotFoundError:
            continue


def _with_store(settings: Settings, work: Callable[[BlobStore], Awaitable[T]], as_json: bool) -> T:
    """Return what the work on the store gives; leave with status 1 while a server runs, or where nothing is held.

    Nothing is made where nothing is: that is more likely a slip of --data-dir than an empty store.
    """
    try:
        running.require_same_user(settings.server)
        if not _root(settings).is_dir() and not running.is_running(settings.server.state_dir):
            running.require_state(settings.server, settings.state)
        with running.hold(settings.server.state_dir):
            return asyncio.run(_work(settings, work))
    except StateError as err:
        raise typer.Exit(fail("; ".join((err.what, *err.steps)), as_json=as_json)) from err
    except running.NotReachableError as err:
        raise typer.Exit(fail(str(err), as_json=as_json)) from err


async def _work(settings: Settings, work: Callable[[BlobStore], Awaitable[T]]) -> T:
    # No limit: an order does what it says, and `verify` evicts nothing besides.
    store = BlobStore(_root(settings), SystemClock(), max_bytes=_UNLIMITED, scrub_s=settings.cache.scrub_s)
    await store.start()
    try:
        return await work(store)
    finally:
        await store.close()


async def _verified(store: BlobStore, bar: Progress) -> VerifyReport:
    await store.scanned()
    blobs, size = store.stats().blobs, store.stats().total_bytes

    def told(checked: int, checked_bytes: int) -> None:
        bar.tell(done=checked_bytes, total=size, more=so_far(checked, blobs, checked_bytes, size))

    return await store.verify_all(told)


async def _pruned(store: BlobStore, target: int, bar: Progress) -> Removed:
    await store.scanned()
    surplus = max(0, store.stats().total_bytes - target)

    def told(blobs: int, size: int) -> None:
        bar.tell(done=size, total=surplus, more=f"{blobs} files, {human(size)} of {human(surplus)}")

    return await store.prune(target, told)


def _print_removed(blobs: int, size: int, as_json: bool) -> None:
    if as_json:
        print_json({"ok": True, "removed": blobs, "bytes": size})
    else:
        print(f"{blobs} files removed, {rounded(size)}")


def _usage(message: str, as_json: bool) -> int:
    fail(message, as_json=as_json)
    return USAGE
