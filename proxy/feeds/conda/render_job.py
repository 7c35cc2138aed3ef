"""The child's part of a full index: `repodata.json` or `.json.zst` of a generation, hashed while it is written."""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

from proxy.conda.pack import BadPack
from proxy.conda.repodata import pieces, write
from proxy.conda.shown import Shown
from proxy.feeds.conda.packs import open_generation


class _Hashed:
    """A file that is hashed as it is written: what BinaryIO's writers need."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)


def run(folder: str, stem: str, subdir: str, form: str, out: str) -> dict[str, Any]:
    """Write the index; return {"sha256", "size"}, or {"damaged": why}. `form` is "json" or "zst"."""
    try:
        return _written(folder, stem, subdir, form, out)
    except (BadPack, FileNotFoundError) as damage:
        Path(out).unlink(missing_ok=True)
        return {"damaged": str(damage)}


def _written(folder: str, stem: str, subdir: str, form: str, out: str) -> dict[str, Any]:
    generation = open_generation(Path(folder), stem)
    shown = [Shown(name, generation.snapshot) for name in generation.snapshot]
    with Path(out).open("xb") as file:
        hashed = _Hashed(file)
        text = pieces(subdir, shown, generation.snapshot.top.relations)
        if form == "zst":
            write(text, zst=hashed)
        else:
            write(text, plain=hashed)
        size = file.tell()
    return {"sha256": hashed.digest.hexdigest(), "size": size}
