"""Reading a backup: every file compared with the manifest, nothing taken that does not belong into one (E16)."""

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from proxy.state.archive import FORMAT, HEAD, MANIFEST, ArchiveError, Entry, Hashing, Head, Manifest, may_hold
from proxy.state.fresh import HEAD as SCHEMA
from proxy.state.fresh import REVISIONS

Text = TypeVar("Text", Head, Manifest)
_LARGEST_TEXT = 256 * 1024**2

#: Takes a file's name and its bytes; called for every file but the two that tell of them.
Take = Callable[[str, Hashing], None]


def examine(archive: Path, take: Take | None = None) -> tuple[Head, Manifest]:
    """Read an archive from its beginning to its end. Blocks; raises ArchiveError."""
    seen: dict[str, Entry] = {}
    head: Head | None = None
    manifest: Manifest | None = None
    try:
        with tarfile.open(archive, "r:") as tar:
            for name, file, size in _members(tar, archive):
                if head is None:
                    head = _head(name, file, size, archive)
                elif manifest is not None or name in seen:
                    raise ArchiveError(f"{archive} holds {name} where it does not belong")
                elif name == MANIFEST:
                    manifest = _text(file, size, Manifest, archive)
                else:
                    seen[name] = _read(name, file, take)
    except (tarfile.TarError, EOFError) as err:
        raise ArchiveError(f"{archive} is no backup, or it is damaged: {err}") from err
    except OSError as err:
        why = err.strerror or err
        raise ArchiveError(f"{archive} cannot be read, or its files cannot be written: {why}") from err
    if head is None or manifest is None:
        raise ArchiveError(f"{archive} is no backup, or it is cut off: its end is missing")
    _compare(manifest, seen, archive)
    return head, manifest


def _members(tar: tarfile.TarFile, archive: Path) -> Iterator[tuple[str, IO[bytes], int]]:
    for member in tar:
        file = tar.extractfile(member) if member.isreg() else None
        if file is None or not may_hold(member.name):
            raise ArchiveError(f"{archive} holds {ascii(member.name)[:80]}, which no backup holds")
        yield member.name, file, member.size


def _head(name: str, file: IO[bytes], size: int, archive: Path) -> Head:
    if name != HEAD:
        raise ArchiveError(f"{archive} is no backup: it does not begin with {HEAD}")
    head: Head = _text(file, size, Head, archive)
    if head.format > FORMAT or head.schema not in REVISIONS:
        raise ArchiveError(
            f"{archive} was written by feedgate {head.version} with schema {head.schema}; this program knows up to"
            f" {SCHEMA}: restore it with that version or a newer one"
        )
    return head


def _text(file: IO[bytes], size: int, kind: type[Text], archive: Path) -> Text:
    if size > _LARGEST_TEXT:
        raise ArchiveError(f"{archive} is no backup: its {kind.__name__.lower()} is too large")
    try:
        return msgspec.json.decode(file.read(size), type=kind)
    except msgspec.MsgspecError as err:
        raise ArchiveError(f"{archive} is no backup, or it is damaged: {err}") from err


def _read(name: str, file: IO[bytes], take: Take | None) -> Entry:
    hashing = Hashing(file)
    if take is not None:
        take(name, hashing)
    while hashing.read():
        pass
    return hashing.entry


def _compare(manifest: Manifest, seen: dict[str, Entry], archive: Path) -> None:
    for name, entry in manifest.files.items():
        if seen.get(name) != entry:
            raise ArchiveError(f"{archive} is damaged: {name} is not what its manifest says")
