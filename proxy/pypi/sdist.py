"""What an sdist says of itself: its PKG-INFO, and what it needs to be built (PEP 517, 518, 643). Pure: it reads a file.

Only the two files at the top of the archive are read, capped, and nothing is unpacked. An sdist without a
pyproject.toml, or with none of `build-system.requires`, is built with setuptools.
"""

import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from typing import IO

from proxy.model.bounds import LONGEST_REQUIREMENT, is_readable

_MOST_BYTES = 4 * 1024**2
_MOST_MEMBERS = 200_000
#: What tomllib takes grows with the square of a dotted key's length: 64 KiB of "a.a.a…" are 18 s and gigabytes.
_MOST_PYPROJECT_BYTES = 256 * 1024
_MOST_DOTS = 500
_MOST_DOTS_SQUARED = 4_000_000
#: PEP 518's default, as pip has it.
_DEFAULT = ("setuptools>=40.8.0",)


class BadSdist(Exception):
    """The file is no sdist that can be read; the text says why."""


@dataclass(frozen=True, slots=True)
class SdistFacts:
    """`metadata` is PKG-INFO; `build_requires` are requirements of the isolated build environment."""

    metadata: bytes
    build_requires: tuple[str, ...]


def facts_in(filename: str, file: IO[bytes]) -> SdistFacts:
    """Return what an sdist says. Blocks; raises BadSdist."""
    try:
        found = _zip(file) if filename.endswith(".zip") else _tar(file)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, ValueError) as err:
        raise BadSdist(f"{filename} cannot be read: {err}") from err
    if "PKG-INFO" not in found:
        raise BadSdist(f"{filename} has no PKG-INFO")
    return SdistFacts(found["PKG-INFO"], _build_requires(found.get("pyproject.toml")))


def _build_requires(pyproject: bytes | None) -> tuple[str, ...]:
    if pyproject is None:
        return _DEFAULT
    _refuse_costly(pyproject)
    try:
        told = tomllib.loads(pyproject.decode("utf-8")).get("build-system", {}).get("requires", _DEFAULT)
    except (ValueError, AttributeError, RecursionError) as err:
        raise BadSdist(f"its pyproject.toml cannot be read: {err}") from err
    found = told if isinstance(told, list | tuple) else ()
    return tuple(each for each in found if isinstance(each, str) and is_readable(each, LONGEST_REQUIREMENT))


def _refuse_costly(pyproject: bytes) -> None:
    """Refuse a file that takes its parser long. Linear."""
    dots = [line.count(b".") for line in pyproject.splitlines()]
    is_costly = max(dots, default=0) > _MOST_DOTS or sum(count * count for count in dots) > _MOST_DOTS_SQUARED
    if len(pyproject) > _MOST_PYPROJECT_BYTES or is_costly:
        raise BadSdist("its pyproject.toml is larger, or has longer dotted keys, than any real one")


def _is_wanted(path: str) -> str | None:
    top, _, rest = path.removeprefix("./").partition("/")
    return rest if top and rest in ("PKG-INFO", "pyproject.toml") else None


def _tar(file: IO[bytes]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        for number, member in enumerate(archive):
            if number > _MOST_MEMBERS or len(found) == 2:
                break
            name = _is_wanted(member.name)
            if name is not None and member.isfile():
                stream = archive.extractfile(member)
                if stream is not None:
                    found[name] = stream.read(_MOST_BYTES)
    return found


def _zip(file: IO[bytes]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist()[:_MOST_MEMBERS]:
            name = _is_wanted(entry.filename)
            if name is not None:
                with archive.open(entry) as stream:
                    found[name] = stream.read(_MOST_BYTES)
    return found
