"""Name globs are compared with normal names, so they are brought into the normal form of their kind."""

import fnmatch
from pathlib import Path

import pytest

from proxy.config.globs import normalized
from tests.config.loading import loads
from tests.support.cost import assert_linear

CONDA = '[feeds.conda]\nkind = "conda"\n'
PYPI = '[feeds.pypi]\nkind = "pypi"\n'


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("Corp*", "corplib"), ("Corp_*", "corp-x"), ("corp.-_x", "corp-x"), ("?orp__x", "corp-x"),
        ("[C]orp-*", "corp-x"), ("corp[._]x", "corp-x"), ("corp[-_]x", "corp-x"), ("[!d]orp.x", "corp-x"),
        ("corp[a-c]", "corpb"), ("*_X", "corp-x"),
    ],
)  # fmt: skip
def test_a_pypi_glob_matches_the_normal_name_however_it_is_written(glob: str, name: str) -> None:
    (normal,) = normalized((glob,), "pypi")
    assert fnmatch.fnmatchcase(name, normal)


def test_a_set_of_separators_matches_nothing_more() -> None:
    (normal,) = normalized(("corp[!_.]x",), "pypi")
    assert not fnmatch.fnmatchcase("corp-x", normal)
    assert fnmatch.fnmatchcase("corpax", normal)


def test_a_conda_glob_is_only_put_into_lower_case() -> None:
    assert normalized(("Corp_*", "a.[B]-c"), "conda") == ("corp_*", "a.[b]-c")


def test_globs_that_mean_the_same_are_one() -> None:
    assert normalized(("corp-*", "Corp_*"), "pypi") == ("corp-*",)


def test_pypi_globs_of_a_feed_and_its_upstreams_are_normal(tmp_path: Path) -> None:
    entry = '{ url = "https://h/simple/", private = true, only = ["Corp_*"], except = ["A.B"] }'
    feed = loads(tmp_path, f'{PYPI}reserved = ["Corp*", "X__y"]\nupstreams = [{entry}]\n').settings.feeds[
        "pypi"
    ]
    assert feed.reserved == ("corp*", "x-y")
    assert (feed.upstreams[0].only, feed.upstreams[0].except_) == (("corp-*",), ("a-b",))


def test_conda_globs_of_a_feed_and_its_upstreams_are_normal(tmp_path: Path) -> None:
    entry = '{ url = "https://h/chan/", private = true, only = ["Corp_*"], except = ["A.B"] }'
    feed = loads(tmp_path, f'{CONDA}reserved = ["Corp*"]\nupstreams = [{entry}]\n').settings.feeds["conda"]
    assert feed.reserved == ("corp*",)
    assert (feed.upstreams[0].only, feed.upstreams[0].except_) == (("corp_*",), ("a.b",))


@pytest.mark.parametrize("unit", ["[", "[]", "[!", "[a", "]", "-_.", "[1,"])
def test_cost_of_a_glob_is_linear(unit: str) -> None:
    assert_linear(lambda glob: normalized((glob,), "pypi"), lambda n: unit * (n // len(unit)), 8_000)


@pytest.mark.parametrize(
    ("glob", "normal"),
    [("a[_.]b[", "a[-]b["), ("A__b[c_d", "a-b[c-d"), ("]_", "]-"), ("a]_[_", "a]-[-"), ("[]_]x", "[]-]x")]
)  # fmt: skip
def test_bracket_that_is_never_closed_begins_no_set(glob: str, normal: str) -> None:
    assert normalized((glob,), "pypi") == (normal,)
