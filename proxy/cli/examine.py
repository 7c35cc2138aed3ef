"""What can be wrong on this machine: folders, space, the port, the clock.

Each finding is one line that says what to do. Nothing is changed, and a folder that is not there yet is judged by
the one it would be made in.
"""

import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import proxy
from proxy.cli import running
from proxy.config.settings import GIB, MIB, Settings
from proxy.config.units import format_size
from proxy.model.clock import Clock
from proxy.model.finding import Finding
from proxy.state.modes import why_open

_DAY_S = 86400.0


def machine(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Yield what was found of the machine; blocks shortly on the disk."""
    server = settings.server
    for folder in dict.fromkeys((server.data_dir, server.cache_dir, server.state_dir)):
        yield _writable(folder)
    is_open = why_open(server.data_dir)
    if is_open is not None:
        yield Finding("data folder", "warning", is_open)
    yield from _space(server.data_dir, settings.cache.max_size_bytes)
    yield _port(settings)
    yield _clock(clock)
    yield _descriptors()


def _standing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))


def _writable(folder: Path) -> Finding:
    name = f"folder {folder}"
    there = _standing(folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except NotADirectoryError:
        return Finding(name, "failed", f"{there} is a file; move it away or set server.data_dir")
    except OSError as err:
        advice = f"{err.strerror}; give user id {os.geteuid()} the right to write in {there}"
        return Finding(name, "failed", advice)
    return Finding(name, "ok", "writable" if there == folder else "will be made at the start")


def _space(folder: Path, max_size: int) -> Iterator[Finding]:
    there = _standing(folder)
    try:
        free = shutil.disk_usage(there).free
        facts = os.statvfs(there)
    except OSError as err:
        yield Finding("disk space", "failed", f"{there}: {err.strerror}")
        return
    yield judge_space(free, max_size)
    yield judge_inodes(facts.f_favail, facts.f_files)


def judge_space(free: int, max_size: int) -> Finding:
    """Judge the free bytes beside the cache's allowed size."""
    shown = f"{free / GIB:.1f} GiB free"
    if free < 256 * MIB:
        return Finding(
            "disk space", "failed", f"{shown}: changes will be refused; free some or move data_dir"
        )
    if free < GIB:
        return Finding("disk space", "warning", f"{shown}: soon full; free some or lower cache.max_size")
    if free < max_size // 10:
        advice = f"{shown}, cache.max_size is {format_size(max_size)}: the disk may fill first; lower it"
        return Finding("disk space", "warning", advice)
    return Finding("disk space", "ok", shown)


def judge_inodes(free: int, total: int) -> Finding:
    """Judge the files that can still be made; file systems without a limit say 0 of 0."""
    if total and free < 10_000:
        advice = f"{free} more files can be made; delete some or move data_dir"
        return Finding("inodes", "failed" if free < 100 else "warning", advice)
    return Finding("inodes", "ok", f"{free} free" if total else "no limit")


def _port(settings: Settings) -> Finding:
    server = settings.server
    address = f"{server.host} port {server.port}"
    try:
        mine = running.find(server.state_dir)
    except running.NotReachableError as err:
        return Finding("server", "warning", str(err))
    if mine is not None:
        return Finding("server", "ok", f"running as process {mine.pid} at {mine.url}")
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((server.host, server.port))
    except (OSError, UnicodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "not a host name"
        return Finding("port", "failed", f"{address}: {reason}; choose another with server.host, server.port")
    return Finding("port", "ok", f"{address} is free; no server runs on this data folder")


def _clock(clock: Clock) -> Finding:
    installed = Path(proxy.__file__).stat().st_mtime
    return judge_clock(clock.now().timestamp(), installed)


def judge_clock(now: float, installed: float) -> Finding:
    """Judge the clock by the age of the program's own files, which cannot be younger than now."""
    if now < installed - _DAY_S:
        return Finding(
            "clock", "failed", "runs behind this program's own files; set it (certificates depend on it)"
        )
    return Finding("clock", "ok", "plausible")


def _descriptors() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < 1024:
        return Finding("open files", "warning", f"at most {soft} at once; raise it (ulimit -n 4096)")
    return Finding("open files", "ok", "enough")
