"""The single-writer lock: one process per data folder.

An advisory `flock` on `state/lock`, which the kernel drops with the process, whatever ends it; the pid in
the file is for people only. Children do not inherit it (the descriptor is close-on-exec). Whoever takes it is going to
write there, so what the process makes from then on is its owner's alone (`modes.py`).
"""

import contextlib
import fcntl
import logging
import os
from pathlib import Path

from proxy.state.errors import AlreadyRunningError, StateError
from proxy.state.fresh import make_folder
from proxy.state.modes import keep_private

_LOG = logging.getLogger("feedgate.state")


class StateLock:
    """The right to write below one data folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise AlreadyRunningError at once; the folder is made if it is missing."""
        keep_private()
        try:
            make_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            raise StateError(
                f"the state folder {self._path.parent} cannot be used: {err}",
                ("make room, give this process's user the right to write there, or name another data_dir",),
            ) from err
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise AlreadyRunningError(
                f"another feedgate (pid {holder or 'unknown'}) is using {self._path.parent}",
                ("stop it, or give this one another data_dir",),
            ) from err
        self._descriptor = descriptor
        self._write_pid(descriptor)

    def _write_pid(self, descriptor: int) -> None:
        """Write who holds the lock over what is there, so that a full disk has the room; never another's number."""
        pid = f"{os.getpid()}\n".encode()
        try:
            os.pwrite(descriptor, pid, 0)
            os.ftruncate(descriptor, len(pid))
        except OSError as err:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            _LOG.warning("%s holds the lock, but not this process's number: %s", self._path, err.strerror)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held. The file stays, so that nobody locks a ghost."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
