"""What reading a text costs, compared within one run: at 2N with at N. CPU time of this thread, never the clock's."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Below this a cost is noise.
_FLOOR_S = 0.004
#: Linear work doubles, quadratic work quadruples.
_FACTOR = 3.0
_REPEATS = 3


def cpu_s(act: Callable[[T], object], given: T) -> float:
    """Return the CPU seconds that the act takes, the best of a few."""
    return min(_once(act, given) for _ in range(_REPEATS))


def assert_linear(act: Callable[[T], object], make: Callable[[int], T], n: int) -> None:
    """Assert that what is made of twice as much costs about twice as much at the most."""
    once, twice = cpu_s(act, make(n)), cpu_s(act, make(2 * n))
    assert twice <= _FACTOR * max(once, _FLOOR_S), (
        f"{once:.3f} s of CPU at {n}, {twice:.3f} s at twice as much"
    )


def _once(act: Callable[[T], object], given: T) -> float:
    started = time.thread_time()
    act(given)
    return time.thread_time() - started
