"""The channel: N records of one subdir made from the pool, as section 15 of the conda fact sheet describes.

The pool is copied until there are enough records. Three copies make a *generation*: the same names with builds for
other Python versions; each further generation has names of its own (`-g2`, `-g3`, …), and nine in ten of its
dependencies point into itself, so that the graph stays connected. At 550,000 records this gives 31,000 names, the
number that conda-forge has. Every choice is taken from the SHA-256 of the file name, never from a random state, so
that the next day's channel differs from the day before only where it should.

The next day (`day=1`) has builds added to one name in a hundred (and always to a busy one), one record in ten thousand
hot-fixed, and a few files moved to `removed`.
"""

import hashlib
import re
import zlib
from collections.abc import Iterator
from itertools import chain, count, islice
from typing import Any, NamedTuple

from benchmarks.channel.defects import defects
from benchmarks.channel.pool import Base, load

SUBDIR = "linux-64"
COPIES_PER_GENERATION = 3
#: Never renamed: the names that hold a channel together.
SHARED = frozenset({"python", "python_abi", "r-base", "perl"})
#: It has builds every day, so that the smallest channel changes too.
_BUSY = "many-builds"
_PYTHON_TAG = re.compile(r"(?<![A-Za-z])py(\d)(\d{1,2})(?!\d)")
#: What the compilers of today add to every package.
_TOOLCHAIN = ["__glibc >=2.17,<3.0.a0", "libgcc >=13", "libzlib >=1.3.1,<2.0a0", "libstdcxx >=13"]
_CONSTRAINS = ["libxml2-devel >=2.13,<2.14.0a0", "libhwloc >=2.11.2,<2.11.3.0a0"]
_YEAR_2015_MS, _YEAR_2026_MS = 1_420_070_400_000, 1_767_225_600_000


class Entry(NamedTuple):
    """One file: its section, its name and its record."""

    section: str
    file: str
    record: dict[str, Any]


def entries(records: int, day: int = 0) -> Iterator[Entry]:
    """Yield the channel's files; `records` counts what stands in the index on day 0, defects included."""
    for entry in _today(records):
        yield from _aged(entry) if day else (entry,)
    if day:
        yield from _added(records)


def removed(records: int, day: int = 0) -> list[str]:
    """Return the file names of the `removed` list."""
    gone = [entry.file for entry in _today(records) if _fate(entry.file) == "removed"] if day else []
    return [f"withdrawn-1.{number}-0.tar.bz2" for number in range(5)] + gone


# -- what happens overnight ------------------------------------------------------------------------------------


def _fate(file: str) -> str:
    draw = zlib.crc32(file.encode()) % 100_000
    return "removed" if draw < 1 else "hotfixed" if draw < 11 else "kept"


def _aged(entry: Entry) -> Iterator[Entry]:
    match _fate(entry.file):
        case "removed":
            return
        case "hotfixed" if isinstance(entry.record.get("depends"), list):
            yield entry._replace(record=entry.record | {"depends": [*entry.record["depends"], "hotfix >=1"]})
        case _:
            yield entry


def _added(records: int) -> Iterator[Entry]:
    names: set[str] = set()
    for entry in _today(records):
        name = entry.record.get("name", "")
        if (
            name in names
            or not name
            or _is_special(name)
            or (name != _BUSY and hashlib.sha256(f"tomorrow {name}".encode()).digest()[0] > 1)
        ):
            continue
        names.add(name)
        for build in range(5):
            record = entry.record | {
                "build": f"h{_digest(name, build)[:7]}_{build}",
                "version": "2026.11.21",
                "build_number": build,
            }
            stamp = {"timestamp": _YEAR_2026_MS + build, "indexed_timestamp": _YEAR_2026_MS + 60_000}
            yield from _placed(record | stamp, ".conda")


# -- today -----------------------------------------------------------------------------------------------------


def _today(records: int) -> Iterator[Entry]:
    parts = chain(_tails(records), (Entry(*defect) for defect in defects(SUBDIR)), _pooled(records))
    return islice(parts, records)


def _is_special(name: str) -> bool:
    return name.startswith(("mended-", "sound-", "dropped-"))


