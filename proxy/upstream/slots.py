"""Slots: how many requests an upstream gets at once, and who is next.

One upstream gets at most `limit` requests at a time. People come before background work, and a page before
a file: a page is small and somebody's resolver waits for it, a file may hold its slot for minutes. So files
may not take the last slot and background work takes at most half of them (with one slot there is nothing to
divide). The queue is bounded in length and in time (C09).
"""

import asyncio
import heapq
from collections import Counter
from enum import IntEnum

from proxy.upstream.errors import Busy

_MOST_WAITING = 1024


class Rank(IntEnum):
    """Who asks; the lower goes first."""

    PAGE = 0
    FILE = 1
    BACKGROUND = 2


class Slot:
    """A permission to make one request; `release` may be called more than once."""

    def __init__(self, slots: "Slots", rank: Rank) -> None:
        self._slots: Slots | None = slots
        self._rank = rank

    def release(self) -> None:
        slots, self._slots = self._slots, None
        if slots is not None:
            slots._released(self._rank)


class Slots:
    """The slots of one upstream."""

    def __init__(self, limit: int, patience_s: float) -> None:
        self._limit = max(1, limit)
        self._patience_s = patience_s
        self._used: Counter[Rank] = Counter()
        self._waiting: list[tuple[Rank, int, asyncio.Future[None]]] = []
        self._order = 0

    @property
    def used(self) -> int:
        return self._used.total()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def take(self, rank: Rank) -> Slot:
        """Wait for a slot; raise Busy when too many wait already, or a person waited too long."""
        if self._has_room(rank) and not any(waiting <= rank for waiting, _, _ in self._waiting):
            self._used[rank] += 1
            return Slot(self, rank)
        if len(self._waiting) >= _MOST_WAITING:
            raise Busy("guard", "too many requests wait for this upstream already")
        return await self._wait(rank)

    async def _wait(self, rank: Rank) -> Slot:
        ready = asyncio.get_running_loop().create_future()
        self._order += 1
        entry = (rank, self._order, ready)
        heapq.heappush(self._waiting, entry)
        try:
            async with asyncio.timeout(None if rank is Rank.BACKGROUND else self._patience_s):
                await ready
            return Slot(self, rank)
        except TimeoutError:
            late = True
        except BaseException:
            self._give_up(entry)
            raise
        if late:
            self._give_up(entry)
        raise Busy("guard", "all connections to this upstream are in use")

    def _give_up(self, entry: tuple[Rank, int, "asyncio.Future[None]"]) -> None:
        """Leave the queue; if the slot came at the very moment of giving up, hand it on."""
        if entry[2].done() and not entry[2].cancelled():
            self._released(entry[0])
        elif entry in self._waiting:
            self._waiting.remove(entry)
            heapq.heapify(self._waiting)

    def _released(self, rank: Rank) -> None:
        self._used[rank] -= 1
        for entry in sorted(self._waiting):
            if self.used >= self._limit:
                break
            if not entry[2].done() and self._has_room(entry[0]):
                self._used[entry[0]] += 1
                self._waiting.remove(entry)
                entry[2].set_result(None)
        heapq.heapify(self._waiting)

    def _has_room(self, rank: Rank) -> bool:
        used = self._used
        match rank:
            case Rank.PAGE:
                return self.used < self._limit
            case Rank.FILE:
                files = used[Rank.FILE] + used[Rank.BACKGROUND]
                return self.used < self._limit and files < max(1, self._limit - 1)
            case Rank.BACKGROUND:
                return self.used < self._limit and used[Rank.BACKGROUND] < max(1, self._limit // 2)
