"""`state/admin.key`: the first admin's key, made at the first start (contract, section 5).

The file is the key: it is read at every start, whoever deletes it gets another at the next one, and it is made with
mode 0600 before anything stands in it. Its content never leaves this module but as a `Secret`.
"""

import logging
import os
from pathlib import Path

from proxy.model import key_value
from proxy.model.redact import Secret
from proxy.state.errors import StateError
from proxy.state.fresh import sync_folder

NAME = "admin.key"
_LOG = logging.getLogger("feedgate.keys")
_OTHERS = 0o077


def read(folder: Path) -> Secret | None:
    """Return the key of the file, None if there is no file. Blocks; raises StateError for one that is no key."""
    path = folder / NAME
    try:
        text = path.read_text("ascii", errors="replace").strip()
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as err:
        raise StateError(
            f"the admin key {path} cannot be read: {err.strerror}", ("give this process's user the right to",)
        ) from err
    why = key_value.why_refused(text)
    if why is not None:
        raise StateError(
            f"the admin key in {path} cannot be used: it {why}",
            ("delete the file: the next start makes a new key", "or put a key of your own there"),
        )
    if mode & _OTHERS:
        _LOG.warning("others than its owner may read %s; set its mode to 0600", path)
    return Secret(text)


def read_or_make(folder: Path) -> tuple[Secret, bool]:
    """Return the key, and whether it was made just now. Blocks; raises StateError."""
    held = read(folder)
    if held is not None:
        return held, False
    value, path = key_value.make(), folder / NAME
    temporary = path.with_name(f".{NAME}.new")
    try:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, f"{value}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.rename(path)
        sync_folder(folder)
    except OSError as err:
        raise StateError(
            f"the admin key {path} cannot be written: {err.strerror}",
            ("make room, or give this process's user the right to write there, then start again",),
        ) from err
    return Secret(value), True
