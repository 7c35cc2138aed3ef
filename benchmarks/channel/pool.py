"""The pool: 31,994 real records (conda-forge, main, r and pytorch, 2018-2023) without their hashes.

`pool.json.zst` holds them as columns, which compresses four times better than rows. What the generator varies
(hashes, subdir, file names) is not in it. Licences of the sources: LICENSES/. Make it again with `python -m
benchmarks.channel.pool REPODATA...`; it is read at run time from beside this file and from nowhere else.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import zstandard

FILE = Path(__file__).with_name("pool.json.zst")
KEYS = (
    "name", "version", "build", "build_number", "depends", "constrains", "license", "license_family", "noarch",
    "size", "timestamp", "track_features",
)  # fmt: skip


class Base(msgspec.Struct, frozen=True, gc=False):
    """One record of the pool. None stands for a missing key."""

    name: str
    version: str
    build: str
    build_number: int
    depends: list[str]
    constrains: list[str] | None
    license: str | None
    license_family: str | None
    noarch: str | bool | None
    size: int
    timestamp: int | None
    track_features: str | list[str] | None


def load() -> list[Base]:
    """Return the pool, sorted by name, version and build."""
    columns = msgspec.json.decode(zstandard.ZstdDecompressor().decompress(FILE.read_bytes()))
    return [Base(*row) for row in zip(*columns, strict=True)]


def make(repodatas: Iterable[dict[str, Any]]) -> bytes:
    """Return the compressed pool of the records of some decoded repodata.json; the first of equal ones stays."""
    found: dict[tuple[str, str, str], list[Any]] = {}
    for repodata in repodatas:
        for section in ("packages", "packages.conda"):
            for _, record in sorted(repodata.get(section, {}).items()):
                row = [record.get(key) for key in KEYS]
                found.setdefault((record["name"], record["version"], record["build"]), row)
    rows = [found[key] for key in sorted(found)]
    columns = msgspec.json.encode(list(zip(*rows, strict=True)))
    return zstandard.ZstdCompressor(level=22).compress(columns)


def main(paths: list[str]) -> None:
    FILE.write_bytes(make(msgspec.json.decode(Path(path).read_bytes()) for path in paths))
    print(f"{len(load())} records, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
