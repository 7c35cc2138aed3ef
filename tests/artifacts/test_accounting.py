"""The accounting of very many blobs: what it costs, and that packed entries are as good as unpacked ones."""

import itertools
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from proxy.artifacts.accounting import Accounting, Entry
from proxy.artifacts.packed import MARK_LIMIT, MAX_SIZE, PackedEntries
from proxy.model.digest import Sha256
from tests.artifacts.tools import sha256_of

#: Some time in 2026; packed times of use are exact to 4 seconds.
NOW = 1_790_000_000.0
UNIT_S = 4
COUNT = 256 * 200


def digest_of(number: int) -> Sha256:
    return sha256_of(number.to_bytes(8, "big"))


def folder_of(first: int, count: int) -> list[tuple[Sha256, Entry]]:
    """Return what a scan finds in one folder."""
    steps = sorted(number * 2654435761 % 2**32 for number in range(count))
    return [(Sha256(f"{first:02x}{step:08x}{step:054x}"), Entry(1000, NOW)) for step in steps]


def test_a_blob_that_a_scan_found_costs_48_bytes() -> None:
    """Mirrors need 521,531 in 25 MB."""
    folders = [folder_of(first, COUNT // 256) for first in range(256)]
    tracemalloc.start()
    try:
        accounting = Accounting()
        for folder in folders:
            accounting.restore(folder)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(accounting) == COUNT
    assert accounting.total_bytes == COUNT * 1000
    # Half a megabyte is a fixed cost: the 8,192 buckets.
    assert held <= 60 * COUNT
    assert held - 600_000 <= 46.6 * COUNT


def test_a_blob_that_was_fetched_and_verified_costs_sixty_bytes() -> None:
    folders = [folder_of(first, COUNT // 256) for first in range(256)]
    accounting = Accounting(recent=256)
    tracemalloc.start()
    try:
        for first, folder in enumerate(folders):
            for digest, entry in folder:
                accounting.add(digest, entry.size, NOW + first)
                accounting.believe(digest, entry.size, first + 1, NOW + first)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(accounting) == COUNT
    assert held <= 60 * COUNT


entries = st.builds(
    Entry,
    size=st.integers(0, MAX_SIZE),
    used_at=st.integers(0, 2**31).map(float),
    checked_at=st.integers(0, 2**31).map(float),
    mark=st.integers(0, MARK_LIMIT - 1),
)
#: Some that share a bucket, and one whose digest is nothing but zeros.
digests = st.one_of(
    st.integers(0, 5).map(digest_of),
    st.integers(0, 5).map(lambda number: Sha256(f"{number:064x}")),
    st.integers(0, 5).map(lambda number: Sha256("ab" + "00" * 30 + f"{number:02x}")),
)


@given(st.lists(st.tuples(st.sampled_from(["put", "new", "pop", "get"]), digests, entries)))
def test_packed_entries_are_a_dictionary(steps: list[tuple[str, Sha256, Entry]]) -> None:
    packed, plain = PackedEntries(), dict[Sha256, Entry]()
    for step, digest, entry in steps:
        match step:
            case "put":
                packed.put(digest, entry)
                plain[digest] = entry
            case "new":
                assert packed.put_new([(digest, entry), (digest, entry)]) == entry.size * (
                    digest not in plain
                )
                plain.setdefault(digest, entry)
            case "pop":
                assert (packed.pop(digest) is None) == (plain.pop(digest, None) is None)
            case _:
                assert (digest in packed) == (digest in plain)
        got, kept = packed.get(digest), plain.get(digest)
        assert (got is None) == (kept is None)
        if got is not None and kept is not None:
            assert (got.size, got.mark) == (kept.size, kept.mark)
            # A belief may end early and never late; times before 2020 count as the longest ago.
            assert got.checked_at <= kept.checked_at < got.checked_at + 1024 or not got.checked_at
            assert got.used_at <= kept.used_at < got.used_at + UNIT_S or not got.used_at
        assert len(packed) == len(plain)
    assert {digest for digest, _ in packed.items()} == set(plain)
    assert [rank[0] for rank in packed.oldest(100)] == sorted(rank[0] for rank in packed.oldest(100))


moves = st.sampled_from(["add", "touch", "remove", "victims", "believe", "rank"])


@given(st.lists(st.tuples(moves, st.integers(0, 8).map(digest_of), st.integers(0, 50))))
def test_the_order_of_use_is_kept_among_packed_entries(steps: list[tuple[str, Sha256, int]]) -> None:
    accounting, slow = Accounting(recent=2), list[tuple[Sha256, int]]()
    for number_of_step, (step, digest, number) in enumerate(steps):
        now = NOW + number_of_step * UNIT_S
        held = dict(slow)
        match step:
            case "add":
                accounting.add(digest, number, now)
                slow = [(d, s) for d, s in slow if d != digest] + [(digest, number)]
            case "touch":
                accounting.touch(digest, now)
                if digest in held:
                    slow = [(d, s) for d, s in slow if d != digest] + [(digest, held[digest])]
            case "remove":
                assert accounting.remove(digest) == held.get(digest, 0)
                slow = [(d, s) for d, s in slow if d != digest]
            case "believe" if digest in held:
                accounting.believe(digest, held[digest], 7, now)
                entry = accounting.find(digest)
                assert entry is not None
                assert entry.mark == 7
                assert entry.checked_at > now - 1024
            case "rank":
                accounting.take_ranks(accounting.rank())
                assert accounting.is_ranked()
            case "victims":
                victims = list(accounting.victims(number, {digest}.__contains__))
                left = sum(size for d, size in slow if d not in victims)
                assert left <= number or set(held) - set(victims) <= {digest}
                order = [d for d, _ in slow if d != digest]
                assert victims == order[: len(victims)]
        assert accounting.total_bytes == sum(size for _, size in slow)
        assert len(accounting) == len(slow)
    assert {d: entry.size for d, entry in accounting.items()} == dict(slow)


def test_what_is_held_outlives_what_a_scan_finds_of_it() -> None:
    accounting = Accounting(recent=1)
    for number in range(3):
        accounting.add(digest_of(number), 10, NOW)
        accounting.believe(digest_of(number), 10, 5, NOW)
    accounting.restore((digest_of(number), Entry(99, NOW)) for number in range(5))
    assert accounting.total_bytes == 3 * 10 + 2 * 99
    assert [(accounting.find(digest_of(number)) or Entry(0, 0)).mark for number in range(5)] == [
        5,
        5,
        5,
        0,
        0,
    ]


def test_a_few_blobs_that_were_restored_are_kept_in_their_order() -> None:
    accounting = Accounting(recent=10)
    accounting.add(digest_of(0), 10, NOW)
    accounting.restore((digest_of(number), Entry(10, NOW - number * UNIT_S)) for number in (3, 5, 4, 1, 2))
    accounting.settle()
    assert [digest for digest, _ in accounting.items()] == [
        digest_of(number) for number in (5, 4, 3, 2, 1, 0)
    ]
    assert accounting.total_bytes == 60
    assert len(accounting) == 6


def test_a_snapshot_does_not_change_while_it_is_read() -> None:
    accounting = Accounting(recent=2)
    for number in range(50):
        accounting.add(digest_of(number), 1, NOW + number)
    items = accounting.items()
    first = list(itertools.islice(items, 10))
    for number in range(50):
        accounting.remove(digest_of(number))
        accounting.add(digest_of(100 + number), 1, NOW)
    rest = list(items)
    assert {digest for digest, _ in first + rest} == {digest_of(number) for number in range(50)}


def test_a_key_that_lies_across_a_row_is_not_taken_for_one() -> None:
    packed = PackedEntries()
    first, second = Sha256("ab" * 32), Sha256("ab" * 2 + "cd" * 30)
    for digest in (first, second):
        packed.put(digest, Entry(0, 0.0))
    # A row is 31 bytes of the digest and 15 of facts, here all zero: this begins in the midst of the first.
    across = Sha256("ab" * 17 + "00" * 15)
    assert across not in packed
    assert packed.pop(across) is None
    packed.put(across, Entry(5, NOW))
    assert [(packed.get(digest) or Entry(9, 0)).size for digest in (first, second, across)] == [0, 0, 5]
