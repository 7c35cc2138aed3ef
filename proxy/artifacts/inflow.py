"""The inflow: one artifact's bytes in order, over cuts, resumed ranges and changes of source.

Whoever takes the bytes owns the running `hashes`; their size is the place at which the next byte is wanted.
After a cut the rest is asked for by Range with If-Range, which needs a strong ETag; a 206 joins only if
total and ETag are the same. Any other answer begins at the first byte again, and its beginning must have
the digest of what is here already. Nothing of a second file is ever put behind the first part of another
(design, law 4).
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace

from proxy.artifacts.blob import PIECE_BYTES
from proxy.artifacts.course import Course, Failure, GiveUp
from proxy.artifacts.hashes import Hashes
from proxy.artifacts.pools import Pools
from proxy.artifacts.rules import Rules
from proxy.artifacts.source import Expected, Opened, OriginStreamLike, Source
from proxy.artifacts.unzipped import NotGzipError, Unzipped, is_gzip
from proxy.model.problem import Problem
from proxy.upstream.errors import BadAnswer, Truncated, UpstreamError


class WrongBytesError(Exception):
    """What came is not the artifact. `is_lie` is False for a file that was replaced during the fetch."""

    def __init__(self, detail: str, *, is_lie: bool = True) -> None:
        super().__init__(detail)
        self.detail = detail
        self.is_lie = is_lie

    def problem(self) -> Problem:
        """Return what a client is told."""
        if self.is_lie:
            return Problem("digest-mismatch", self.detail)
        return Problem("origin-unavailable", self.detail, retry_after_s=5)


class Inflow:
    """The way in for one artifact, from `hashes.size` on."""

    def __init__(
        self,
        sources: Sequence[Source],
        expected: Expected,
        hashes: Hashes,
        rules: Rules,
        pools: Pools,
        *,
        first: int = 0,
        opened: Opened | None = None,
        is_other_way: bool = False,
    ) -> None:
        """`is_other_way`: a stream with a coding is taken as it was not taken before, sent or decoded."""
        self.hashes = hashes
        #: What the first header told; `opened` gives that of an inflow whose place this one takes.
        self.opened = opened
        self.opens = 0
        self._sources = sources
        self._expected = expected
        self._course = Course(len(sources), rules, first=first)
        self._rules = rules
        self._pools = pools
        #: True once a reader has taken this inflow over from the fetch that began it.
        self.is_taken = False
        self._stream: OriginStreamLike | None = None
        self._flow = self._chunks()
        self._prefix: _Prefix | None = None
        self._is_other_way = is_other_way
        #: Whether what came has a coding that nobody asked for, so that it may be taken in two ways.
        self.is_coded = False

    @property
    def source(self) -> Source:
        return self._sources[self._course.source]

    async def open(self) -> Opened:
        """Ask until a source answers. Raises UpstreamError, Problem, WrongBytesError."""
        while True:
            try:
                stream = await self._ask()
            except (UpstreamError, Problem) as failure:
                await self._after(failure)
                continue
            if stream is not None:
                self._stream = stream
                if self.opened is None:
                    total = self._expected.size if stream.total is None else stream.total
                    self.opened = Opened(total, stream.etag, stream.last_modified, self.source.name())
                return self.opened

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the bytes that are wanted next, in pieces of at most 256 KiB; all were taken when it ends.

        The taker updates `hashes` with a piece before it asks for the next. One may leave off and another
        go on. Raises as `open`.
        """
        return self._flow

    async def close(self) -> None:
        """Let the connection go."""
        await self._flow.aclose()
        await self._drop()

    def next_source(self) -> int:
        """Return the source for another try at once: the next, else the same (contract, section 3)."""
        return min(self._course.source + 1, len(self._sources) - 1)

    @property
    def place(self) -> int:
        """The index of the source that is asked now."""
        return self._course.source

    # -- parts

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        while True:
            if self._stream is None:
                await self.open()
            try:
                async with contextlib.aclosing(self._pieces()) as pieces:
                    async for piece in pieces:
                        yield piece
                self._check_whole()
                return
            except UpstreamError as failure:
                await self._drop()
                await self._after(failure)
            except NotGzipError as error:
                raise WrongBytesError(f"{self.source.name()} sent no gzip, which it said: {error}") from error

    async def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()

    async def _after(self, failure: Failure) -> None:
        before = self._course.source
        match self._course.after(failure, has_begun=self.opened is not None):
            case GiveUp(worst):
                raise worst
            case again:
                if again.source != before:
                    self._forget_etag()
                await asyncio.sleep(again.pause_s)

    def _forget_etag(self) -> None:
        """Begin at the first byte with the next opening: another source's ETag says nothing."""
        if self.opened is not None:
            self.opened = replace(self.opened, etag=None)

    async def _ask(self) -> OriginStreamLike | None:
        """Open the source; None if it must be asked again, from the first byte on."""
        etag = None if self.opened is None else self.opened.etag
        start = self.hashes.size if etag is not None else 0
        self.opens += 1
        stream = self._plain(await self.source.open(start, etag if start else None))
        try:
            fits = self._judge(stream, start)
        except BaseException:
            await stream.close()
            raise
        if fits:
            return stream
        await stream.close()
        self._forget_etag()
        return None

    def _plain(self, stream: OriginStreamLike) -> OriginStreamLike:
        """Take gzip off that nobody asked for where the file comes out of it, as far as lengths tell."""
        self.is_coded = is_gzip(stream)
        if not self.is_coded:
            return stream
        expected = self._expected.size
        is_file_coded = stream.total is None or (expected is not None and stream.total != expected)
        return Unzipped(stream, self._pools) if is_file_coded is not self._is_other_way else stream

    def _judge(self, stream: OriginStreamLike, start: int) -> bool:
        """Tell whether the stream can be taken. Raises UpstreamError, Problem, WrongBytesError."""
        match stream.status:
            case 200 if stream.start == 0:
                self._check_total(stream.total)
                self._prefix = _Prefix(self.hashes) if self.hashes.size else None
                return True
            case 206 if start and stream.start == start:
                self._prefix = None
                return self._is_same(stream)
            case 416 if start:
                return False
            case 404 | 410:
                raise Problem("unknown", f"{self.source.name()} does not have the file any more")
            case status:
                raise BadAnswer("origin", f"status {status} from byte {stream.start} for bytes {start}-")

    def _is_same(self, stream: OriginStreamLike) -> bool:
        told = self.opened
        if told is None or (stream.etag is not None and stream.etag != told.etag):
            return False
        return told.total is None or stream.total is None or stream.total == told.total

    def _check_total(self, total: int | None) -> None:
        expected = self._expected
        if total is None:
            return
        if expected.size is not None and total != expected.size:
            named = "" if expected.sha256 is None else f" of the file with sha256 {expected.sha256}"
            raise WrongBytesError(
                f"{self.source.name()} announced {total} bytes where {expected.size}{named} were expected"
            )
        if self.opened is not None and self.opened.total not in (None, total):
            raise WrongBytesError(f"the file at {self.source.name()} was replaced", is_lie=False)

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        stream = self._stream
        if stream is None:
            return
        async with _closing(stream.chunks()) as chunks:
            async for chunk in chunks:
                rest = await self._past_prefix(chunk)
                for offset in range(0, len(rest), PIECE_BYTES):
                    piece = rest[offset : offset + PIECE_BYTES]
                    self._check_room(len(piece))
                    yield piece

    async def _past_prefix(self, chunk: bytes) -> bytes:
        if self._prefix is None:
            return chunk
        rest = await self._pools.run(self._prefix.take, chunk)
        if self._prefix.is_other:
            raise WrongBytesError(f"the file at {self.source.name()} was replaced", is_lie=False)
        return rest

    def _wanted(self) -> int | None:
        """Return how many bytes there must be in all, if that is known."""
        if self._expected.size is not None:
            return self._expected.size
        if self.opened is not None and self.opened.total is not None:
            return self.opened.total
        return None if self._stream is None else self._stream.total

    def _check_room(self, size: int) -> None:
        wanted, after = self._wanted(), self.hashes.size + size
        if wanted is None and after > self._rules.endless_bytes:
            most = self._rules.endless_bytes
            raise BadAnswer(
                "origin",
                f"a file without end: neither the index nor the origin states its size, and more than {most} bytes came"
                "; let the origin send Content-Length",
            )
        if wanted is not None and after > wanted:
            raise WrongBytesError(f"{self.source.name()} sent more than the {wanted} bytes of the file")

    def _check_whole(self) -> None:
        wanted = self._wanted()
        if self._prefix is not None and self._prefix.is_open:
            raise Truncated("origin", f"the file ended before byte {self.hashes.size}")
        if wanted is not None and self.hashes.size < wanted:
            if self.is_coded:
                # Its end came, so nothing is missing: it is to be taken the other way.
                raise WrongBytesError(f"{self.source.name()} sent {self.hashes.size} of {wanted} bytes")
            raise Truncated("origin", f"{self.hashes.size} of {wanted} bytes came")


class _Prefix:
    """Compares the beginning of a new answer with what is here already; in a thread."""

    def __init__(self, held: Hashes) -> None:
        self._left = held.size
        self._wanted = held.sha256()
        self._hashes = Hashes()
        self.is_other = False

    @property
    def is_open(self) -> bool:
        return self._left > 0

    def take(self, chunk: bytes) -> bytes:
        """Take a chunk; return what of it lies beyond the prefix."""
        if not self._left:
            return chunk
        known, rest = chunk[: self._left], chunk[self._left :]
        self._hashes.update(known)
        self._left -= len(known)
        self.is_other = not self._left and self._hashes.sha256() != self._wanted
        return rest


@contextlib.asynccontextmanager
async def _closing(chunks: AsyncIterator[bytes]) -> AsyncGenerator[AsyncIterator[bytes], None]:
    try:
        yield chunks
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()
