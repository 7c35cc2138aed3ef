"""Packed rows of a table in memory, bounded in bytes."""

from collections import OrderedDict


class RowMemory:
    """Packed rows, the least recently used leave first; None remembers that there is no row."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._held: OrderedDict[tuple[str, str, str], bytes | None] = OrderedDict()
        self._bytes = 0

    def __contains__(self, key: tuple[str, str, str]) -> bool:
        return key in self._held

    def get(self, key: tuple[str, str, str]) -> bytes | None:
        self._held.move_to_end(key)
        return self._held[key]

    def drop(self, key: tuple[str, str, str]) -> None:
        if key in self._held:
            self._bytes -= _weight(self._held.pop(key))

    def forget(self, upstream: str, subdir: str) -> None:
        for key in [key for key in self._held if key[:2] == (upstream, subdir)]:
            self.drop(key)

    def put(self, key: tuple[str, str, str], payload: bytes | None) -> None:
        self.drop(key)
        self._held[key] = payload
        self._bytes += _weight(payload)
        while self._bytes > self._max and self._held:
            self._bytes -= _weight(self._held.popitem(last=False)[1])


def _weight(payload: bytes | None) -> int:
    """The payload and what the entry itself costs."""
    return 300 + len(payload or b"")
