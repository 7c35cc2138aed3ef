"""What is the same for every kind: files that are not held (for sure), what the cache did for an index form."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from proxy.artifacts.blob import Blob, LostBlobError
from proxy.feeds.keeper import ArtifactRef, How, Keeper, Landing
from proxy.model.problem import Problem
from proxy.web.inbound import Inbound
from proxy.web.outbound import BlobAnswer, Cache, Outbound, StreamAnswer

#: Suffix and closed ranges up to this size of a file that is not held pass through uncached (contract, 3).
PASSED_BYTES = 8 * 1024**2

_CACHE_OF = {
    How.HIT: Cache.HIT,
    How.STALE: Cache.STALE,
    How.MISS: Cache.MISS,
    How.REVALIDATED: Cache.REVALIDATED,
    How.REPLACED: Cache.REPLACED,
}
#: The same where the disk takes nothing: what was fetched is answered, and not stored.
_UNSTORED = {How.MISS: Cache.PASSED, How.REPLACED: Cache.PASSED_ANEW}


def cache_of(how: How, keeper: Keeper) -> Cache:
    """Return what the cache did for an index form that was come by so."""
    if how is How.HIT:
        return Cache.HIT
    if how in _UNSTORED and not keeper.is_keeping():
        return _UNSTORED[how]
    return _CACHE_OF[how]


class Files(Protocol):
    """The files of a feed that are held."""

    async def blob(self, ref: ArtifactRef) -> Blob | None:
        """Return the artifact's bytes if they are held."""
        ...

    def stream(self, blob: Blob, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        """Yield a held file that was not verified since the start."""
        ...


async def file_answer(
    request: Inbound, keeper: Keeper, files: Files, ref: ArtifactRef, gone: Callable[[], Awaitable[None]]
) -> Outbound:
    """Return the answer for a file that the gate let through. `gone` is awaited when the origin has it no more.

    A fetch under way is joined before the store is asked: one that ends in between is not begun again (law 5).
    """
    landing = await keeper.arriving(ref)
    blob = await files.blob(ref)
    if blob is None:
        return await _arriving(request, keeper, ref, landing, gone)
    return BlobAnswer(blob=blob) if blob.is_verified else _unproven(keeper, ref, blob, files)


def _unproven(keeper: Keeper, ref: ArtifactRef, blob: Blob, files: Files) -> StreamAnswer:
    """Return the answer for a held file that was not verified since the start.

    If it proves damaged before a byte has left, the origin's comes in its place; after that its client is cut off.
    """

    async def read(start: int, stop: int | None) -> AsyncIterator[bytes]:
        has_begun = False
        try:
            async with aclosing(files.stream(blob, start, stop)) as pieces:
                async for piece in pieces:
                    has_begun = True
                    yield piece
            return
        except LostBlobError as lost:
            if has_begun:
                raise Problem("busy", "the stored file proved damaged while it was sent") from lost
        async with aclosing(_from_fetch(keeper, ref, start, stop)) as pieces:
            async for piece in pieces:
                yield piece

    return StreamAnswer(open=read, size=blob.size, etag=blob.digest, cache=Cache.HIT)


async def _arriving(
    request: Inbound, keeper: Keeper, ref: ArtifactRef, landing: Landing | None, gone: Callable[[], Awaitable[None]]
) -> StreamAnswer:  # fmt: skip
    """Return the answer for a file that is not held; `landing` is a fetch that was under way."""
    is_wanted = request.method == "GET" and _reaches_the_end(request)
    if landing is None:
        landing = await (keeper.fetch(ref) if is_wanted else keeper.arriving(ref))
    try:
        size = await landing.opened() if landing is not None else await keeper.size_of(ref)
    except Problem as problem:
        if problem.word == "unknown":
            await gone()
        raise

    def read(start: int, stop: int | None) -> AsyncIterator[bytes]:
        is_part = stop is not None and size is not None and (start, stop) != (0, size)
        if landing is None and is_part and stop is not None and stop - start <= PASSED_BYTES:
            return keeper.pass_range(ref, start, stop)
        return landing.read(start, stop) if landing is not None else _from_fetch(keeper, ref, start, stop)

    if landing is None:
        return StreamAnswer(open=read, size=size, etag=ref.sha256, cache=Cache.PASSED)
    return StreamAnswer(open=read, size=size, etag=ref.sha256, cache=Cache.MISS, is_kept=landing.is_kept)


async def _from_fetch(
    keeper: Keeper, ref: ArtifactRef, start: int, stop: int | None
) -> AsyncGenerator[bytes, None]:
    async with aclosing((await keeper.fetch(ref)).read(start, stop)) as pieces:
        async for piece in pieces:
            yield piece


def _reaches_the_end(request: Inbound) -> bool:
    """Tell whether all of the file is asked for, or its rest: what a resumed download wants, verified as any."""
    asked = request.header("Range")
    return asked is None or asked.rstrip().endswith("-")
