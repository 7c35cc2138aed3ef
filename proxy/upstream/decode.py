"""Content codings: gzip, deflate and zstd, taken off by our own capped decoder (RFC 9110, 8.4; A15).

The output is counted while it is made and never exceeds `max_bytes`; beyond a floor it may not exceed RATIO
times the input; a zstd window may not exceed the 8 MiB of RFC 9659. All members of a gzip file and all
frames of a zstd stream are decoded, and the end of the stream is demanded: `max_output_size` of
python-zstandard is ignored for frames that state their size, its one-shot call stops after the first frame,
and its reader takes a truncated stream for a whole one. Pure and blocking (the codecs release the GIL):
call it in a thread.
"""

import zlib
from collections.abc import Callable, Iterator

import zstandard

from proxy.upstream.errors import BadAnswer, TooLarge

ACCEPTED = "gzip, deflate, zstd"
RATIO = 250
RATIO_FLOOR_BYTES = 8 * 1024**2
_WINDOW_BYTES = 8 * 1024**2
_STEP_BYTES = 256 * 1024
_MOST_CODINGS = 4
#: Input per step: a step's output cannot be bounded otherwise, and zstd makes at most 32 KiB of one byte.
_ZSTD_STEP_BYTES = 1024


def decode(raw: bytes, coding: str, *, max_bytes: int) -> bytes:
    """Return the body without its codings, the last of several first (RFC 9110, 8.4).

    Raises BadAnswer for damage, for bombs and for unknown codings.
    """
    codings = coding.split(",")
    if len(codings) > _MOST_CODINGS:
        raise BadAnswer("origin", "more Content-Encodings than anybody needs")
    for each in reversed(codings):
        raw = _decoded(raw, each.strip().lower(), max_bytes)
    return raw


def _decoded(raw: bytes, coding: str, max_bytes: int) -> bytes:
    parts = _parts(coding)
    if parts is None:
        return raw
    limit = min(max_bytes, max(RATIO_FLOOR_BYTES, RATIO * len(raw)))
    made: list[bytes] = []
    size = 0
    try:
        for part in parts(raw):
            size += len(part)
            if size > limit:
                break
            made.append(part)
    except (zlib.error, zstandard.ZstdError, EOFError):
        size = -1
    if size < 0:
        raise BadAnswer("origin", f"a body that is not what its Content-Encoding says ({coding[:20]!r})")
    if size > limit:
        error = TooLarge if limit == max_bytes else BadAnswer
        raise error("origin", "a compressed body that grows beyond the limits when it is unpacked")
    return b"".join(made)


def _parts(coding: str) -> Callable[[bytes], Iterator[bytes]] | None:
    match coding:
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return _gzip
        case "deflate":
            return _deflate
        case "zstd":
            return _zstd
        case _:
            raise BadAnswer("origin", "a Content-Encoding that was not asked for")


def _gzip(raw: bytes) -> Iterator[bytes]:
    """Yield the output of every member (RFC 1952, 2.2)."""
    yield from _all(raw, lambda: zlib.decompressobj(zlib.MAX_WBITS | 16))


def _deflate(raw: bytes) -> Iterator[bytes]:
    """Yield the output of a zlib stream, or of the bare deflate stream that some servers send instead."""
    is_zlib = len(raw) >= 2 and raw[0] & 0x0F == 8 and (raw[0] << 8 | raw[1]) % 31 == 0
    yield from _all(raw, lambda: zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS))


def _all(raw: bytes, begin: "Callable[[], zlib._Decompress]") -> Iterator[bytes]:
    """Yield the output of stream after stream, in steps of bounded size; raise EOFError for a cut one."""
    at = 0
    while at < len(raw) or at == 0:
        stream = begin()
        while not stream.eof:
            piece = stream.unconsumed_tail or raw[at : at + _STEP_BYTES]
            at += 0 if stream.unconsumed_tail else len(piece)
            made = stream.decompress(piece, _STEP_BYTES)
            if not made and not piece and not stream.eof:
                raise EOFError
            yield made
        at -= len(stream.unused_data)


def _zstd(raw: bytes) -> Iterator[bytes]:
    """Yield the output of every frame (RFC 8878, 3)."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
    at = 0
    while at < len(raw) or at == 0:
        frame = decompressor.decompressobj()
        while not frame.eof:
            piece = raw[at : at + _ZSTD_STEP_BYTES]
            if not piece:
                raise EOFError
            at += len(piece)
            yield frame.decompress(piece)
        at -= len(frame.unused_data)
