"""The one source of time (design, law 10): aware UTC for people and rules, monotonic seconds for deadlines.

Nothing else in the package calls `time.time`, `datetime.now` or `loop.time` to decide something; a test
injects a clock of its own and turns it.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC datetime; it may jump in either direction."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow, from an arbitrary start."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()
