"""Accounting: which blobs are held, how large, and which was used longest ago. Pure: it knows no files.

Whoever removes a victim's file tells it here afterwards. Times are seconds since 1970 from the injected
clock; a wall clock that jumps disturbs an order, never a sum.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from proxy.model.digest import Sha256


@dataclass(slots=True)
class Entry:
    """What is known of one held blob. `checked_at` 0 means: never verified as far as anybody remembers."""

    size: int
    used_at: float
    checked_at: float = 0.0


class Accounting:
    """The held blobs, least recently used first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Sha256, Entry] = OrderedDict()
        self._bytes = 0
        #: Grows with every change that a ledger would want to know.
        self.revision = 0

    @property
    def total_bytes(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, digest: Sha256) -> bool:
        return digest in self._entries

    def find(self, digest: Sha256) -> Entry | None:
        return self._entries.get(digest)

    def items(self) -> list[tuple[Sha256, Entry]]:
        """Return the entries as they are now, least recently used first."""
        return list(self._entries.items())

    def add(self, digest: Sha256, size: int, now: float) -> Entry:
        """Hold a blob, or hold it in another size; it is the most recently used."""
        entry = self._entries.get(digest)
        if entry is None:
            entry = self._entries[digest] = Entry(size, now)
            self._bytes += size
        else:
            self._bytes += size - entry.size
            entry.size = size
        self.touch(digest, now)
        return entry

    def touch(self, digest: Sha256, now: float) -> None:
        entry = self._entries.get(digest)
        if entry is not None:
            entry.used_at = now
            self.revision += 1
            self._entries.move_to_end(digest)

    def restore(self, found: Iterable[tuple[Sha256, Entry]]) -> None:
        """Take what the scan found, most recently used first: older than what is held already."""
        for digest, entry in found:
            if digest not in self._entries:
                self._entries[digest] = entry
                self._entries.move_to_end(digest, last=False)
                self._bytes += entry.size

    def remove(self, digest: Sha256) -> int:
        """Forget a blob; return its size, 0 if it was not held."""
        entry = self._entries.pop(digest, None)
        if entry is None:
            return 0
        self._bytes -= entry.size
        self.revision += 1
        return entry.size

    def victims(self, target_bytes: int, is_pinned: Callable[[Sha256], bool]) -> Iterator[Sha256]:
        """Yield what must go, least recently used first, for the total to come down to the target."""
        excess = self._bytes - target_bytes
        for digest, entry in self._entries.items():
            if excess <= 0:
                return
            if not is_pinned(digest):
                excess -= entry.size
                yield digest
