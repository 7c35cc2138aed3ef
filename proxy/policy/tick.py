"""The tick: the clock rounded down, so that gate and index of every worker agree (contract, section 4).

Rounding down means that nothing that waits for a time is let through before it; what ends at a time ends with the
first tick at or after it.
"""

from datetime import UTC, datetime

from proxy.policy.settings import Kind

#: Milliseconds: a quarter of an hour for conda, whose documents are large; a minute for PyPI.
TICK_MS: dict[Kind, int] = {"conda": 900_000, "pypi": 60_000}


def tick_of(kind: Kind, now: datetime) -> int:
    """Return the tick of an aware time, in UTC milliseconds."""
    ms = int(now.timestamp() * 1000)
    return ms - ms % TICK_MS[kind]


def tick_at_or_after(kind: Kind, ms: float) -> int:
    """Return the first tick that is not before the time."""
    step = TICK_MS[kind]
    return -int(-ms // step) * step


def time_of(tick_ms: int) -> datetime:
    """Return the tick as a time."""
    return datetime.fromtimestamp(tick_ms / 1000, UTC)
