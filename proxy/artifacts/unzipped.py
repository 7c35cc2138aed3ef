"""Unzipped: an artifact's bytes out of a stream that its origin sends with gzip, though nobody asked for it (C4).

Servers that compress whatever passes do so, and others name a coding that is the file's own (`.tar.gz`). Only size and
digest tell which it is, so the fetch tries one and then the other. A place in the coded bytes is none in the file: a
stream has neither length nor ETag, and after a cut it begins at the first byte again.
"""

import zlib
from collections.abc import AsyncGenerator

from proxy.artifacts.blob import PIECE_BYTES
from proxy.artifacts.pools import Pools
from proxy.artifacts.source import OriginStreamLike


class NotGzipError(Exception):
    """The bytes are no gzip."""


def is_gzip(stream: OriginStreamLike) -> bool:
    """Tell whether the whole file comes, and is said to be coded with gzip alone."""
    return stream.status == 200 and stream.coding.strip().lower() in ("gzip", "x-gzip")


class Unzipped:
    """An `OriginStreamLike` without the coding."""

    def __init__(self, stream: OriginStreamLike, pools: Pools) -> None:
        self.status = stream.status
        self.start = 0
        self.total: int | None = None
        self.etag: str | None = None
        self.last_modified = stream.last_modified
        self.coding = ""
        self._stream = stream
        self._pools = pools

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes, in pieces of at most 256 KiB; raises NotGzipError, and as the stream does."""
        unzip = _Unzip()
        async for chunk in self._stream.chunks():
            unzip.left = chunk
            while piece := await self._pools.run(unzip.next):
                yield piece
        if not unzip.is_whole:
            raise NotGzipError("it ends within a member")

    async def close(self) -> None:
        await self._stream.close()


class _Unzip:
    """All members of a gzip file, one after another (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self.left = b""
        self._member = self._begun()

    @staticmethod
    def _begun() -> "zlib._Decompress":
        return zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def is_whole(self) -> bool:
        return self._member.eof

    def next(self) -> bytes:
        """Return the next piece that comes out of what is left; empty when there is nothing. Raises NotGzipError."""
        try:
            while self.left:
                if self._member.eof:
                    self._member = self._begun()
                piece = self._member.decompress(self.left, PIECE_BYTES)
                self.left = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
                if piece:
                    return piece
        except zlib.error as error:
            raise NotGzipError(str(error)) from error
        return b""
