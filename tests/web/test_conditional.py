"""Preconditions (RFC 9110, 13): which headers make a 304, a 412, a whole instead of a part."""

import pytest
from multidict import CIMultiDict

from proxy.web.conditional import Outcome, evaluate, range_still_holds

TAG = "abc"
CHANGED = "Mon, 02 Nov 2026 09:00:00 GMT"
EARLIER = "Mon, 02 Nov 2026 08:59:59 GMT"
LATER = "Mon, 02 Nov 2026 09:00:01 GMT"


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({}, Outcome.SEND),
        ({"If-None-Match": '"abc"'}, Outcome.NOT_MODIFIED),
        ({"If-None-Match": 'W/"abc"'}, Outcome.NOT_MODIFIED),
        ({"If-None-Match": '"x", W/"y" ,"abc"'}, Outcome.NOT_MODIFIED),
        ({"If-None-Match": "*"}, Outcome.NOT_MODIFIED),
        ({"If-None-Match": '"abcd"'}, Outcome.SEND),
        ({"If-None-Match": "abc"}, Outcome.SEND),
        ({"If-None-Match": ""}, Outcome.SEND),
        ({"If-Modified-Since": CHANGED}, Outcome.NOT_MODIFIED),
        ({"If-Modified-Since": LATER}, Outcome.NOT_MODIFIED),
        ({"If-Modified-Since": EARLIER}, Outcome.SEND),
        ({"If-Modified-Since": "yesterday"}, Outcome.SEND),
        ({"If-Modified-Since": f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT"}, Outcome.SEND),
        ({"If-Modified-Since": f"Mon, 01 Jan 2020 00:00:00 +{'9' * 20}"}, Outcome.SEND),
        ({"If-None-Match": '"x"', "If-Modified-Since": LATER}, Outcome.SEND),
        ({"If-Match": '"abc"'}, Outcome.SEND),
        ({"If-Match": "*"}, Outcome.SEND),
        ({"If-Match": 'W/"abc"'}, Outcome.FAILED),
        ({"If-Match": '"x"', "If-None-Match": '"abc"'}, Outcome.FAILED),
        ({"If-Unmodified-Since": CHANGED}, Outcome.SEND),
        ({"If-Unmodified-Since": EARLIER}, Outcome.FAILED),
        ({"If-Match": '"abc"', "If-Unmodified-Since": EARLIER}, Outcome.SEND),
    ],
)
def test_preconditions_follow_the_rfcs_order(headers: dict[str, str], outcome: Outcome) -> None:
    assert evaluate(CIMultiDict(headers), TAG, CHANGED) is outcome


@pytest.mark.parametrize("header", ["If-Modified-Since", "If-Unmodified-Since"])
def test_date_means_nothing_without_last_modified(header: str) -> None:
    assert evaluate(CIMultiDict({header: EARLIER}), TAG, None) is Outcome.SEND


def test_untagged_answer_is_never_unmodified_by_tag() -> None:
    assert evaluate(CIMultiDict({"If-None-Match": '""'}), None, None) is Outcome.SEND


@pytest.mark.parametrize(
    ("if_range", "holds"),
    [
        (None, True), ('"abc"', True), (' "abc" ', True), ('W/"abc"', False), ('"old"', False), ("abc", False),
        (CHANGED, True), (EARLIER, False), (LATER, False), ("", False), ('"abc", "x"', False), ("*", False),
    ],
)  # fmt: skip
def test_if_range_is_compared_strongly(if_range: str | None, holds: bool) -> None:
    assert range_still_holds(if_range, TAG, CHANGED) is holds


@pytest.mark.parametrize("if_range", ['"abc"', CHANGED])
def test_if_range_never_holds_without_a_validator(if_range: str) -> None:
    assert not range_still_holds(if_range, None, None)
