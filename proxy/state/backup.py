"""Writing a backup while the server runs: a consistent copy of the database first, then the bytes that it pins.

The order matters: what the copy pins was held when it was made, and vault files never change and are never evicted; one
that is gone by the time it is read was revoked long ago, and one that is missing is fetched again by its pin. The
archive appears under its name complete, on disk and read back once.
"""

import contextlib
import io
import os
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, cast

import msgspec

import proxy
from proxy.state.archive import (
    CONFIG,
    DATABASE,
    FORMAT,
    HEAD,
    KEYS,
    MANIFEST,
    ArchiveError,
    Entry,
    Hashing,
    Head,
    Manifest,
    Places,
    Progress,
    Report,
    nothing_told,
    report,
    vault_digest,
)
from proxy.state.fresh import sync_folder
from proxy.state.unpack import examine


def backup(target: Path, places: Places, *, now: datetime, progress: Progress = nothing_told) -> Report:
    """Write the archive; never over a file that is there. Blocks; raises ArchiveError."""
    if os.path.lexists(target):
        raise ArchiveError(f"{target} is there already; name another file")
    if not target.parent.is_dir():
        raise ArchiveError(f"there is no folder {target.parent} for the backup: make it, or name another")
    if not places.database.is_file():
        raise ArchiveError(f"there is no state database {places.database}: nothing to back up")
    partial = target.with_name(f".{target.name}.new")
    try:
        with _removed(partial, target.with_name(f".{target.name}.sqlite")) as (archive, copy):
            schema = _copy_database(places.database, copy)
            head = Head(
                format=FORMAT, version=proxy.__version__, schema=schema, created=f"{now:%Y-%m-%dT%H:%M:%SZ}"
            )
            manifest = _write(archive, head, copy, places, progress)
            examine(archive)
            _appear(archive, target)
    except (OSError, sqlite3.Error, tarfile.TarError) as err:
        why = (err.strerror if isinstance(err, OSError) else None) or err
        raise ArchiveError(f"the backup {target} could not be written: {why}") from err
    return report(head, manifest)


@contextmanager
def _removed(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Give paths without files, and leave none."""
    for path in paths:
        path.unlink(missing_ok=True)
    try:
        yield paths
    finally:
        for path in paths:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _copy_database(source: Path, copy: Path) -> str:
    """Copy the database in one piece (writers wait, for about a second per GiB); return its schema."""
    copy.touch(0o600)
    uri = f"{source.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=30)) as live, closing(sqlite3.connect(copy)) as made:
        live.backup(made)
        (answer,) = made.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            raise ArchiveError(f"the state database {source} is damaged: {answer}")
        (schema,) = made.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(schema)


def _write(archive: Path, head: Head, copy: Path, places: Places, progress: Progress) -> Manifest:
    files: dict[str, Entry] = {}
    left_out: list[str] = []
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        os.fdopen(descriptor, "wb") as raw,
        tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        _add_text(tar, HEAD, msgspec.json.encode(head), head.created)
        named = [(DATABASE, copy), *((f"state/{key}", places.state / key) for key in KEYS)]
        named += [(CONFIG, places.config)] if places.config is not None else []
        named += [
            (f"vault/{path.parent.name}/{path.name}", path) for path in sorted(places.vault.glob("??/*"))
        ]
        done = 0
        for name, path in named:
            entry = _add(tar, name, path)
            if entry is None:
                continue
            digest = vault_digest(name)
            if digest is not None and digest != entry.sha256:
                left_out.append(digest)
            else:
                files[name] = entry
            done += entry.size
            progress(done)
        manifest = Manifest(files=files, left_out=left_out)
        _add_text(tar, MANIFEST, msgspec.json.encode(manifest), head.created)
        tar.close()
        raw.flush()
        os.fsync(raw.fileno())
    return manifest


def _add(tar: tarfile.TarFile, name: str, path: Path) -> Entry | None:
    """Add a file; None where there is none."""
    if name.startswith("vault/") and vault_digest(name) is None:
        return None
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        info = tarfile.TarInfo(name)
        info.size, info.mode = os.fstat(file.fileno()).st_size, 0o600
        hashing = Hashing(file)
        tar.addfile(info, cast(IO[bytes], hashing))
        return hashing.entry


def _add_text(tar: tarfile.TarFile, name: str, data: bytes, created: str) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), 0o600, int(datetime.fromisoformat(created).timestamp())
    tar.addfile(info, io.BytesIO(data))


def _appear(archive: Path, target: Path) -> None:
    # A link fails where somebody made the target meanwhile; a rename would take its place.
    os.link(archive, target)
    sync_folder(target.absolute().parent)
