"""The views that are in memory, bounded by the number of records they hold, not by how many there are."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

ViewT = TypeVar("ViewT")


class Views(Generic[ViewT]):
    """Least recently used views by key; `weight` is a view's number of records."""

    def __init__(self, *, max_records: int) -> None:
        self._max = max_records
        self._records = 0
        self._kept: OrderedDict[tuple[str, str], tuple[int, ViewT]] = OrderedDict()

    def get(self, key: tuple[str, str]) -> ViewT | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[1]

    def __iter__(self) -> Iterator[ViewT]:
        """Iterate over the views of this moment."""
        return iter([view for _, view in self._kept.values()])

    def put(self, key: tuple[str, str], view: ViewT, weight: int) -> None:
        replaced = self._kept.pop(key, None)
        self._records += weight - (replaced[0] if replaced is not None else 0)
        self._kept[key] = (weight, view)
        while self._records > self._max and len(self._kept) > 1:
            _, (lightened, _) = self._kept.popitem(last=False)
            self._records -= lightened
