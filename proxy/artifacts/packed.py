"""Packed entries: what is known of the blobs that were not used lately, in 46 bytes each. Pure.

A row is the digest without its first byte, then four numbers in 15 bytes: when it was used (units of 4 s since 2020),
when it was verified (units of 1024 s, rounded down, so a belief may end early and never late), the size, the mark. The
digest's first 13 bits choose one of 8,192 buckets; a bucket is the rows behind each other in one immutable `bytes`,
which is searched at the speed of `memmem` and has neither spare room nor an object per row. Since buckets are replaced
and never changed, a copy of their list is a consistent snapshot, and another thread may read one at any time.

Dictionaries, sorted lists and in-memory SQLite cost 70 to 450 bytes for the same; arrays with a hash index some 55.
"""

import heapq
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from proxy.model.digest import Sha256

#: The largest size that a row can state; a larger blob counts as one of this size.
MAX_SIZE = 2**40 - 1
#: A mark is a number below this; 0 is none.
MARK_LIMIT = 2**32

_BUCKETS = 8192
_KEY_BYTES = 31
_FACTS_BYTES = 15
_ROW_BYTES = _KEY_BYTES + _FACTS_BYTES
_EPOCH = 1_577_836_800
_USED_S = 4
_CHECKED_S = 1024
_MAX_USED = 2**28 - 1
_MAX_CHECKED = 2**20 - 1
#: The key, and the number whose upper 28 bits are the time of use.
_USE = struct.Struct(f">{_KEY_BYTES}sI11x")

#: How rows are ordered by use: time, bucket, key.
Rank = tuple[int, int, bytes]


@dataclass(slots=True)
class Entry:
    """What is known of one held blob. Times are seconds since 1970.

    `checked_at` 0 means: never verified as far as anybody remembers; `mark` 0: not verified in this process.
    """

    size: int
    used_at: float
    checked_at: float = 0.0
    mark: int = 0


class PackedEntries:
    """Entries by digest. Whoever wants to change one puts it again."""

    def __init__(self) -> None:
        self._buckets = [b""] * _BUCKETS
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, digest: Sha256) -> bool:
        number, key = _place(digest)
        return _find(self._buckets[number], key) >= 0

    def get(self, digest: Sha256) -> Entry | None:
        number, key = _place(digest)
        bucket = self._buckets[number]
        at = _find(bucket, key)
        return None if at < 0 else _unpack(bucket[at + _KEY_BYTES : at + _ROW_BYTES])

    def put(self, digest: Sha256, entry: Entry) -> None:
        number, key = _place(digest)
        bucket = self._buckets[number]
        at = _find(bucket, key)
        if at < 0:
            self._count += 1
            self._buckets[number] = bucket + key + _pack(entry)
        else:
            self._buckets[number] = bucket[: at + _KEY_BYTES] + _pack(entry) + bucket[at + _ROW_BYTES :]

    def put_new(self, entries: Iterable[tuple[Sha256, Entry]]) -> int:
        """Put those that are not here yet, in less time than one by one if sorted; return the sum of their sizes."""
        rows: dict[int, list[bytes]] = {}
        keys: set[tuple[int, bytes]] = set()
        total = 0
        for digest, entry in entries:
            number, key = place = _place(digest)
            if place in keys or _find(self._buckets[number], key) >= 0:
                continue
            keys.add(place)
            rows.setdefault(number, []).append(key + _pack(entry))
            total += entry.size
        for number, new in rows.items():
            self._buckets[number] += b"".join(new)
        self._count += len(keys)
        return total

    def pop(self, digest: Sha256) -> Entry | None:
        number, key = _place(digest)
        bucket = self._buckets[number]
        at = _find(bucket, key)
        if at < 0:
            return None
        self._count -= 1
        self._buckets[number] = bucket[:at] + bucket[at + _ROW_BYTES :]
        return _unpack(bucket[at + _KEY_BYTES : at + _ROW_BYTES])

    def items(self) -> Iterator[tuple[Sha256, Entry]]:
        """Return the entries as they are now, in the order of their buckets, whatever changes meanwhile."""
        return _items(self._buckets[::-1])

    def oldest(self, count: int, after: Rank | None = None) -> list[Rank]:
        """Return the least recently used rows beyond a rank, in order. Takes some 0.3 s for a million; any thread."""
        return heapq.nsmallest(
            count, (rank for rank in _ranks(self._buckets) if after is None or rank > after)
        )

    def has(self, rank: Rank) -> bool:
        """Tell whether the row is here and was not used since it got this rank."""
        used, number, key = rank
        bucket = self._buckets[number]
        at = _find(bucket, key)
        return at >= 0 and _USE.unpack_from(bucket, at)[1] >> 4 == used


def digest_of(rank: Rank) -> Sha256:
    """Return the digest of a ranked row."""
    return _digest(rank[1], rank[2])


def packable(size: int) -> int:
    """Return the size as a row would state it."""
    return min(size, MAX_SIZE)


def _place(digest: Sha256) -> tuple[int, bytes]:
    return int(digest[:4], 16) >> 3, bytes.fromhex(digest[2:])


def _digest(number: int, key: bytes) -> Sha256:
    return Sha256(f"{number >> 5:02x}{key.hex()}")


def _find(bucket: bytes, key: bytes) -> int:
    at = bucket.find(key)
    while at > 0 and at % _ROW_BYTES:
        at = bucket.find(key, at + 1)
    return at


def _pack(entry: Entry) -> bytes:
    used = _units(entry.used_at, _USED_S, _MAX_USED)
    checked = _units(entry.checked_at, _CHECKED_S, _MAX_CHECKED)
    return (used << 92 | checked << 72 | entry.size << 32 | entry.mark).to_bytes(_FACTS_BYTES)


def _unpack(facts: bytes) -> Entry:
    number = int.from_bytes(facts)
    return Entry(
        number >> 32 & MAX_SIZE,
        _seconds(number >> 92, _USED_S),
        _seconds(number >> 72 & _MAX_CHECKED, _CHECKED_S),
        number & MARK_LIMIT - 1,
    )


def _units(moment: float, unit_s: int, most: int) -> int:
    return min(max(int(moment - _EPOCH) // unit_s, 0), most)


def _seconds(units: int, unit_s: int) -> float:
    return float(units * unit_s + _EPOCH) if units else 0.0


def _items(backwards: list[bytes]) -> Iterator[tuple[Sha256, Entry]]:
    number = 0
    while backwards:
        # Taken off the list, so that an old bucket is not kept in memory longer than it is needed.
        bucket = backwards.pop()
        for at in range(0, len(bucket), _ROW_BYTES):
            key = bucket[at : at + _KEY_BYTES]
            yield _digest(number, key), _unpack(bucket[at + _KEY_BYTES : at + _ROW_BYTES])
        number += 1


def _ranks(buckets: list[bytes]) -> Iterator[Rank]:
    for number, bucket in enumerate(buckets):
        for key, facts in _USE.iter_unpack(bucket):
            yield facts >> 4, number, key
