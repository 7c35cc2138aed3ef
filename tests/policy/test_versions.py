"""conda's order of versions, and which of them are pre-releases."""

from itertools import pairwise

import pytest

from proxy.policy.conda_version import version_key
from proxy.policy.prereleases import is_prerelease
from tests.policy.made import pypi, shown
from tests.policy.vectors import vectors


def test_real_versions_sort_as_conda_sorts_them() -> None:
    groups = vectors("version_order")["groups"]
    wrong = [
        (lower[0], higher[0])
        for lower, higher in pairwise(groups)
        if not version_key(lower[0]) < version_key(higher[0])
    ]
    assert wrong == []


def test_versions_that_conda_calls_equal_are_one() -> None:
    groups = vectors("version_order")["groups"]
    assert [group for group in groups if len({version_key(each) for each in group}) > 1] == []


@pytest.mark.parametrize(
    "version",
    ["1.8a1", "1.8.rc1", "2.0b3", "1.8.dev1", "1.0.dev0", "3.0-alpha", "1.0rc", "0.1.0.dev", "1.1_beta2"],
)
def test_conda_version_is_a_prerelease(version: str) -> None:
    assert is_prerelease("conda", version)


@pytest.mark.parametrize(
    "version",
    [
        "1.8",
        "1.0.1a",
        "9b",
        "2013b",
        "1.8.post1",
        "1.8+rc1",
        "2.0.0_1",
        "r12",
        "v1.0",
        "1.5.5_dfsg",
        "20180101",
        "1.2c",
    ],
)
def test_conda_version_is_a_release(version: str) -> None:
    assert not is_prerelease("conda", version)


@pytest.mark.parametrize(
    ("version", "is_one"),
    [
        ("1.0rc1", True),
        ("1.0.dev1", True),
        ("1.0.post1", False),
        ("1.0+cu124", False),
        (None, False),
        ("x", False),
    ],
)
def test_pypi_prereleases_are_those_of_pep_440(version: str | None, is_one: bool) -> None:
    assert is_prerelease("pypi", version) is is_one


def test_version_of_more_digits_than_python_reads_is_none() -> None:
    facts = [pypi(f"foo-{version}.tar.gz", version=version) for version in ("1.0", "9" * 5000)]
    assert shown({"prereleases": False, "keep_versions": 1}, facts, "pypi") == ["foo-1.0.tar.gz"]
