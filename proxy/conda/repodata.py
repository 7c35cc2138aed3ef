"""`repodata.json` and `.json.zst`, written in pieces from what is shown (CEP 36; fact sheet 6 and 11).

The top is ours: `info` with the subdir, both sections always, `removed`, `repodata_version` 1. Names stand in
ascending order, their files too; no client needs more. The `.zst` is ONE frame (conda reads only the first), level 3,
compressed by threads of the library while the next pieces are made; its bytes depend on the text alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec
import zstandard

from proxy.conda.info import Relations, render_info
from proxy.conda.shown import Shown

_LEVEL, _THREADS = 3, 2
#: Part of a document's key: another library or another form makes other bytes.
FORM = f"repodata-1-zstd-{'.'.join(map(str, zstandard.ZSTD_VERSION))}"
#: Pieces are gathered to about this size before they are written.
_PIECE_BYTES = 1024**2


def pieces(subdir: str, shown: Sequence[Shown], relations: Relations | None = None) -> Iterator[bytes]:
    """Yield the text of a repodata.json; `shown` is in ascending order of names."""
    yield b'{"info":' + render_info(subdir, relations or {})
    for number, section in enumerate((b"packages", b"packages.conda")):
        yield b',"%b":{' % section
        comma = b""
        for each in shown:
            if members := each.part(number):
                yield comma + members
                comma = b","
        yield b"}"
    removed = sorted(file for each in shown for file in each.removed())
    yield b',"removed":%b,"repodata_version":1}' % msgspec.json.encode(removed)


class Writable(Protocol):
    """What is written to."""

    def write(self, data: bytes, /) -> int: ...


def write(text: Iterable[bytes], plain: Writable | None = None, zst: Writable | None = None) -> int:
    """Write the pieces as they are, as zstd, or both; return the length of the text. Closes neither. Blocks."""
    total = 0
    packer = None if zst is None else zstandard.ZstdCompressor(level=_LEVEL, threads=_THREADS).compressobj()
    for piece in _gathered(text):
        total += len(piece)
        if plain is not None:
            plain.write(piece)
        if zst is not None and packer is not None:
            zst.write(packer.compress(piece))
    if zst is not None and packer is not None:
        zst.write(packer.flush())
    return total


def _gathered(text: Iterable[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for piece in text:
        waiting.append(piece)
        size += len(piece)
        if size >= _PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)
