"""Turns: how many children run at once. Who waits for a person goes first.

Each child may take gigabytes and a whole core, so a herd of cold indexes must not start one each.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """So many at once; the others wait in the order in which they came, background work behind people's."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._people: deque[asyncio.Future[None]] = deque()
        self._background: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, *, background: bool) -> AsyncIterator[None]:
        """Wait for a turn, and give it on at the end of the block."""
        await self._take(self._background if background else self._people)
        try:
            yield
        finally:
            self._give()

    async def _take(self, queue: "deque[asyncio.Future[None]]") -> None:
        if self._free:
            self._free -= 1
            return
        mine = asyncio.get_running_loop().create_future()
        queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._give()  # the turn came in the moment in which nobody wanted it any more
            elif mine in queue:
                queue.remove(mine)
            raise

    def _give(self) -> None:
        for queue in (self._people, self._background):
            while queue:
                following = queue.popleft()
                if not following.done():
                    following.set_result(None)
                    return
        self._free += 1
