"""The machine's clock with a hand to turn it: time runs on by itself, and a test may let more of it pass.

`advance` moves both clocks (a break of many hours), `jump` only the wall clock, in either direction (B13). Once
frozen, no time passes but what the test lets pass: for limits that a slow machine must not reach by itself.
"""

import time
from datetime import UTC, datetime, timedelta


class TurnedClock:
    """Satisfies `proxy.model.clock.Clock`."""

    def __init__(self) -> None:
        self._wall_s = 0.0
        self._monotonic_s = 0.0
        self._frozen: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        return self._real()[0] + timedelta(seconds=self._wall_s)

    def monotonic(self) -> float:
        return self._real()[1] + self._monotonic_s

    def freeze(self) -> None:
        """Let time pass only by `advance` from now on."""
        self._frozen = self._real()

    def _real(self) -> tuple[datetime, float]:
        return self._frozen or (datetime.now(UTC), time.monotonic())

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass."""
        if seconds < 0:
            raise ValueError("time does not pass backwards; a jump of the wall clock is jump()")
        self._wall_s += seconds
        self._monotonic_s += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock by that many seconds; the monotonic clock does not notice."""
        self._wall_s += seconds
