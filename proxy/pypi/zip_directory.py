"""The central directory of a zip archive, read strictly from its end (APPNOTE 6.3.10, sections 4.3 and 4.5).

Only what is wanted for one member of a wheel is read, and only from the central directory: local headers are
never scanned, because archives can be made that say one thing there and another here. Anything odd (a second
disk, bytes between the directory and its end record, a 64-bit record that disagrees with the 32-bit one) is
refused: the wheel is then one whose metadata cannot be told.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s2B5H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
#: How many bytes a local header has before its name.
LOCAL_HEADER_BYTES = _LOCAL.size
#: The most that an end record, its comment and the 64-bit records can take.
END_BYTES = _END.size + 0xFFFF + _LOCATOR.size
_MAX_DIRECTORY = 64 * 1024**2
_SATURATED_16 = 0xFFFF
_SATURATED_32 = 0xFFFFFFFF


class NotAnArchive(ValueError):
    """An archive that cannot be read without guessing; the text says why."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the central directory lies: absolute offsets, and how many entries it has."""

    start: int
    stop: int
    entries: int


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of the central directory."""

    name: str
    method: int
    flags: int
    crc: int
    compressed_bytes: int
    size_bytes: int
    offset: int


@dataclass(frozen=True, slots=True)
class EndRecord:
    """The end record, and the place of the 64-bit one where the archive has it."""

    offset: int
    directory: Directory
    saturated: bool
    end64_offset: int | None


def parse_end(tail: bytes, tail_start: int) -> EndRecord:
    """Return the end record from the archive's last bytes, which begin at `tail_start`."""
    at = len(tail) - _END.size + 1
    while (at := tail.rfind(b"PK\x05\x06", 0, at + 3)) >= 0:
        if at + _END.size <= len(tail):
            _, disk, first_disk, here, entries, size, start, comment = _END.unpack_from(tail, at)
            if at + _END.size + comment == len(tail):
                break
    else:
        raise NotAnArchive("no end-of-central-directory record")
    saturated = _SATURATED_16 in (here, entries) or _SATURATED_32 in (size, start)
    if disk or first_disk or here != entries:
        raise NotAnArchive("an archive of several disks")
    located = _locator(tail, at)
    if saturated and located is None:
        raise NotAnArchive("a 64-bit archive without its record")
    return EndRecord(tail_start + at, Directory(start, start + size, entries), saturated, located)


def _locator(tail: bytes, end: int) -> int | None:
    at = end - _LOCATOR.size
    if at < 0 or tail[at : at + 4] != b"PK\x06\x07":
        return None
    _, disk, offset, disks = _LOCATOR.unpack_from(tail, at)
    if disk or disks > 1:
        raise NotAnArchive("an archive of several disks")
    return int(offset)


def end64_range(end: EndRecord) -> tuple[int, int]:
    """Return the bytes to read for the 64-bit end record, which must lie right before its locator."""
    start = end.offset - _LOCATOR.size - _END64.size
    if end.end64_offset is None or end.end64_offset != start or start < 0:
        raise NotAnArchive("a 64-bit end record that is not where it must be")
    return start, start + _END64.size


def directory_of(end: EndRecord, record64: bytes | None) -> Directory:
    """Return the checked place of the central directory; `record64` is what `end64_range` asked for."""
    directory, limit = end.directory, end.offset
    if record64 is not None:
        limit, directory = end64_range(end)[0], _checked64(end, record64)
    # No gap: bytes between the directory and its end record are how archives are forged.
    if directory.stop != limit or directory.start < 0:
        raise NotAnArchive("a central directory that is not where it must be")
    if directory.stop - directory.start > _MAX_DIRECTORY:
        raise NotAnArchive("a central directory that is too large")
    if directory.entries * _ENTRY.size > directory.stop - directory.start:
        raise NotAnArchive("a central directory that is too short")
    return directory


def _checked64(end: EndRecord, record: bytes) -> Directory:
    if len(record) != _END64.size or record[:4] != b"PK\x06\x06":
        raise NotAnArchive("no 64-bit end record")
    _, length, _, _, disk, first_disk, here, entries, size, start = _END64.unpack(record)
    if length != _END64.size - 12 or disk or first_disk or here != entries:
        raise NotAnArchive("an odd 64-bit end record")
    short = end.directory
    agrees = (
        short.entries in (entries, _SATURATED_16)
        and short.start in (start, _SATURATED_32)
        and short.stop - short.start in (size, _SATURATED_32)
    )
    if not agrees:
        raise NotAnArchive("two end records that disagree")
    return Directory(start, start + size, entries)


def members(directory: bytes, entries: int, wanted_suffix: bytes) -> Iterator[Member]:
    """Yield the entries whose name ends so; walks all, and raises NotAnArchive for a damaged one."""
    at = 0
    for _ in range(entries):
        if directory[at : at + 4] != b"PK\x01\x02" or at + _ENTRY.size > len(directory):
            raise NotAnArchive("a damaged central directory")
        name_bytes, extra_bytes, comment_bytes = struct.unpack_from("<3H", directory, at + 28)
        name_at = at + _ENTRY.size
        extra_at = name_at + name_bytes
        following = extra_at + extra_bytes + comment_bytes
        if following > len(directory):
            raise NotAnArchive("a damaged central directory")
        if directory.endswith(wanted_suffix, name_at, extra_at):
            yield _member(
                directory, at, directory[name_at:extra_at], directory[extra_at : extra_at + extra_bytes]
            )
        at = following
    if at != len(directory):
        raise NotAnArchive("a central directory with bytes behind it")


def _member(directory: bytes, at: int, name: bytes, extra: bytes) -> Member:
    _, _, _, _, flags, method, _, _, crc, compressed, size, _, _, _, disk, _, _, offset = _ENTRY.unpack_from(
        directory, at
    )
    if disk not in (0, _SATURATED_16):
        raise NotAnArchive("an archive of several disks")
    size, compressed, offset = _widened(extra, (size, compressed, offset))
    try:
        return Member(name.decode("utf-8"), method, flags, crc, compressed, size, offset)
    except UnicodeDecodeError as err:
        raise NotAnArchive("a member's name that is no text") from err


def _widened(extra: bytes, values: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return size, compressed size and offset, from the 64-bit field where the short ones are full."""
    if _SATURATED_32 not in values:
        return values
    at = 0
    while at + 4 <= len(extra):
        header, length = struct.unpack_from("<2H", extra, at)
        if header == 1:
            field = extra[at + 4 : at + 4 + length]
            wide = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
            size, compressed, offset = (
                next(wide, -1) if value == _SATURATED_32 else value for value in values
            )
            if min(size, compressed, offset) < 0:
                break
            return size, compressed, offset
        at += 4 + length
    raise NotAnArchive("a 64-bit member without its sizes")


def data_range(local_header: bytes, member: Member) -> tuple[int, int]:
    """Return the absolute bytes of a member's data, by its local header, which must agree with the directory.

    `local_header` starts at the member's offset and holds at least the fixed part and the name.
    """
    if len(local_header) < _LOCAL.size or local_header[:4] != b"PK\x03\x04":
        raise NotAnArchive("a member without a local header")
    _, _, _, method, _, _, _, _, _, name_bytes, extra_bytes = _LOCAL.unpack_from(local_header)
    name = local_header[_LOCAL.size : _LOCAL.size + name_bytes]
    if method != member.method or name != member.name.encode():
        raise NotAnArchive("a local header that disagrees with the directory")
    start = member.offset + _LOCAL.size + name_bytes + extra_bytes
    return start, start + member.compressed_bytes
