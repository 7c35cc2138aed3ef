"""The real indexes that the tests read: the committed ones, and more where the shared folder is at hand."""

import bz2
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zstandard

from proxy.conda.names import is_subdir

_COMMITTED = Path(__file__).parent.parent / "data" / "conda"
_SHARED = (
    Path(os.environ.get("FEEDGATE_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data") / "conda"
)
_NOT_INDEXES = ("repodata_shards", "repodata_json_cache")


@dataclass(frozen=True)
class IndexFile:
    """A real repodata.json, or one of its kin."""

    path: Path
    name: str

    def read(self) -> bytes:
        data = self.path.read_bytes()
        if self.path.suffix == ".zst":
            return zstandard.ZstdDecompressor().decompress(data)
        return bz2.decompress(data) if self.path.suffix == ".bz2" else data

    @property
    def subdir(self) -> str:
        folder = self.path.parent.name
        known = msgspec.json.decode(self.read()).get("info", {}).get("subdir")
        return folder if is_subdir(folder) else known or "linux-64"


def committed(name: str) -> bytes:
    """Return a committed file, unpacked: its path below `tests/data/conda` without the `.zst`."""
    return IndexFile(_COMMITTED / f"{name}.zst", name).read()


def committed_folder(name: str) -> Path:
    return _COMMITTED / name


def index_files() -> list[IndexFile]:
    """Return every index, each content once."""
    found: dict[bytes, IndexFile] = {}
    for root in (_COMMITTED, _SHARED):
        for path in _below(root):
            found.setdefault(IndexFile(path, "").read(), IndexFile(path, path.relative_to(root).as_posix()))
    return list(found.values())


def _below(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        is_index = "repodata" in path.name or path.parent.name == "repodata"
        is_other = any(part in str(path) for part in _NOT_INDEXES)
        if is_index and not is_other and path.name.endswith((".json", ".json.bz2", ".json.zst")):
            yield path
