"""Reading: an index as it came (`.json.zst`, `.json.bz2`, `.json`) to its bytes, whole or not at all.

Every frame and stream is read, the end of the last one is demanded, and what comes out is counted before it is
kept, in pieces so small that a bomb has grown by 128 MiB at most when it is seen (4 KiB of zstd reach ×32,768). A
frame's own word on its size is never believed.
"""

import bz2
from enum import StrEnum
from typing import BinaryIO

import zstandard

#: How much packed input is given at once; bz2 lets its output be bounded, zstd does not.
_ZST_PIECE, _BZ2_PIECE, _PLAIN_PIECE = 4096, 1024**2, 1024**2
#: What `zstd --ultra -22 --long=27` needs; no index needs more.
_MAX_WINDOW = 128 * 1024**2


class Packing(StrEnum):
    """How an index is packed; the value is what follows `.json` in its name."""

    ZST = ".zst"
    BZ2 = ".bz2"
    PLAIN = ""


class BadStream(Exception):
    """The bytes are no whole stream of their kind, or more comes out of them than is allowed."""


def read(source: BinaryIO, packing: Packing, *, max_output: int) -> bytearray:
    """Return what the packed stream holds, at most `max_output` bytes. Blocks. Raises BadStream."""
    match packing:
        case Packing.PLAIN:
            return _plain(source, max_output)
        case Packing.ZST:
            return _zst(source, max_output)
        case Packing.BZ2:
            return _bz2(source, max_output)


def _plain(source: BinaryIO, max_output: int) -> bytearray:
    out = bytearray()
    while piece := source.read(_PLAIN_PIECE):
        _grow(out, piece, max_output)
    return out


def _zst(source: BinaryIO, max_output: int) -> bytearray:
    out = bytearray()
    unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    frame: zstandard.ZstdDecompressionObj | None = None
    is_empty = True
    while piece := source.read(_ZST_PIECE):
        is_empty = False
        while piece:
            frame = frame or unpacker.decompressobj()
            try:
                _grow(out, frame.decompress(piece), max_output)
            except zstandard.ZstdError as error:
                raise BadStream(f"not zstd: {error}") from error
            piece = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
    if frame is not None or is_empty:
        raise BadStream("the zstd stream ends early")
    return out


def _bz2(source: BinaryIO, max_output: int) -> bytearray:
    out = bytearray()
    stream: bz2.BZ2Decompressor | None = None
    is_empty = True
    while piece := source.read(_BZ2_PIECE):
        is_empty = False
        while piece or (stream is not None and not stream.needs_input):
            stream = stream or bz2.BZ2Decompressor()
            try:
                _grow(out, stream.decompress(piece, max_length=_BZ2_PIECE), max_output)
            except OSError as error:
                raise BadStream(f"not bz2: {error}") from error
            piece = stream.unused_data if stream.eof else b""
            stream = None if stream.eof else stream
    if stream is not None or is_empty:
        raise BadStream("the bz2 stream ends early")
    return out


def _grow(out: bytearray, piece: bytes, max_output: int) -> None:
    if len(out) + len(piece) > max_output:
        raise BadStream(f"more than {max_output} bytes come out of it")
    out += piece
