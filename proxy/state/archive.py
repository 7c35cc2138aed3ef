"""What a backup holds: which files of which names, in one tar, and what is said of them.

    feedgate.json        first: format, program, schema, when; enough to refuse before anything is read
    state/state.sqlite   a consistent copy; state/secret.key and state/admin.key beside it
    config.toml          the settings' file, if there is one
    vault/ab/abcd…       approved bytes, each named by its sha256
    manifest.json        last: name -> sha256 and size of every file that counts; without it the archive is cut off

Nothing else is taken from an archive, whatever is in it (E16). It holds secrets: mode 0600.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

FORMAT = 1
HEAD, MANIFEST = "feedgate.json", "manifest.json"
DATABASE, CONFIG = "state/state.sqlite", "config.toml"
KEYS = ("secret.key", "admin.key")
_VAULT = re.compile(r"vault/([0-9a-f]{2})/(\1[0-9a-f]{62})")
_PIECE = 1024 * 1024


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is known before anything is read."""

    format: int
    version: str
    schema: str
    created: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Every file that counts. `left_out` are approved bytes that were damaged: they are fetched again by their pin."""

    files: dict[str, Entry]
    left_out: list[str] = []


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was written or read."""

    files: int
    bytes: int
    vault: int
    schema: str
    created: str
    left_out: list[str]


#: Told from time to time how many bytes are done.
Progress = Callable[[int], None]


def nothing_told(_done: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are, or are to be; the database usually lies in the state's folder."""

    state: Path
    database: Path
    vault: Path
    config: Path | None


class ArchiveError(Exception):
    """The archive cannot be written or used; the text is one line that says why. Nothing has changed."""


def vault_digest(name: str) -> str | None:
    """Return the digest of a vault's file, None for another name."""
    found = _VAULT.fullmatch(name)
    return found[2] if found else None


def may_hold(name: str) -> bool:
    """Tell whether a file of this name belongs into an archive."""
    known = (HEAD, MANIFEST, DATABASE, CONFIG, *(f"state/{key}" for key in KEYS))
    return name in known or vault_digest(name) is not None


def report(head: Head, manifest: Manifest) -> Report:
    return Report(
        files=len(manifest.files), bytes=sum(entry.size for entry in manifest.files.values()),
        vault=sum(vault_digest(name) is not None for name in manifest.files), schema=head.schema,
        created=head.created, left_out=manifest.left_out,
    )  # fmt: skip


class Hashing:
    """A file that is read once, with the digest of what was read; at most so many bytes, as it may grow meanwhile."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(_PIECE if size < 0 else size)
        self._digest.update(data)
        self.size += len(data)
        return data

    @property
    def entry(self) -> Entry:
        return Entry(sha256=self._digest.hexdigest(), size=self.size)
