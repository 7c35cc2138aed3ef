"""Slots: how many requests an upstream gets at once, and who is next.

One upstream gets at most `limit` requests at a time. People come before background work, and a page before
a file: a page is small and somebody's resolver waits for it, a file may hold its slot for minutes. So files
may not take the last slot and background work takes at most half of them (with one slot there is nothing to
divide). The queue is bounded in length and in time (C09); background work that waited for as long as a person would
then stands in the files' queue, because somebody may wait for it by now, and so that it comes about at all.

A transfer that is slow costs the origin next to nothing and may last for hours, so it gives its slot up and goes on
without one (`Slot.park`); the number of those is bounded, too.
"""

import asyncio
from collections import Counter, OrderedDict
from enum import IntEnum

from proxy.upstream.errors import Busy

_MOST_WAITING = 1024
#: So many slow transfers for each slot go on without one.
_PARKED_PER_SLOT = 8
#: Nobody waits longer than this for a slot: pip gives an answer up after 15 s.
LONGEST_PATIENCE_S = 10.0


class Rank(IntEnum):
    """Who asks; the lower goes first."""

    PAGE = 0
    FILE = 1
    BACKGROUND = 2


class Slot:
    """A permission to make one request; `release` and `park` may be called more than once."""

    def __init__(self, slots: "Slots", rank: Rank) -> None:
        self._slots: Slots | None = slots
        self._rank = rank
        self._is_parked = False

    def release(self) -> None:
        slots, self._slots = self._slots, None
        if slots is None:
            return
        if self._is_parked:
            slots._parked -= 1
        else:
            slots._released(self._rank)

    def park(self) -> None:
        """Let somebody else have the slot while this request goes on slowly."""
        slots = self._slots
        if slots is not None and not self._is_parked and slots._may_park:
            self._is_parked = True
            slots._parked += 1
            slots._released(self._rank)


class Slots:
    """The slots of one upstream."""

    def __init__(self, limit: int, patience_s: float) -> None:
        self._limit = max(1, limit)
        self._patience_s = min(patience_s, LONGEST_PATIENCE_S)
        self._parked = 0
        self._used: Counter[Rank] = Counter()
        #: Who waits, by rank and in order; leaving costs the same from anywhere in the queue.
        self._queues: dict[Rank, OrderedDict[int, asyncio.Future[None]]] = {r: OrderedDict() for r in Rank}
        self._order = 0

    @property
    def used(self) -> int:
        return self._used.total()

    @property
    def _may_park(self) -> bool:
        return self._parked < self._limit * _PARKED_PER_SLOT

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    async def take(self, rank: Rank) -> Slot:
        """Wait for a slot; raise Busy when too many wait already, or a person waited too long."""
        slot = self._free(rank)
        if slot is not None:
            return slot
        if self.waiting >= _MOST_WAITING:
            raise Busy("guard", "too many requests wait for this upstream already")
        return await self._wait(rank, self._patience_s)

    def _free(self, rank: Rank) -> Slot | None:
        """Return a slot if there is one, and nobody waits who comes first."""
        if not self._has_room(rank) or any(queue for other, queue in self._queues.items() if other <= rank):
            return None
        self._used[rank] += 1
        return Slot(self, rank)

    async def _wait(self, rank: Rank, patience_s: float | None) -> Slot:
        ready = asyncio.get_running_loop().create_future()
        self._order += 1
        order = self._order
        self._queues[rank][order] = ready
        try:
            async with asyncio.timeout(patience_s):
                await ready
            return Slot(self, rank)
        except TimeoutError:
            late = True
        except BaseException:
            self._give_up(rank, order, ready)
            raise
        if late:
            self._give_up(rank, order, ready)
        if rank is Rank.BACKGROUND:
            return self._free(Rank.FILE) or await self._wait(Rank.FILE, None)
        raise Busy("guard", "all connections to this upstream are in use")

    def _give_up(self, rank: Rank, order: int, ready: "asyncio.Future[None]") -> None:
        """Leave the queue; if the slot came at the very moment of giving up, hand it on."""
        if ready.done() and not ready.cancelled():
            self._released(rank)
        else:
            self._queues[rank].pop(order, None)

    def _released(self, rank: Rank) -> None:
        self._used[rank] -= 1
        for other, queue in self._queues.items():
            while queue and self._has_room(other):
                _, ready = queue.popitem(last=False)
                if not ready.done():
                    self._used[other] += 1
                    ready.set_result(None)

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
