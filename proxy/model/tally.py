"""Tallies: what happened how often. Rooms below the inbound door count here; `/metrics` reads it when asked.

Names and labels come from the code, never from outside, so the set is bounded.
"""

from collections.abc import Iterator


class Tally:
    """Counters by name and label values; a count is one dictionary increment."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, name: str, label: str = "", by: int = 1) -> None:
        key = (name, label)
        self._counts[key] = self._counts.get(key, 0) + by

    def of(self, name: str, label: str = "") -> int:
        return self._counts.get((name, label), 0)

    def items(self) -> Iterator[tuple[str, str, int]]:
        """Yield (name, label, count) of everything counted so far."""
        for (name, label), count in tuple(self._counts.items()):
            yield name, label, count
