"""The server that runs on a data folder, seen from outside: its lock, its facts and its answer to a reload.

The server holds an exclusive flock on `state/lock`, with its pid inside, for its whole life and keeps
`state/server.json` (`pid`, `url`, `certificate`, `config`, `started`) while it can take signals; after a reload it
replaces `state/reload.json` (`at`, `ok`, `messages`). Only the lock proves that a server lives: both files outlive a
kill.
"""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proxy.config.settings import Server, State
from proxy.state.database import database_path
from proxy.state.errors import StateError
from proxy.state.file import StateFile
from proxy.state.lock import StateLock


@dataclass(frozen=True, slots=True)
class Running:
    """A living server: the address that it listens on, and the certificate (PEM) that it shows there."""

    pid: int
    url: str
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a server said about a reload."""

    ok: bool
    messages: tuple[str, ...]


class NotReachableError(Exception):
    """There is a server, but it cannot be told anything now; the text says why."""


def is_running(state_dir: Path) -> bool:
    """Return whether a server holds the data folder's lock."""
    try:
        with (state_dir / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError as err:
        raise NotReachableError(
            f"{state_dir / 'lock'} cannot be read: {err.strerror}; run the command as the user that the data folder "
            "belongs to, or name the server with --server and --key"
        ) from err
    return False


@contextmanager
def hold(state_dir: Path) -> Iterator[None]:
    """Hold the data folder's lock, so that no server starts; raise NotReachableError if one runs."""
    lock = StateLock(state_dir)
    try:
        lock.acquire()
    except StateError as err:
        raise NotReachableError("; ".join((err.what, *err.steps))) from err
    try:
        yield
    finally:
        lock.release()


def require_state(server: Server, state: State) -> None:
    """Raise StateError unless there is state on the data folder, or was once; makes nothing."""
    require_same_user(server)
    path = database_path(server.state_dir, state.url.reveal() if state.url is not None else None)
    if not StateFile(path).is_there():
        folder = server.data_dir
        missing = f"no state in the data folder {folder}" if folder.is_dir() else f"no data folder {folder}"
        raise StateError(
            f"there is {missing}, and no server runs on it",
            (
                "name the folder of your server with --data-dir or FEEDGATE__SERVER__DATA_DIR (a service may have it "
                "from its own environment), or another server with --server",
                "`feedgate serve` makes a new one",
            ),
        )


def require_same_user(server: Server) -> None:
    """Raise StateError where root would leave files in another user's data folder that its server could not open."""
    try:
        owner = server.state_dir.stat().st_uid
    except OSError:
        return  # what is missing or closed is reported by whoever opens it
    if os.geteuid() == 0 != owner:
        raise StateError(
            f"the data folder {server.data_dir} belongs to user id {owner}, and no server runs on it",
            (f"run the command as that user (sudo -u '#{owner}' feedgate …), or start the server first",),
        )


def find(state_dir: Path) -> Running | None:
    """Return the server on this data folder, None if none runs; raise NotReachableError."""
    if not is_running(state_dir):
        return None
    holder = _read(state_dir / "lock")
    match _read(state_dir / "server.json"):
        # The lock's holder and no other: a signal to a process of yesterday's number would end a stranger.
        case {"pid": int(pid), "url": str(url), **others} if pid > 1 and pid == holder:
            certificate = others.get("certificate")
            return Running(pid, url, certificate if isinstance(certificate, str) else None)
    raise NotReachableError(
        "a server is just starting or stopping on this data folder, or could not write where it is (its log tells): "
        "try again, or name it with --server"
    )


def _read(path: Path) -> object:
    try:
        value: object = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return value


def reload(running: Running, state_dir: Path, timeout_s: float) -> Reloaded:
    """Ask the server to reload and return its answer; raise NotReachableError."""
    path = state_dir / "reload.json"
    before = _read(path)
    try:
        os.kill(running.pid, signal.SIGHUP)
    except ProcessLookupError as err:
        raise NotReachableError("the server has just stopped") from err
    except PermissionError as err:
        raise NotReachableError(f"process {running.pid} belongs to another user; ask as that user") from err
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        after = _read(path)
        match after:
            case {"at": _, "ok": bool(ok), "messages": list(messages)} if after != before:
                return Reloaded(ok, tuple(str(message) for message in messages))
        time.sleep(0.02)  # a file is all there is to wait for
    raise NotReachableError(f"the server did not answer within {timeout_s:g} s; see its log")
