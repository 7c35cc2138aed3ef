"""Threads of an upstream's own, for calls that block on a disk or a mount.

A network file system that hangs holds these threads and nobody else's (A17 in spirit). A call has a time limit;
one that is given up ends by itself some day, and what it brings then is handed to `late` to be let go.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from proxy.upstream.errors import Silent, Unreachable

T = TypeVar("T")


class Threads:
    """At most `limit` calls at once, each for at most `patience_s`."""

    def __init__(self, limit: int, patience_s: float, *, origin: str) -> None:
        self._executor = ThreadPoolExecutor(limit, thread_name_prefix="folder")
        self._patience_s = patience_s
        self._origin = origin
        self._is_closed = False

    async def call(self, work: Callable[[], T], late: Callable[[Future[T]], object] | None = None) -> T:
        """Return what the work returns; raise Silent when that takes too long."""
        if self._is_closed:
            raise Unreachable("guard", "this upstream is being closed", origin=self._origin)
        future, has_come = self._executor.submit(work), False
        try:
            async with asyncio.timeout(self._patience_s):
                result = await asyncio.wrap_future(future)
            has_come = True
            return result
        except TimeoutError:
            pass
        finally:
            if late is not None and not has_come:
                future.add_done_callback(late)
        raise Silent("origin", "no answer within the read timeout", origin=self._origin)

    def let_go(self, work: Callable[[], object]) -> None:
        """Have the work done some time: closing a file, which on a mount may block as well."""
        if self._is_closed:
            work()
        else:
            self._executor.submit(work)

    def close(self) -> None:
        """Take no more calls; those under way end by themselves."""
        self._is_closed = True
        self._executor.shutdown(wait=False)
