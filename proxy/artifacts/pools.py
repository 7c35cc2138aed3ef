"""The threads of the artifacts' room: file work apart from verification, both apart from DNS (A17).

What takes long (an fsync, the verification of a large blob) never stands before a read or a write.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Pools:
    """The thread pools. A hop that has begun is finished even if its waiter is cancelled."""

    def __init__(self, *, files: int = 8, syncs: int = 4, checks: int = 2) -> None:
        self._syncs = ThreadPoolExecutor(syncs, thread_name_prefix="fsync")
        self._files = ThreadPoolExecutor(files, thread_name_prefix="blob")
        self._checks = ThreadPoolExecutor(checks, thread_name_prefix="verify")
        self._is_closed = False

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run file work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._files, partial(work, *args, **kwargs))

    async def sync(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run in a thread what waits for the disk to be done: no read or write ever waits behind it."""
        return await asyncio.get_running_loop().run_in_executor(self._syncs, partial(work, *args, **kwargs))

    async def check(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a slice of a verification in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._checks, partial(work, *args, **kwargs))

    def later(self, work: Callable[[], None]) -> None:
        """Run it in a thread; nobody waits and it must not raise."""
        if self._is_closed:
            work()
        else:
            self._files.submit(work)

    async def close(self) -> None:
        """Wait for everything that has begun."""
        self._is_closed = True
        await asyncio.to_thread(self._files.shutdown)
        await asyncio.to_thread(self._syncs.shutdown)
        await asyncio.to_thread(self._checks.shutdown)
