"""Freshness is a pure decision: what may be used, what must be asked for again, and how long anybody waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.feeds.freshness import (
    BACKOFF_S,
    OLD_PATIENCE_S,
    OLD_S,
    PATIENCE_S,
    Expired,
    Fresh,
    Freshness,
    Limits,
    Resting,
    Stale,
    decide,
    rest_s,
)

LIMITS = Limits(ttl_s=600, negative_ttl_s=60, stale_if_error_s=7 * 86400)
NOW = 1_800_000_000_000


def judged(
    age_s: float, *, is_present: bool = True, failures: int = 0, failed_ago_s: float = 0.0
) -> Freshness:
    return decide(
        is_present=is_present, checked_at_ms=int(NOW - age_s * 1000), failures=failures,
        failed_at_ms=int(NOW - failed_ago_s * 1000), now_ms=NOW, limits=LIMITS,
    )  # fmt: skip


def test_a_page_within_its_ttl_is_fresh_for_the_rest_of_it() -> None:
    assert judged(100) == Fresh(500)


def test_a_page_past_its_ttl_is_asked_for_and_waited_for_briefly() -> None:
    assert judged(601) == Stale(PATIENCE_S)


def test_a_page_of_last_week_is_worth_a_longer_wait() -> None:
    assert judged(OLD_S + 1) == Stale(OLD_PATIENCE_S)


def test_an_origin_that_just_failed_is_left_alone() -> None:
    assert judged(700, failures=1, failed_ago_s=1) == Resting(BACKOFF_S[0] - 1)


def test_an_origin_is_asked_again_after_its_rest() -> None:
    assert judged(700, failures=1, failed_ago_s=BACKOFF_S[0] + 1) == Stale(PATIENCE_S)


def test_a_page_older_than_stale_if_error_is_not_used_without_the_origins_word() -> None:
    assert judged(600 + 7 * 86400 + 1) == Expired()


@pytest.mark.parametrize(("age_s", "expected"), [(59, Fresh(1)), (61, Expired())])
def test_no_such_name_is_believed_for_the_negative_ttl_only(age_s: float, expected: Freshness) -> None:
    assert judged(age_s, is_present=False) == expected


def test_a_clock_that_jumped_back_costs_one_refetch_and_keeps_the_copy_usable() -> None:
    assert judged(-3 * 86400) == Stale(PATIENCE_S)


def test_a_clock_that_jumped_back_does_not_prolong_a_rest() -> None:
    assert judged(700, failures=9, failed_ago_s=-3 * 86400) == Stale(PATIENCE_S)


@given(failures=st.integers(1, 10_000), ago_s=st.floats(0, 1e6))
def test_a_rest_is_never_longer_than_its_bound(failures: int, ago_s: float) -> None:
    assert 0 <= rest_s(failures, int(NOW - ago_s * 1000), NOW) <= BACKOFF_S[1]
