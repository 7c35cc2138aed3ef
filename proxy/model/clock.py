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


def stamp(at: datetime) -> str:
    """Return a moment as every document tells it: UTC with a Z, to the second (RFC 3339)."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment_in_words(at: datetime) -> str:
    """Return a moment as a line for people tells it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
