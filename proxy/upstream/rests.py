"""Rests: what sent wrong bytes and is left alone for a while (contract, section 3). The tables are bounded.

What was wrong is remembered for as long: whoever asks meanwhile gets the same answer as the first.
"""

from collections import OrderedDict
from datetime import datetime
from typing import TypeVar

from proxy.model.clock import Clock
from proxy.upstream.errors import Resting

T = TypeVar("T")

_MOST = 512


class Rests:
    """Keys that rest, each until its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rests: OrderedDict[str, float] = OrderedDict()
        self._strikes: OrderedDict[str, float] = OrderedDict()
        self._whys: OrderedDict[str, str] = OrderedDict()
        self._since: OrderedDict[str, datetime] = OrderedDict()

    def rest(self, key: str, seconds: float, why: str = "") -> None:
        """Let it rest from now on."""
        _remember(self._rests, key, self._clock.monotonic() + seconds)
        _remember(self._whys, key, why)
        _remember(self._since, key, self._clock.now())

    def strike(self, key: str, seconds: float, why: str = "") -> None:
        """Let it rest if this is the second report within `seconds`: one more try at once is due."""
        if self._left_s(self._strikes, key) > 0:
            self.rest(key, seconds, why)
        else:
            _remember(self._strikes, key, self._clock.monotonic() + seconds)

    def check(self, key: str) -> None:
        """Raise Resting while it rests."""
        if self.left_s(key) > 0:
            raise Resting("guard", self._whys.get(key) or "wrong bytes came from there a moment ago")

    def present(self) -> list[tuple[str, datetime, str]]:
        """Return what rests now: its key, since when, and why."""
        return [
            (key, self._since[key], self._whys.get(key) or "wrong bytes")
            for key in self._rests
            if self.left_s(key) > 0
        ]

    def left_s(self, key: str) -> float:
        """Return how long it still rests."""
        return self._left_s(self._rests, key)

    def _left_s(self, table: "OrderedDict[str, float]", key: str) -> float:
        return max(0.0, table.get(key, 0.0) - self._clock.monotonic())


def _remember(table: "OrderedDict[str, T]", key: str, value: T) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > _MOST:
        table.popitem(last=False)
