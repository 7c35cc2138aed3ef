"""Pace: how slow an origin may be, and how fast we may be.

An idle timeout never fires on a connection that drips (A02), so `RateGuard` demands `bytes_per_s` over every
`window_s`. It counts only the time spent waiting for the origin: a reader of ours that pauses, or our own
bandwidth limit, is not the origin's fault. `Bandwidth` is that limit, shared by all streams of an upstream.
"""

import asyncio
from collections import deque

from proxy.config.settings import Rate
from proxy.model.clock import Clock

_BUCKETS = 10
#: Debts smaller than this are carried on rather than slept off one by one.
_SHORTEST_SLEEP_S = 0.01


class RateGuard:
    """The minimum rate of one transfer, kept in ten buckets of a tenth of the window each."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._wanted = rate.bytes_per_s * rate.window_s
        self._waited = 0.0
        self._bucket = 0
        self._sums: deque[int] = deque([0], _BUCKETS + 1)

    def is_kept(self, waited_s: float, size: int) -> bool:
        """Note `size` bytes that came after `waited_s`; return False if a whole window was too slow."""
        if self._wanted <= 0 or self._rate.window_s <= 0:
            return True
        self._waited += waited_s
        bucket = int(self._waited / self._rate.window_s * _BUCKETS)
        self._sums.extend([0] * min(bucket - self._bucket, _BUCKETS + 1))
        is_new, self._bucket = bucket > self._bucket, bucket
        kept = not is_new or bucket < _BUCKETS or sum(self._sums) >= self._wanted
        self._sums[-1] += size
        return kept


class Bandwidth:
    """An upper limit in bytes per second, or none."""

    def __init__(self, clock: Clock, bytes_per_s: float | None) -> None:
        self._clock = clock
        self._bytes_per_s = bytes_per_s
        self._free_at = clock.monotonic()

    async def spend(self, size: int) -> None:
        """Wait until that many bytes may have been taken."""
        if not self._bytes_per_s:
            return
        now = self._clock.monotonic()
        self._free_at = max(now, self._free_at) + size / self._bytes_per_s
        if self._free_at - now > _SHORTEST_SLEEP_S:
            await asyncio.sleep(self._free_at - now)
