"""METADATA of a wheel without the whole wheel: a few range reads from its end (sheet, section 20).

The reading is apart from the deciding: `_read` is a generator that asks for byte ranges and is sent the
bytes, and two drivers feed it, one from an origin's ranges, one from a complete file. The bytes that come out
are exactly those of the member, because clients compare their digest. Bytes that came by ranges are not
covered by the wheel's own digest: compare them (`core_metadata.same_core_metadata`) when the complete wheel
has been verified.

A wheel is refused (NoMetadata) rather than guessed at: not exactly one `.dist-info`, another project's, a
compression other than stored and deflated, an encrypted member, wrong sizes or CRC, more than 10 MB.
"""

import zlib
from collections.abc import Awaitable, Callable, Generator
from typing import BinaryIO

from proxy.pypi import zip_directory
from proxy.pypi.names import is_valid, normalize
from proxy.pypi.zip_directory import Member, NotAnArchive

Range = tuple[int, int]
#: Returns exactly the bytes from start up to but not including stop.
Read = Callable[[int, int], Awaitable[bytes]]
#: Runs a function with its arguments elsewhere than on the event loop, as `asyncio.to_thread` does.
Offload = Callable[..., Awaitable[Range | bytes]]

#: Big enough for the comment that an end record may have, and for METADATA where it lies near the end.
_TAIL_BYTES = max(64 * 1024, zip_directory.END_BYTES)
_MAX_METADATA = 10 * 1024**2
#: Allowed for the extra field of the local header, so that one read fetches header and data.
_SLACK_BYTES = 512
_SUFFIX = b".dist-info/METADATA"
_ENCRYPTED = 0x1 | 0x40 | 0x2000


class NoMetadata(ValueError):
    """A wheel whose METADATA cannot be told; the text says why."""


async def metadata_from_ranges(filename: str, size: int, read: Read, offload: Offload | None = None) -> bytes:
    """Return METADATA of the wheel of `size` bytes; raise NoMetadata. One to five reads.

    What came is looked at by `offload` where it is given: directories have thousands of entries, members unpack to
    megabytes.
    """
    steps = _read(filename, size)
    step: Range | bytes = next(steps)
    while not isinstance(step, bytes):
        data = await read(*step)
        if offload is not None:
            step = await offload(_advance, steps, step, data)
        else:
            step = _advance(steps, step, data)
    return step


def metadata_from_file(filename: str, file: BinaryIO, size: int) -> bytes:
    """Return METADATA of a complete wheel in a seekable file; raise NoMetadata. Blocks (for a thread)."""
    steps = _read(filename, size)
    step: Range | bytes = next(steps)
    while not isinstance(step, bytes):
        file.seek(step[0])
        step = _advance(steps, step, file.read(step[1] - step[0]))
    return step


def _advance(steps: Generator[Range, bytes, bytes], wanted: Range, data: bytes) -> Range | bytes:
    """Send the bytes of a range; return the next range that is wanted, or METADATA."""
    if len(data) != wanted[1] - wanted[0]:
        raise NoMetadata(f"a read of {wanted[1] - wanted[0]} bytes that gave {len(data)}")
    try:
        return steps.send(data)
    except StopIteration as done:
        return bytes(done.value)
    except NotAnArchive as err:
        raise NoMetadata(str(err)) from err


def _read(filename: str, size: int) -> Generator[Range, bytes, bytes]:
    tail_start = max(0, size - _TAIL_BYTES)
    tail = yield tail_start, size
    end = zip_directory.parse_end(tail, tail_start)

    def part(start: int, stop: int) -> Generator[Range, bytes, bytes]:
        if not 0 <= start <= stop <= size:
            raise NotAnArchive("an archive that points outside itself")
        if start >= tail_start:
            return tail[start - tail_start : stop - tail_start]
        ahead = yield start, min(stop, tail_start)
        return ahead + tail[: max(0, stop - tail_start)]

    record64 = (yield from part(*zip_directory.end64_range(end))) if end.end64_offset is not None else None
    place = zip_directory.directory_of(end, record64)
    directory = yield from part(place.start, place.stop)
    member = _chosen(filename, list(zip_directory.members(directory, place.entries, _SUFFIX)))
    name_bytes = len(member.name.encode())
    guess = (
        member.offset + zip_directory.LOCAL_HEADER_BYTES + name_bytes + member.compressed_bytes + _SLACK_BYTES
    )
    chunk = yield from part(member.offset, min(guess, place.start))
    start, stop = zip_directory.data_range(chunk, member)
    if stop > place.start:
        raise NotAnArchive("a member that reaches into the directory")
    if stop > member.offset + len(chunk):
        return _inflated((yield from part(start, stop)), member)
    return _inflated(chunk[start - member.offset : stop - member.offset], member)


def _chosen(filename: str, found: list[Member]) -> Member:
    """Return the one METADATA at depth one; it must be of the wheel's project."""
    at_top = [member for member in found if member.name.count("/") == 1]
    if len(at_top) != 1:
        raise NoMetadata(f"{len(at_top)} entries named .dist-info/METADATA")
    member = at_top[0]
    if not _is_of(filename, member.name.partition("/")[0].removesuffix(".dist-info")):
        raise NoMetadata("a .dist-info of another project")
    if member.method not in (0, 8) or member.flags & _ENCRYPTED:
        raise NoMetadata("a METADATA that is packed in an unknown way")
    if max(member.size_bytes, member.compressed_bytes) > _MAX_METADATA:
        raise NoMetadata("a METADATA that is too large")
    return member


def _is_of(filename: str, folder: str) -> bool:
    """Tell whether the folder is the wheel's project's.

    Installers do not compare its version: builds rename wheels ("x-1.0+cu118" holds "x-1.0.dist-info").
    """
    project = filename.partition("-")[0]
    if not is_valid(project):
        return False
    # Old wheels escaped no hyphens, neither in the name nor in the version.
    cuts = (at for at, letter in enumerate(folder) if letter == "-" and folder[at + 1 : at + 2].isdigit())
    names = (folder[:at] for at in cuts)
    return any(is_valid(name) and normalize(name) == normalize(project) for name in names)


def _inflated(data: bytes, member: Member) -> bytes:
    if member.method == 8:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = unpacker.decompress(data, member.size_bytes + 1)
        except zlib.error as err:
            raise NoMetadata("a METADATA that cannot be unpacked") from err
        if not unpacker.eof or unpacker.unused_data:
            raise NoMetadata("a METADATA of another size than the directory says")
    if len(data) != member.size_bytes:
        raise NoMetadata("a METADATA of another size than the directory says")
    if zlib.crc32(data) != member.crc:
        raise NoMetadata("a METADATA with a wrong CRC")
    return data
