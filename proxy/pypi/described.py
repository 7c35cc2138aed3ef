"""What a distribution says of itself beyond its index entry: licence and requirements (PEP 566, 639; sheet, 22).

Read from METADATA of a wheel, PKG-INFO of an sdist, or `info` of the JSON API. Tolerant: old files break the rules of
today, so what cannot be read is not said. Bounded: a field holds a line, not a book.
"""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

import msgspec

from proxy.pypi.core_metadata import read_fields
from proxy.pypi.versions import is_same_version

_LONGEST = 1000
_MOST = 2000
_MOST_INFO = 4 * 1024**2
_MOST_UNPACKED = 64 * 1024**2
_MOST_MEMBERS = 20_000
_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Described:
    """The words as they were given; empty where nothing is said."""

    license_expression: str | None = None
    license: str | None = None
    classifiers: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()


class NoDescription(ValueError):
    """An archive that holds no PKG-INFO that can be told; the text says why."""


def described(metadata: bytes) -> Described:
    """Return what METADATA or PKG-INFO says."""
    fields = read_fields(metadata)
    return Described(
        _text(fields.text("license-expression")), _text(fields.text("license")),
        _texts(fields.texts("classifier")), tuple(fields.requirements[:_MOST]),
    )  # fmt: skip


class _Info(msgspec.Struct):
    version: object = None
    license_expression: object = None
    license: object = None
    classifiers: object = None
    requires_dist: object = None


class _Document(msgspec.Struct):
    info: _Info = msgspec.field(default_factory=_Info)


_DECODER = msgspec.json.Decoder(_Document)


def described_by_api(document: bytes, version: str | None) -> Described | None:
    """Return what the JSON API says of a version; None where the document is of another one, or is none."""
    try:
        info = _DECODER.decode(document).info
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    told = info.version if isinstance(info.version, str) else None
    if told is None or not (told == version or is_same_version(told, version)):
        return None
    return Described(
        _text(info.license_expression),
        _text(info.license),
        _texts(info.classifiers),
        _texts(info.requires_dist),
    )


def package_info(filename: str, file: BinaryIO) -> bytes:
    """Return PKG-INFO of a complete sdist in a seekable file; raise NoDescription. Blocks (for a thread)."""
    try:
        found = _of_zip(file) if filename.lower().endswith(".zip") else _of_tar(file)
    except _BROKEN as err:
        raise NoDescription(f"an archive that cannot be read: {err}") from err
    if found is None:
        raise NoDescription("no PKG-INFO in its folder")
    return found


def _of_tar(file: BinaryIO) -> bytes | None:
    with (
        gzip.GzipFile(fileobj=file) as unpacked,
        tarfile.open(fileobj=cast("IO[bytes]", _Limited(unpacked)), mode="r|") as archive,
    ):
        for number, member in enumerate(archive):
            if number > _MOST_MEMBERS:
                break
            if _is_package_info(member.name) and member.isfile() and member.size <= _MOST_INFO:
                content = archive.extractfile(member)
                return content.read() if content is not None else None
    return None


def _of_zip(file: BinaryIO) -> bytes | None:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist()[:_MOST_MEMBERS]:
            if _is_package_info(member.filename) and member.file_size <= _MOST_INFO:
                with archive.open(member) as content:
                    return content.read(_MOST_INFO)
    return None


def _is_package_info(path: str) -> bool:
    return path.removeprefix("./").count("/") == 1 and path.endswith("/PKG-INFO")


class _Limited:
    """A file that ends with an error where a bomb begins."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._left = _MOST_UNPACKED

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise NoDescription("an archive that unpacks to too much")
        return data


def _text(value: object) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) and value.strip() else None


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        return ()
    return tuple(value[:_LONGEST] for value in values if isinstance(value, str))[:_MOST]
