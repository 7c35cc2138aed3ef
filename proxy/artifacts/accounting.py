"""Accounting: which blobs are held, how large, and which was used longest ago. Pure: it knows no files.

The blobs used last, a few thousand, are kept in exact order; all others are packed into 46 bytes each (`packed`), and
among these the order of use is known to 4 seconds. A million blobs cost less than 60 MB.

Whoever removes a victim's file reports it here afterwards. Times are seconds since 1970 from the injected
clock; a wall clock that jumps disturbs an order, never a sum.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator

from proxy.artifacts.packed import Entry, PackedEntries, Rank, digest_of, packable
from proxy.model.digest import Sha256

__all__ = ["Accounting", "Entry"]

_RECENT = 4096
#: Packed entries are ranked for eviction this many at a time at least, and this share of them.
_RANKED = 1024
_RANKED_SHARE = 32


class Accounting:
    """The held blobs. `recent`: how many of those used last are kept unpacked."""

    def __init__(self, recent: int = _RECENT) -> None:
        self._most_recent = recent
        #: Least recently used first; all of them were used after all that are packed.
        self._recent: OrderedDict[Sha256, Entry] = OrderedDict()
        self._packed = PackedEntries()
        #: The least recently used of the packed, first to go first; nothing else that is packed comes before them.
        self._ranked: deque[Rank] = deque()
        self._bytes = 0
        #: Grows with every change that a ledger would want to know.
        self.revision = 0

    @property
    def total_bytes(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._recent) + len(self._packed)

    def __contains__(self, digest: Sha256) -> bool:
        return digest in self._recent or digest in self._packed

    def find(self, digest: Sha256) -> Entry | None:
        """Return what is known of a blob; to be read, not to be changed."""
        return self._recent.get(digest) or self._packed.get(digest)

    def items(self) -> Iterator[tuple[Sha256, Entry]]:
        """Return the entries as they are now, whatever changes meanwhile: packed ones, then least recently used first.

        The iterator may be used in another thread.
        """
        return _chained(self._packed.items(), [(digest, entry) for digest, entry in self._recent.items()])

    def add(self, digest: Sha256, size: int, now: float) -> None:
        """Hold a blob, or hold it in another size; it is the most recently used."""
        size = packable(size)
        entry = self._recent.get(digest)
        if entry is None:
            entry = self._recent[digest] = self._packed.pop(digest) or Entry(0, now)
        self._bytes += size - entry.size
        entry.size = size
        self.touch(digest, now)

    def touch(self, digest: Sha256, now: float) -> None:
        """Take note that a blob is used."""
        entry = self._recent.get(digest)
        if entry is None:
            entry = self._packed.pop(digest)
            if entry is None:
                return
            self._recent[digest] = entry
        else:
            self._recent.move_to_end(digest)
        entry.used_at = now
        self.revision += 1
        while len(self._recent) > self._most_recent:
            self._packed.put(*self._recent.popitem(last=False))

    def believe(self, digest: Sha256, size: int, mark: int, now: float) -> None:
        """Take note that a blob was verified; that is no use of it, unless it was not known in this size."""
        size = packable(size)
        entry = self._recent.get(digest)
        if entry is None or entry.size != size:
            packed = None if entry is not None else self._packed.get(digest)
            if packed is not None and packed.size == size:
                packed.checked_at, packed.mark = now, mark
                self._packed.put(digest, packed)
                self.revision += 1
                return
            self.add(digest, size, now)
            entry = self._recent[digest]
        entry.checked_at, entry.mark = now, mark
        self.revision += 1

    def restore(self, found: Iterable[tuple[Sha256, Entry]]) -> None:
        """Take some of what a scan found, fastest in the order of the digests; what is held stays as it is."""
        self._bytes += self._packed.put_new(item for item in found if item[0] not in self._recent)
        self._ranked.clear()

    def settle(self) -> None:
        """Unpack what was restored, if it is little enough to be kept exactly."""
        if len(self._recent) + len(self._packed) > self._most_recent:
            return
        found, self._packed = self._packed.items(), PackedEntries()
        for digest, entry in sorted(found, key=lambda item: item[1].used_at, reverse=True):
            self._recent[digest] = entry
            self._recent.move_to_end(digest, last=False)

    def remove(self, digest: Sha256) -> int:
        """Forget a blob; return its size, 0 if it was not held."""
        entry = self._recent.pop(digest, None) or self._packed.pop(digest)
        if entry is None:
            return 0
        self._bytes -= entry.size
        self.revision += 1
        return entry.size

    # -- what must go

    def victims(self, target_bytes: int, is_pinned: Callable[[Sha256], bool]) -> Iterator[Sha256]:
        """Yield what must go, least recently used first, for the total to come down to the target.

        Where the order of the packed entries has to be found, that takes 0.3 s for a million: use `rank` before.
        """
        excess = self._bytes - target_bytes
        for digest, entry in self._in_order():
            if excess <= 0:
                return
            if not is_pinned(digest):
                excess -= entry.size
                yield digest

    def is_ranked(self) -> bool:
        """Tell whether the next victims are known without a search among the packed entries."""
        while self._ranked and not self._packed.has(self._ranked[0]):
            self._ranked.popleft()
        return bool(self._ranked) or len(self._packed) <= _RANKED

    def rank(self) -> list[Rank]:
        """Find the next victims among the packed entries, for `take_ranks`. May run in a thread."""
        return self._packed.oldest(self._batch())

    def take_ranks(self, ranks: list[Rank]) -> None:
        self._ranked = deque(ranks)

    def _batch(self) -> int:
        return max(_RANKED, len(self._packed) // _RANKED_SHARE)

    def _in_order(self) -> Iterator[tuple[Sha256, Entry]]:
        """Yield all entries, least recently used first."""
        ranks = list(self._ranked)
        last: Rank | None = None
        while len(self._packed):
            for last in ranks:
                entry = self._packed.get(digest_of(last)) if self._packed.has(last) else None
                if entry is not None:
                    yield digest_of(last), entry
            ranks = self._packed.oldest(self._batch(), last)
            if not ranks:
                break
        yield from list(self._recent.items())


def _chained(
    packed: Iterator[tuple[Sha256, Entry]], recent: list[tuple[Sha256, Entry]]
) -> Iterator[tuple[Sha256, Entry]]:
    yield from packed
    yield from recent
