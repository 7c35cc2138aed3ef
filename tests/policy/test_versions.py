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
    [
        "1.8a1", "1.8.rc1", "2.0b3", "1.8.dev1", "1.0.dev0", "3.0-alpha", "1.0rc", "0.1.0.dev", "1.1_beta2", "0.5C1",
        "0.1.0a20171029", "2.3.90dev7d621d9", "1.0.0.dev75225b9", "2.0Beta10a", "1.1_r751_beta", "3.0.b127", "2.0.RC",
        "1.14a1.dev28", "4.0a1.2.7.2", "dev", "1!1.0rc1", "20180101b1",
    ],
)  # fmt: skip
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
        "0.4.0.106.gf8a69d0",
        "9.0.0.6454.b4445ee52.1",
        "R15B01",
        "1.0.b4445252",
        "1.0.4445b52",
        "1.0.12b4567",
        "0.10.6_eaf8fb68",
        "4.0b8cc",
        "5.9375b",
        "0.6.stable.201601.18.g517dc87",
        "1!2.0.1a",
    ],
)
def test_conda_version_is_a_release(version: str) -> None:
    assert not is_prerelease("conda", version)


def test_real_conda_versions_are_prereleases_by_their_segments() -> None:
    versions = [version for group in vectors("version_order")["groups"] for version in group]
    found = {version for version in versions if is_prerelease("conda", version)}
    hashes = {"0.4.0.106.gf8a69d0", "9.0.0.6454.b4445ee52.1", "R15B01", "4.0b8cc"}
    assert not found & hashes
    assert len(found) == 186 or len(versions) < 4546  # the committed part is smaller


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
