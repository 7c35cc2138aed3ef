"""What was decided a moment ago, for as long as it may be repeated without asking again.

Never longer than half a second, whatever the answer's own freshness: a change of rules or of the catalog reaches
the gate within a second (contract, section 3).
"""

from typing import Generic, TypeVar

from proxy.model.clock import Clock

T = TypeVar("T")

_LONGEST_S = 0.5
_MOST = 4096


class Briefly(Generic[T]):
    """Values by key, each for a moment."""

    __slots__ = ("_kept", "_monotonic")

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._kept: dict[str, tuple[float, T]] = {}

    def get(self, key: str) -> T | None:
        kept = self._kept.get(key)
        return kept[1] if kept is not None and self._monotonic() < kept[0] else None

    def put(self, key: str, value: T, for_s: float) -> None:
        if for_s <= 0:
            return
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[key] = (self._monotonic() + min(for_s, _LONGEST_S), value)

    def clear(self) -> None:
        """Forget everything: something changed."""
        self._kept.clear()
