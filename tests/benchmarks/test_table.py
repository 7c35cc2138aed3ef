"""The benchmarks' verdicts and their content are right; what they measure is not asserted anywhere."""

import json
from typing import Literal

import pytest

from benchmarks.site import SMALL_PAGE_FILES, project_page
from benchmarks.table import Row, as_json, markdown


@pytest.mark.parametrize(
    ("better", "value", "verdict"),
    [
        ("higher", 0.3, "BELOW"),
        ("higher", 0.4, "floor"),
        ("higher", 0.9, "aim"),
        ("lower", 0.3, "aim"),
        ("lower", 0.95, "BELOW"),
    ],
)
def test_verdict_is_about_floor_and_aim(
    better: Literal["higher", "lower"], value: float, verdict: str
) -> None:
    floor, aim = (0.4, 0.9) if better == "higher" else (0.9, 0.4)
    assert Row(name="x", ours="1", value=value, floor=floor, aim=aim, better=better).verdict == verdict


def test_a_row_without_a_floor_is_only_measured() -> None:
    row = Row(name="a|b", ours="1", value=2)
    assert row.verdict == "measured"
    assert "| a/b | 1 | – | 2 × | – | – | measured |" in markdown([row])
    assert json.loads(as_json([row], {"at": "now"}))["rows"][0]["verdict"] == "measured"


def test_the_measured_pages_are_the_same_in_every_run_and_of_their_size() -> None:
    page = project_page("page31k", SMALL_PAGE_FILES)
    assert page == project_page("page31k", SMALL_PAGE_FILES)
    assert 30_000 <= len(page) <= 33_000
