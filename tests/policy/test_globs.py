"""Globs over names and licences: what fnmatch finds, in no more time than the text is long."""

from fnmatch import fnmatchcase
from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.spec import glob_matches


@given(st.text("ab*?.", max_size=12), st.text("ab.\n", max_size=12))
def test_a_glob_matches_what_fnmatch_matches(pattern: str, text: str) -> None:
    assert glob_matches(pattern, text) == fnmatchcase(text, pattern)


def test_a_glob_of_many_stars_is_quick() -> None:
    """Everybody who may read a feed may ask explain about one, and every name is compared with it."""
    began = perf_counter()
    for stars in (10, 100, 240):
        assert not glob_matches("*a" * stars + "b", "a" * 500)
        assert not glob_matches("*?" * stars + "b", "a" * 500)
        assert glob_matches("*a" * stars, "a" * 500)
    assert perf_counter() - began < 5
