"""What is remembered of a name whose bytes came only grows; a digest whose bytes never came binds nobody."""

from collections.abc import Mapping
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.state.sighting import MAX_DIGESTS, Had, Seen, Sighting, Standing, accept, land, merge, pack, unpack

A, B, C = "a" * 64, "b" * 64, "md5:0123456789abcdef"

names = st.sampled_from(["x-1.0.whl", "x-1.0.tar.gz", "x-2.0.whl"])
digests = st.none() | st.sampled_from([A, B, C])
listings = st.dictionaries(names, digests)
moments = st.integers(min_value=0, max_value=2**42)
histories = st.lists(st.tuples(listings, moments), min_size=1, max_size=25)


def replayed(history: list[tuple[Mapping[str, str | None], int]]) -> list[Sighting]:
    steps, sighting = [], None
    for files, now_ms in history:
        sighting = bound(merge(sighting, files, now_ms, is_initial=True)[0])
        steps.append(sighting)
    return steps


def bound(sighting: Sighting) -> Sighting:
    """Return what is remembered once all bytes came, as rows are that were written before this was noted."""
    return Sighting(
        {
            name: Seen(
                seen.first_ms, seen.is_initial, tuple(Had(had.packed, had.since_ms) for had in seen.digests)
            )
            for name, seen in sighting.files.items()
        }
    )


@given(histories)
def test_first_sight_never_moves_and_no_file_is_forgotten(
    history: list[tuple[Mapping[str, str | None], int]],
) -> None:
    steps = replayed(history)
    for (files, _), sighting in zip(history, steps, strict=True):
        assert set(files) <= set(sighting.files)
    for earlier, later in pairwise(steps):
        for name, seen in earlier.files.items():
            assert later.files[name].first_ms == seen.first_ms
            assert later.files[name].is_initial == seen.is_initial
            assert {had.packed for had in seen.digests} <= {had.packed for had in later.files[name].digests}


@given(histories)
def test_times_of_a_history_do_not_go_backwards_when_the_clock_does(
    history: list[tuple[Mapping[str, str | None], int]],
) -> None:
    for seen in replayed(history)[-1].files.values():
        times = [seen.first_ms, *(had.since_ms for had in seen.digests)]
        assert times == sorted(times)


@given(histories, listings, moments)
def test_the_same_listing_again_changes_nothing(
    history: list[tuple[Mapping[str, str | None], int]], files: Mapping[str, str | None], now_ms: int
) -> None:
    once, _ = merge(replayed(history)[-1], files, now_ms, is_initial=False)
    again, drifts = merge(once, files, now_ms + 1, is_initial=False)
    assert again is once and drifts == ()


@given(histories)
def test_packing_loses_nothing(history: list[tuple[Mapping[str, str | None], int]]) -> None:
    sighting = replayed(history)[-1]
    assert unpack(pack(sighting)) == sighting


@given(histories)
def test_a_file_is_held_exactly_while_it_differs_from_its_first_digest_or_hides_it(
    history: list[tuple[Mapping[str, str | None], int]],
) -> None:
    first: dict[tuple[str, bool], str] = {}
    last: dict[str, str] = {}
    listed: dict[str, str | None] = {}
    for files, _ in history:
        for name, digest in files.items():
            listed[name] = digest
            if digest is not None:
                first.setdefault((name, ":" in digest), digest)
                last[name] = digest
    changed = {name for name, digest in last.items() if first[name, ":" in digest] != digest}
    weakened = {
        name
        for name, digest in listed.items()
        if (name, False) in first and (digest is None or ":" in digest)
    }
    assert set(replayed(history)[-1].drifts(listed)) == changed | weakened


def test_a_changed_digest_is_a_drift_that_names_both() -> None:
    old = bound(merge(None, {"f": A}, 1000, is_initial=True)[0])
    new, (drift,) = merge(old, {"f": B}, 5000, is_initial=False)
    assert (drift.file, drift.before, drift.after, drift.first_ms, drift.at_ms) == ("f", A, B, 1000, 5000)
    assert [had.digest for had in new.files["f"].digests] == [A, B]


def test_a_digest_told_later_is_no_drift() -> None:
    old, _ = merge(None, {"f": None}, 1000, is_initial=True)
    new, drifts = merge(old, {"f": A}, 5000, is_initial=False)
    assert drifts == () and not new.files["f"].has_drifted


def test_an_origin_that_alternates_does_not_grow_the_row() -> None:
    sighting = None
    for turn in range(200):
        sighting = bound(merge(sighting, {"f": (A, B, C)[turn % 3]}, turn, is_initial=True)[0])
    assert sighting is not None
    kept = sighting.files["f"].digests
    assert len(kept) == MAX_DIGESTS and kept[0].digest == A and kept[-1].since_ms == 199


def test_only_the_first_complete_listing_of_a_name_is_initial() -> None:
    old, _ = merge(None, {"f": A}, 1000, is_initial=True)
    new, _ = merge(old, {"f": A, "g": B}, 5000, is_initial=True)
    assert new.files["f"].is_initial and not new.files["g"].is_initial
    later, _ = merge(None, {"h": A}, 5000, is_initial=False)
    assert not later.files["h"].is_initial


def test_age_counts_from_the_origin_for_initial_files_and_from_first_sight_for_later_ones() -> None:
    assert Seen(5000, True).counts_from_ms(1000) == 1000
    assert Seen(5000, True).counts_from_ms(None) is None
    assert Seen(5000, False).counts_from_ms(1000) == 5000
    assert Seen(5000, False).counts_from_ms(9000) == 9000
    assert Seen(5000, False).counts_from_ms(None) == 5000


