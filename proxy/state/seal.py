"""The seal: what is stored with secrets in it is encrypted with `state/secret.key`, so that the database tells none.

The key is made when it is first needed (mode 0600) and never changed: whoever has the database but not the key has
nothing, and a backup needs both. A key that is missing where something is sealed stops the start.
"""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.state.errors import StateError
from proxy.state.fresh import sync_folder

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_LOG = logging.getLogger("feedgate.state")
_OTHERS = 0o077


class Seal:
    """Encrypts with the key of one state folder. Everything blocks for a moment."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "secret.key"
        self._has_warned = False

    def close(self, data: bytes) -> bytes:
        """Return the data encrypted; the key is made if there is none yet. Raises StateError."""
        try:
            if not self.path.exists():
                self._make()
            return self._cipher().encrypt(data)
        except OSError as err:
            raise StateError(f"the key {self.path} cannot be written: {err.strerror}") from err

    def open(self, sealed: bytes) -> bytes:
        """Return what was encrypted. Raises StateError for another key, or none."""
        from cryptography.fernet import InvalidToken

        try:
            return self._cipher().decrypt(sealed)
        except FileNotFoundError as err:
            raise StateError(
                f"the key {self.path} is missing; what is stored cannot be read", self._steps()
            ) from err
        except OSError as err:
            raise StateError(f"the key {self.path} cannot be read: {err.strerror}", self._steps()) from err
        except (InvalidToken, ValueError) as err:
            raise StateError(f"the key {self.path} is not the one of this database", self._steps()) from err

    def _cipher(self) -> "Fernet":
        # Here: it takes long to import, and most starts need none.
        from cryptography.fernet import Fernet

        if self.path.stat().st_mode & _OTHERS and not self._has_warned:
            self._has_warned = True
            _LOG.warning("others than its owner may read %s; set its mode to 0600", self.path)
        return Fernet(self.path.read_bytes().strip())

    def _make(self) -> None:
        from cryptography.fernet import Fernet

        temporary = self.path.with_name(".secret.key.new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, Fernet.generate_key() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # A link fails where a key appeared meanwhile; a rename would take its place.
        os.link(temporary, self.path)
        temporary.unlink()
        sync_folder(self.path.parent)

    def _steps(self) -> tuple[str, ...]:
        return (f"restore {self.path} from the backup that the database is from (`feedgate restore`)",)
