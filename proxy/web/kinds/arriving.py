"""What is the same for every kind: files that are not held yet, and what the cache did for an index form."""

from collections.abc import AsyncIterator, Awaitable, Callable

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


async def arriving(
    request: Inbound, keeper: Keeper, ref: ArtifactRef, gone: Callable[[], Awaitable[None]]
) -> StreamAnswer:
    """Return the answer for a file that is not held. `gone` is awaited when the origin has it no more."""
    is_ranged = request.header("Range") is not None
    is_joined = keeper.is_arriving(ref) or (request.method == "GET" and not is_ranged)
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