@given(moments, moments, st.none() | moments, st.booleans())
def test_no_age_is_negative_when_the_clock_goes_backwards(
    first_ms: int, now_ms: int, origin_ms: int | None, is_initial: bool
) -> None:
    age_ms = Seen(first_ms, is_initial).age_ms(origin_ms, now_ms)
    assert age_ms is None or age_ms >= 0


def test_a_better_algorithm_is_no_drift() -> None:
    weak = bound(merge(None, {"a.whl": "md5:00"}, 1, is_initial=False)[0])
    strong, drifts = merge(weak, {"a.whl": "f" * 64}, 2, is_initial=False)
    assert drifts == ()
    assert not strong.files["a.whl"].has_drifted
    changed, drifts = merge(strong, {"a.whl": "md5:01"}, 3, is_initial=False)
    assert [drift.before for drift in drifts] == ["md5:00"]
    assert changed.files["a.whl"].has_drifted


@pytest.mark.parametrize("later", [None, "md5:00"])
def test_a_digest_that_is_withdrawn_or_weakened_is_drift(later: str | None) -> None:
    strong = bound(merge(None, {"a.whl": A}, 1, is_initial=False)[0])
    weakened, _ = merge(strong, {"a.whl": later}, 2, is_initial=False)
    assert set(weakened.drifts({"a.whl": later})) == {"a.whl"}
    healed, _ = merge(weakened, {"a.whl": A}, 3, is_initial=False)
    assert not healed.drifts({"a.whl": A})


# -- what binds ------------------------------------------------------------------------------------------------

D = "md5:fedcba9876543210"


@given(histories, st.sampled_from([A, B, C]))
def test_a_file_of_which_no_bytes_came_never_drifts(
    history: list[tuple[Mapping[str, str | None], int]], told: str
) -> None:
    sighting, listed = None, dict[str, str | None]()
    for files, now_ms in history:
        before = sighting
        sighting, drifts = merge(sighting, files, now_ms, is_initial=True)
        listed |= files
        assert drifts == () and sighting.drifts(listed) == {}
        for name, seen in sighting.files.items():
            assert before is None or name not in before.files or seen.first_ms >= before.files[name].first_ms


@pytest.mark.parametrize(("before", "after"), [(A, B), (C, D), (A, C), (A, None)])
def test_a_change_before_any_bytes_came_is_a_new_first_sight(before: str, after: str | None) -> None:
    old, _ = merge(None, {"f": before}, 1000, is_initial=True)
    new, drifts = merge(old, {"f": after}, 5000, is_initial=False)
    seen = new.files["f"]
    assert (drifts, seen.first_ms, seen.is_initial, new.drifts({"f": after})) == ((), 5000, False, {})
    assert seen.age_ms(0, 6000) == 1000
    assert merge(new, {"f": after}, 9000, is_initial=False)[0] is new


@pytest.mark.parametrize(("before", "after"), [(A, B), (C, D), (A, C), (A, None)])
def test_a_change_after_the_bytes_came_is_a_drift(before: str, after: str | None) -> None:
    old, _ = merge(None, {"f": before}, 1000, is_initial=True)
    held = land(old, "f", A, (before,))
    assert held is not None and land(held, "f", A, (before,)) is None
    new, _ = merge(held, {"f": after}, 5000, is_initial=False)
    assert new.drifts({"f": after}).keys() == {"f"}
    change = new.files["f"].change(after)
    assert (change.before, change.after) == (before, after)
    assert change.since_ms == (5000 if after is not None else None)
    assert (new.files["f"].first_ms, new.files["f"].is_initial) == (1000, True)


def test_bytes_of_another_listing_say_nothing() -> None:
    old, _ = merge(None, {"f": A}, 1000, is_initial=True)
    assert land(old, "f", B, ()) is None
    assert land(old, "g", A, ()) is None


@pytest.mark.parametrize("told", [C, None])
def test_what_bytes_were_found_to_be_binds_an_index_that_tells_a_sha256_later(told: str | None) -> None:
    old, _ = merge(None, {"f": told}, 1000, is_initial=True)
    held = land(old, "f", A, () if told is None else (told,))
    assert held is not None and held.drifts({"f": told}) == {}
    same, drifts = merge(held, {"f": A}, 5000, is_initial=False)
    assert drifts == () and same.drifts({"f": A}) == {}
    other, drifts = merge(held, {"f": B}, 5000, is_initial=False)
    assert len(drifts) == 1 and other.drifts({"f": B}).keys() == {"f"}


@pytest.mark.parametrize(("before", "after"), [(A, B), (C, D), (A, C)])
def test_an_accepted_change_binds_and_is_as_old_as_the_change(before: str, after: str) -> None:
    old, _ = merge(None, {"f": before}, 1000, is_initial=True)
    held = land(old, "f", A, (before,))
    changed, _ = merge(held, {"f": after}, 5000, is_initial=False)
    taken = accept(changed, "f")
    assert taken.drifts({"f": after}) == {}
    assert (taken.files["f"].first_ms, taken.files["f"].is_initial) == (5000, False)
    assert taken.files["f"].digests[-1].standing is Standing.ACCEPTED
    assert merge(taken, {"f": after}, 6000, is_initial=False)[0] is taken
    other = "c" * 64 if ":" not in after else "md5:00"
    again, drifts = merge(taken, {"f": other}, 7000, is_initial=False)
    assert len(drifts) == 1 and again.drifts({"f": other}).keys() == {"f"}


def test_a_row_that_was_written_before_bytes_were_noted_binds() -> None:
    row = msgspec.msgpack.encode([{"f": [1000, True, [[b"\0" + bytes.fromhex(A), 1000]]]}])
    new, drifts = merge(unpack(row), {"f": B}, 5000, is_initial=False)
    assert len(drifts) == 1 and new.files["f"].has_drifted