def _pooled(records: int) -> Iterator[Entry]:
    pool = load()
    if records < len(pool):  # a slice that keeps names whole
        share = max(1, records * 120 // len(pool))
        pool = [base for base in pool if hashlib.sha256(base.name.encode()).digest()[0] * 100 // 256 <= share]
    names = {base.name for base in pool} - SHARED
    for copy in count():
        for base in pool:
            if base.name in names or copy < COPIES_PER_GENERATION:
                yield from _copied(base, copy, names)


def _copied(base: Base, copy: int, names: set[str]) -> Iterator[Entry]:
    generation, rebuild = copy // COPIES_PER_GENERATION + 1, copy % COPIES_PER_GENERATION
    draw = _digest(f"{base.name}-{base.version}-{base.build}", copy)
    record = {
        "build": _build(base.build, rebuild, draw),
        "build_number": base.build_number,
        "constrains": base.constrains or _CONSTRAINS[:rebuild],
        "depends": _depends(base, generation, rebuild, names),
        "license": base.license or "MIT",
        "license_family": base.license_family or "OTHER",
        "name": _renamed(base.name, generation, names),
        "size": base.size + int(draw[28:32], 16),
        "subdir": SUBDIR,
        "timestamp": _YEAR_2015_MS + int(draw[32:48], 16) % (_YEAR_2026_MS - _YEAR_2015_MS),
        "version": base.version,
    }
    if base.noarch is not None:
        record["noarch"] = base.noarch
    if base.track_features is not None or int(draw[9:12], 16) < 41:
        record["track_features"] = base.track_features or "vc14"
    if int(draw[12:16], 16) < 7:
        del record["license"]
    both = int(draw[16:18], 16) < 5
    extension = ".tar.bz2" if int(draw[18:20], 16) < 115 else ".conda"
    for each in (".tar.bz2", ".conda") if both else (extension,):
        yield from _placed(record, each)


def _placed(record: dict[str, Any], extension: str) -> Iterator[Entry]:
    file = f"{record['name']}-{record['version']}-{record['build']}{extension}"
    sha256 = _digest(file, 0)
    hashes = {"md5": _digest(file, 1)[:32], "sha256": sha256}
    section = "packages" if extension == ".tar.bz2" else "packages.conda"
    yield Entry(section, file, dict(sorted((record | hashes).items())))


def _digest(text: str, number: int) -> str:
    return hashlib.sha256(f"{text} {number}".encode()).hexdigest()


def _renamed(name: str, generation: int, names: set[str]) -> str:
    return f"{name}-g{generation}" if generation > 1 and name in names else name


def _build(build: str, rebuild: int, draw: str) -> str:
    if _PYTHON_TAG.search(build):
        build = _PYTHON_TAG.sub(lambda tag: f"py{tag[1]}{int(tag[2]) + 4 * rebuild}h{draw[20:27]}", build)
        return build if build.isascii() else f"py_{rebuild}"
    return f"h{draw[20:27]}_{build}" if rebuild else build


def _depends(base: Base, generation: int, rebuild: int, names: set[str]) -> list[str]:
    found = []
    for spec in base.depends:
        name, _, rest = spec.partition(" ")
        if generation > 1 and name in names and _digest(f"{base.name} {name}", generation)[0] != "0":
            name = f"{name}-g{generation}"
        found.append(f"{name} {rest}" if rest else name)
    tag = _PYTHON_TAG.search(base.build)
    if tag:
        minor = int(tag[2]) + 4 * rebuild
        found.append(f"python_abi {tag[1]}.{minor}.* *_cp{tag[1]}{minor}")
    return found + _TOOLCHAIN[: 2 + rebuild]


# -- shapes that matter and are rare ---------------------------------------------------------------------------


def _tails(records: int) -> Iterator[Entry]:
    shapes = {_BUSY: 800, "vim-like": 5000} if records >= 20_000 else {_BUSY: records // 20}
    for name, builds in shapes.items():
        for number in range(builds):
            version = f"9.1.{number // 6:04d}"
            depends = [
                f"python >=3.{number % 6 + 8},<3.{number % 6 + 9}.0a0",
                "ncurses >=6.5,<7.0a0",
                "libgcc >=13",
            ]
            yield from _placed(
                _tail(name, version, f"py3{number % 6 + 8}h{_digest(name, number)[:7]}_0", depends), ".conda"
            )
    names = sorted({base.name for base in load()})[:380]
    yield from _placed(
        _tail("anaconda-like", "2026.11", "py313_0", [f"{name} >=1" for name in names]), ".conda"
    )


def _tail(name: str, version: str, build: str, depends: list[str]) -> dict[str, Any]:
    return {
        "build": build, "build_number": 0, "constrains": [], "depends": depends, "license": "Vim",
        "license_family": "OTHER", "name": name, "size": 1_000_000, "subdir": SUBDIR,
        "timestamp": _YEAR_2026_MS, "version": version,
    }  # fmt: skip
