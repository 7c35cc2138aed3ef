"""How large the next piece for one reader is: memory held by readers who do not read is what a piece costs.

256 stuck readers with pieces of 1 MiB cost 85 MiB, with 64 KiB next to nothing (reliability, section 3). So
a reader begins with small pieces and earns large ones by having taken much without delay. Pure.
"""

from proxy.artifacts.blob import PIECE_BYTES

_SMALL = 32 * 1024
_MIDDLE = 64 * 1024
_MIDDLE_AFTER = 4 * 1024 * 1024
_LARGE_AFTER = 16 * 1024 * 1024
#: A reader that takes longer than this for one piece begins again with small ones.
_SLOW_S = 0.25


class Pace:
    """One reader's progress."""

    __slots__ = ("_at", "_taken")

    def __init__(self, now: float) -> None:
        self._taken = 0
        self._at = now

    def next_bytes(self) -> int:
        """Return the size of the next piece."""
        if self._taken < _MIDDLE_AFTER:
            return _SMALL
        return _MIDDLE if self._taken < _LARGE_AFTER else PIECE_BYTES

    def sending(self, size: int, now: float) -> None:
        """A piece is handed over now."""
        self._taken += size
        self._at = now

    def returned(self, now: float) -> None:
        """The reader is back for more."""
        if now - self._at > _SLOW_S:
            self._taken = 0
