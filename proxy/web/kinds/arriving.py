"""What is the same for every kind: files that are not held (for sure), what the cache did for an index form."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from proxy.artifacts.blob import Blob, LostBlobError
from proxy.feeds.keeper import ArtifactRef, How, Keeper
from proxy.model.problem import Problem
from proxy.web.inbound import Inbound
from proxy.web.outbound import Cache, StreamAnswer

#: Suffix and closed ranges up to this size of a file that is not held pass through uncached (contract, 3).
PASSED_BYTES = 8 * 1024**2

CACHE_OF = {
    How.HIT: Cache.HIT,
    How.STALE: Cache.STALE,
    How.MISS: Cache.MISS,
    How.REVALIDATED: Cache.REVALIDATED,
    How.REPLACED: Cache.REPLACED,
}


def unproven(
    keeper: Keeper,
    ref: ArtifactRef,
    blob: Blob,
    stream: Callable[[Blob, int, int | None], AsyncGenerator[bytes, None]],
) -> StreamAnswer:
    """Return the answer for a held file that was not verified since the start.

    If it proves damaged before a byte has left, the origin's comes in its place; after that its client is cut off.
    """

    async def read(start: int, stop: int | None) -> AsyncIterator[bytes]:
        has_begun = False
        try:
            async with aclosing(stream(blob, start, stop)) as pieces:
                async for piece in pieces:
                    has_begun = True
                    yield piece
            return
        except LostBlobError as lost:
            if has_begun:
                raise Problem("busy", "the stored file proved damaged while it was sent") from lost
        async for piece in keeper.fetch(ref).read(start, stop):
            yield piece

    return StreamAnswer(open=read, size=blob.size, etag=blob.digest, cache=Cache.HIT)


async def arriving(
    request: Inbound, keeper: Keeper, ref: ArtifactRef, gone: Callable[[], Awaitable[None]]
) -> StreamAnswer:
    """Return the answer for a file that is not held. `gone` is awaited when the origin has it no more."""
    is_joined = keeper.is_arriving(ref) or (request.method == "GET" and _reaches_the_end(request))
    landing = keeper.fetch(ref) if is_joined else None
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
        return (landing or keeper.fetch(ref)).read(start, stop)

    cache = Cache.PASSED if landing is None else Cache.MISS
    return StreamAnswer(open=read, size=size, etag=ref.sha256, cache=cache)


def _reaches_the_end(request: Inbound) -> bool:
    """Tell whether all of the file is asked for, or its rest: what a resumed download wants, verified as any."""
    asked = request.header("Range")
    return asked is None or asked.rstrip().endswith("-")
