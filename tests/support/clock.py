"""A clock that only the test turns: it satisfies `proxy.model.clock.Clock`.

The wall clock and the monotonic one are separate on purpose, because that is what a jump of the wall clock
is: `advance` moves both, `set` only the wall clock (in either direction).
"""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 2, 9, 0, 0, tzinfo=UTC)


class FakeClock:
    """Time that stands still until it is turned."""

    def __init__(self, start: datetime = START, monotonic: float = 1000.0) -> None:
        self._now = _aware(start)
        self._monotonic = monotonic

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass; they cannot be negative, since monotonic time only grows."""
        if seconds < 0:
            raise ValueError("time does not pass backwards; a jump of the wall clock is set()")
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def set(self, now: datetime) -> None:
        """Jump the wall clock there; the monotonic clock does not notice."""
        self._now = _aware(now)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a clock gives aware UTC datetimes (design, law 10)")
    return moment.astimezone(UTC)
