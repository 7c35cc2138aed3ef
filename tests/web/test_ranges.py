"""Ranges against a slow oracle (RFC 9110, 14; E13)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.web.ranges import Part, Unsatisfiable, Whole, select_range

SIZES = st.integers(0, 60)
NUMBERS = st.integers(0, 70)


@given(NUMBERS, NUMBERS, SIZES)
def test_closed_range_is_the_positions_it_names(first: int, last: int, size: int) -> None:
    wanted = [at for at in range(size) if first <= at <= last]
    if last < first:
        assert select_range(f"bytes={first}-{last}", size) == Whole()
    else:
        assert _positions(select_range(f"bytes={first}-{last}", size), size) == wanted


@given(NUMBERS, SIZES)
def test_open_range_runs_to_the_end(first: int, size: int) -> None:
    assert _positions(select_range(f"bytes={first}-", size), size) == list(range(size))[first:]


@given(NUMBERS, SIZES)
@example(0, 10)
def test_suffix_is_the_last_bytes_and_never_more_than_all(length: int, size: int) -> None:
    wanted = list(range(size))[max(0, size - length) :] if length else []
    assert _positions(select_range(f"bytes=-{length}", size), size) == wanted


@given(st.text(max_size=20), SIZES)
def test_any_header_is_answered_within_the_file(header: str, size: int) -> None:
    match select_range(header, size):
        case Part(start, stop):
            assert 0 <= start < stop <= size
        case Whole() | Unsatisfiable():
            pass


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,3-4", "bytes=" + ",".join(["0-9"] * 1000), "items=0-1", "bytes", "bytes=", "bytes=-", "bytes=a-b",
        "bytes=1-0", "bytes=0x1-2", "bytes=+1-2", "bytes=1 - 2", "bytes=\u0661-", "0-1", "bytes=" + "9" * 5000 + "-",
    ],
)  # fmt: skip
def test_header_that_is_not_one_range_is_answered_with_the_whole(header: str) -> None:
    assert select_range(header, 100) == Whole()


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999-"])
def test_range_outside_cannot_be_satisfied(header: str) -> None:
    assert select_range(header, 100) == Unsatisfiable()


@pytest.mark.parametrize("header", ["bytes=0-4", "BYTES=0-4", "bytes= 0-4 ", "bytes=,0-4,"])
def test_spelling_of_one_range_does_not_matter(header: str) -> None:
    assert select_range(header, 100) == Part(0, 5)


def _positions(chosen: Whole | Part | Unsatisfiable, size: int) -> list[int]:
    match chosen:
        case Part(start, stop):
            return list(range(start, stop))
        case Whole():
            return list(range(size))
        case Unsatisfiable():
            return []
