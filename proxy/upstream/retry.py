"""Retries: which source is tried next, and after what pause. Pure.

Only GET and HEAD leave this door, so every request may be repeated; whether it should be is decided here. A
curable failure is tried again, at the next source first, with a jittered pause before one that was tried
already, at most `retries` times (every source gets one try even if there are more). A source that was
silent until the deadline, asked to be left alone, or answered something meaningless is not tried again for
this request. A refusal of credentials ends it: one try (A11). So does a queue that takes nobody: it is the same for
all of the upstream's sources, and whoever waits has waited long enough.
"""

import random
from dataclasses import dataclass

from proxy.upstream.errors import (
    AuthRefused,
    BreakerOpen,
    Busy,
    Overloaded,
    ProxyAuthRefused,
    Silent,
    UpstreamError,
)
from proxy.upstream.status import NOT_DONE

_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Turn:
    """The next try: the source's index, after a pause."""

    source: int
    pause_s: float


class Plan:
    """The tries of one request."""

    def __init__(self, sources: int, retries: int) -> None:
        self._left = list(range(sources))
        self._tries_left = max(1 + retries, sources)
        self._tried: dict[int, int] = {}
        self._last = -1

    def next(self) -> Turn | None:
        """Return the next try, or None when it is over."""
        if self._tries_left <= 0 or not self._left:
            return None
        self._tries_left -= 1
        self._last = self._left.pop(0)
        before = self._tried.get(self._last, 0)
        self._tried[self._last] = before + 1
        self._left.append(self._last)
        return Turn(self._last, _pause_s(before))

    def failed(self, error: UpstreamError) -> None:
        """Note how the last try ended."""
        if isinstance(error, AuthRefused | ProxyAuthRefused | Busy):
            self._left.clear()
        elif not _is_worth_repeating(error) and self._last in self._left:
            self._left.remove(self._last)


def _is_worth_repeating(error: UpstreamError) -> bool:
    if isinstance(error, Silent | BreakerOpen) or (isinstance(error, Overloaded) and error.retry_after_s):
        return False
    return error.curable and error.status not in NOT_DONE


def _pause_s(tries: int) -> float:
    """Return the pause before a source that was tried so often: doubling, with full jitter above a floor."""
    if tries == 0:
        return 0.0
    most: float = min(_LONGEST_PAUSE_S, _PAUSE_S * 2 ** (tries - 1))
    return most / 2 + random.random() * most / 2
