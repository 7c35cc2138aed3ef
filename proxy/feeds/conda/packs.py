"""Pack files on disk: opened once, read by offset, checked when read (proxy.conda.pack says what is in them).

A generation is what one subdir is at one moment: its records and the shards rendered from them. What it has of its
files is never changed; a next generation is written behind it, or to other files (`draft`). Whoever holds an open
generation goes on reading it after its names are gone.
"""

import contextlib
import hashlib
import os
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from proxy.conda.origin_shards import BadShards, parse_index
from proxy.conda.pack import BadPack, Pack, open_pack
from proxy.conda.pack_writer import PackWriter
from proxy.conda.shard_render import by_digest, index_of
from proxy.conda.shards import FORM
from proxy.conda.snapshot import Snapshot, Top, open_snapshot, pack_top

#: Packs are written in many small parts.
BUFFER_BYTES = 1024**2
#: `created_at` of what was never made.
_BEGINNING = "1970-01-01T00:00:00+00:00"
_SUFFIXES = frozenset({".records", ".shards", ".index", ".sizes"})
_SIZES = msgspec.json.Decoder(tuple[int, int])
_DIGEST_BYTES = 32


class PackFile:
    """A pack file, open for reading by offset from any thread."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        self.size = os.fstat(self._descriptor).st_size
        self.path = path

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, offset)

    def __del__(self) -> None:
        # Readers share it without counting themselves, so the last reference closes it.
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


@dataclass(frozen=True)
class Generation:
    """One subdir at one moment. `stem` names it: the digest of its records."""

    stem: str
    snapshot: Snapshot
    shards: Pack
    files: tuple[PackFile, PackFile] = field(repr=False)

    @property
    def sizes(self) -> tuple[int, int]:
        """Where its records and its shards end in their files."""
        return self.snapshot.pack.size, self.shards.size

    @cached_property
    def by_digest(self) -> dict[str, str]:
        """Hexadecimal digest of a shard -> its name."""
        return by_digest(self.shards)


def records_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.records"


def shards_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.shards"


def index_path(folder: Path, stem: str) -> Path:
    """Return where the rendered shard index of a generation lies."""
    return folder / f"{stem}.index"


def sizes_path(folder: Path, stem: str) -> Path:
    """Return where it stands where a generation ends in its files, for the next one may be written behind it."""
    return folder / f"{stem}.sizes"


def open_generation(folder: Path, stem: str) -> Generation:
    """Open a generation; blocks for some milliseconds. Raises OSError or BadPack."""
    sizes = _read_sizes(sizes_path(folder, stem))
    generation = open_files(records_path(folder, stem), shards_path(folder, stem), sizes)
    if generation.stem != stem:
        raise BadPack("the records are not those that the file's name says")
    return generation


def write_index(path: Path, body: bytes) -> None:
    """Write a rendered shard index, and behind it its digest: a shard index does not check itself. Blocks."""
    path.write_bytes(body + hashlib.sha256(body).digest())


def read_index(generation: Generation, path: Path) -> bytes:
    """Return the rendered shard index of a generation; where it is lost or damaged it is rendered anew. Blocks."""
    with contextlib.suppress(OSError, BadShards):
        data = path.read_bytes()
        body = data[:-_DIGEST_BYTES]
        if hashlib.sha256(body).digest() == data[-_DIGEST_BYTES:] and _tells_of(generation.shards, body):
            return body
    body = index_of(generation.shards, generation.snapshot.top.subdir, _BEGINNING)
    with contextlib.suppress(OSError):  # it is rendered once more after the next start
        write_index(path, body)
    return body


def _tells_of(shards: Pack, body: bytes) -> bool:
    return parse_index(body).digests == {name: each.digest for name, each in shards.entries.items()}


def _read_sizes(path: Path) -> tuple[int, int] | None:
    try:
        return _SIZES.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


def open_files(records: Path, shards: Path, sizes: tuple[int, int] | None = None) -> Generation:
    """Open the files of a generation, whatever they are called; without `sizes` they end with it."""
    files = PackFile(records), PackFile(shards)
    ends = sizes or (files[0].size, files[1].size)
    snapshot = open_snapshot(files[0].read, ends[0])
    return Generation(snapshot.pack.digest.hex(), snapshot, open_pack(files[1].read, ends[1]), files)


def make_empty(folder: Path, subdir: str) -> Generation:
    """Make and open the generation of a subdir in which there is nothing. Blocks."""
    folder.mkdir(parents=True, exist_ok=True)
    records, shards = folder / ".empty.records", folder / ".empty.shards"
    with records.open("wb") as out:
        PackWriter(out, pack_top(Top(subdir))).finish()
    with shards.open("wb") as out:
        PackWriter(out, FORM.encode()).finish()
    made = open_files(records, shards)
    write_index(index_path(folder, made.stem), index_of(made.shards, subdir, _BEGINNING))
    shards.rename(shards_path(folder, made.stem))
    records.rename(records_path(folder, made.stem))
    return made


def sweep_generations(folder: Path, *kept: str | None) -> None:
    """Remove the files of generations that are over; whoever has one open goes on. Blocks.

    The one before the current is kept: a child may have been told to read it a moment ago.
    """
    for path in folder.glob("[0-9a-f]*"):
        if path.suffix in _SUFFIXES and path.stem not in kept:
            path.unlink(missing_ok=True)


def sweep_leftovers(root: Path) -> None:
    """Remove what a killed process left half-written: everything hidden. Blocks; nobody may be writing yet."""
    for path in (*root.glob("*/.*"), *root.glob("*/*/.*")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
