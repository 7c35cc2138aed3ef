"""Restoring a backup on an empty host: whole, verified and on disk, or not at all.

Everything is unpacked beside its place and moved there at the end, the state last. What is not in the archive but
pinned is fetched again when the server runs.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from proxy.state.archive import (
    CONFIG,
    DATABASE,
    ArchiveError,
    Hashing,
    Manifest,
    Places,
    Progress,
    Report,
    nothing_told,
    report,
)
from proxy.state.fresh import make_folder, sync_folder
from proxy.state.unpack import examine

_STAGING = ".restoring"


def restore(archive: Path, places: Places, *, progress: Progress = nothing_told) -> tuple[Report, bool]:
    """Restore state, vault and, where there is no settings' file, that one; tell whether it was written.

    Blocks; raises ArchiveError, and then nothing has changed.
    """
    staging = places.vault.parent / _STAGING
    for folder in (places.state, places.vault):
        if folder.exists() and any(folder.iterdir()):
            cut = (
                f"; an earlier restore was cut off: delete {folder} and {staging}" if staging.exists() else ""
            )
            raise ArchiveError(
                f"{folder} is not empty: a backup is restored on an empty data folder only{cut}"
            )
    if places.database.exists():
        raise ArchiveError(
            f"{places.database} is there already: a backup is restored on an empty data folder only"
        )
    if not archive.is_file():
        raise ArchiveError(f"there is no file {archive}")
    try:
        shutil.rmtree(staging, ignore_errors=True)
        make_folder(staging.parent)
        (staging / "state").mkdir(parents=True)
        (staging / "vault").mkdir()
        head, manifest = examine(archive, _Unpacking(staging, progress).take)
        written = _settle(staging, manifest, places)
    except OSError as err:
        raise ArchiveError(f"the backup could not be restored: {err}") from err
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return report(head, manifest), written


class _Unpacking:
    """Writes each file beside its place, and tells how far it is."""

    def __init__(self, staging: Path, progress: Progress) -> None:
        self._staging = staging
        self._progress = progress
        self._done = 0

    def take(self, name: str, file: Hashing) -> None:
        path = self._staging / name
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            while data := file.read():
                target.write(data)
                self._done += len(data)
                self._progress(self._done)
            target.flush()
            os.fsync(target.fileno())


def _settle(staging: Path, manifest: Manifest, places: Places) -> bool:
    """Move everything to its place; return whether the settings' file was written."""
    if DATABASE not in manifest.files:
        raise ArchiveError("the backup holds no state database")
    for digest in manifest.left_out:
        (staging / "vault" / digest[:2] / digest).unlink(missing_ok=True)
    elsewhere = places.database.parent != places.state
    if not elsewhere:
        (staging / DATABASE).rename(staging / "state" / places.database.name)
    for folder in (*(staging / "vault").iterdir(), staging / "vault", staging / "state", staging):
        if folder.is_dir():
            sync_folder(folder)
    config = places.config
    written = config is not None and CONFIG in manifest.files and not config.exists()
    if config is not None and written:
        make_folder(config.parent)
        shutil.move(staging / CONFIG, config)
        sync_folder(config.absolute().parent)
    if elsewhere:
        make_folder(places.database.parent)
        shutil.move(staging / DATABASE, places.database)
        sync_folder(places.database.parent)
    for source, place in ((staging / "vault", places.vault), (staging / "state", places.state)):
        make_folder(place.parent)
        with suppress(FileNotFoundError):
            place.rmdir()
        shutil.move(source, place)
        sync_folder(place.absolute().parent)
    return written
