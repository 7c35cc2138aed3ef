"""The vectors that conda itself gave: a committed part, or all of them where the shared folder is at hand."""

import os
from pathlib import Path
from typing import Any

import msgspec
import zstandard

_COMMITTED = Path(__file__).parent.parent / "data" / "policy"
_SHARED = Path(os.environ.get("FEEDGATE_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data")


def vectors(name: str) -> Any:
    """Return a set of vectors, decoded."""
    folder = _SHARED / "conda" / "derived"
    for path in (folder / f"{name}.json.zst", folder / f"{name}.json", _COMMITTED / f"{name}.json.zst"):
        if path.exists():
            data = path.read_bytes()
            packed = path.suffix == ".zst"
            return msgspec.json.decode(
                zstandard.ZstdDecompressor().decompressobj().decompress(data) if packed else data
            )
    raise FileNotFoundError(name)


def lines(name: str) -> list[str]:
    """Return the lines of a committed text."""
    return (_COMMITTED / name).read_text("utf-8").splitlines()
