"""The order of the rules: Anaconda's mirror tool's (conda sheet 14.2), with its worked examples."""

import pytest

from proxy.model.verdict import Outcome
from proxy.policy.facts import Facts
from tests.policy.made import conda, names_shown, pypi, shown, verdict

LINUX = ["linux-64", "noarch"]


def channel() -> list[Facts]:
    """A small channel: each name on linux-64 and osx-64."""
    rows = [
        ("dnspython 1.12.0 py33_0", "BSD-like", "BSD"),
        ("shapely 1.5.1 py33_0", "BSD", "BSD"),
        ("gdal 1.11.1 np19py33_0", "MIT", "MIT"),
        ("astropy 1.0 np19py34_0", "BSD", "BSD"),
        ("pygments 2.0 py27_0", "BSD", "BSD"),
        ("accelerate 1.8 np19py33_p0", "proprietary - Continuum Analytics, Inc.", "Proprietary"),
        ("pyqt 4.10.4 py33_0", "GPL3", "GPL3"),
        ("zope 1.0 py27_0", "ZPL 2.1", "Other"),
        ("readline 6.2 2", "GPL3", "GPL3"),
        ("mysql 5.5 0", "GPL2", "GPL2"),
        ("git 1.9 0", "GPL-2.0-only", "GPL2"),
        ("gnutls 3.3 0", "LGPL", "LGPL"),
        ("python 3.3.5 3", "PSF", "PSF"),
        ("python 2.7.8 1", "PSF", "PSF"),
        ("zlib 1.2.8 0", "zlib", "Other"),
    ]
    return [
        conda(spec, subdir, license=license, family=family)
        for spec, license, family in rows
        for subdir in ("linux-64", "osx-64")
    ]


ALL = {each.name for each in channel()}


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ({"platforms": ["linux-64"], "only": ["dnspython", "shapely", "gdal"]}, {"dnspython", "shapely", "gdal"}),
        ({"platforms": LINUX, "block_licenses": ["GPL2"], "block": ["pyqt"]}, ALL - {"mysql", "git", "pyqt"}),
        ({"platforms": LINUX, "block": ["accelerate", "astropy", "pygments"], "allow": ["accelerate"]},
         ALL - {"astropy", "pygments"}),
        ({"platforms": LINUX, "block_licenses": ["GPL2", "GPL3"], "allow": ["readline"]},
         ALL - {"mysql", "git", "pyqt"}),
        ({"platforms": LINUX, "only": ["accelerate", "pyqt", "zope"]}, {"accelerate", "pyqt", "zope"}),
        ({"platforms": LINUX, "python_versions": ["3.3"]}, ALL - {"astropy", "pygments", "zope"}),
        ({"platforms": LINUX, "block_licenses": ["BSD", "GPL2", "GPL3"]},
         {"gdal", "accelerate", "zope", "gnutls", "python", "zlib"}),
    ],
    ids=["three-names", "but-gpl2-and-pyqt", "accelerate-allowed", "readline-allowed", "alone", "3.3", "bsd"],
)  # fmt: skip
def test_worked_example_of_the_mirror_tool(table: dict[str, list[str]], names: set[str]) -> None:
    assert names_shown(table, channel()) == names
    assert {artifact.split("/")[0] for artifact in shown(table, channel())} == {"linux-64"}


def test_python_3_3_alone_shows_that_python_and_no_other() -> None:
    found = shown({"platforms": ["linux-64"], "python_versions": ["3.3"]}, channel())
    assert [each for each in found if "/python-" in each] == ["linux-64/python-3.3.5-3.conda"]


def test_allow_does_not_bring_back_what_platforms_or_pythons_leave_out() -> None:
    table = {"platforms": ["linux-64"], "python_versions": ["3.11"], "block": ["foo"], "allow": ["foo"]}
    assert verdict(table, conda("foo", "osx-64")).rule == "platforms"
    assert verdict(table, conda("foo 1 py36_0")).rule == "python_versions"
    assert verdict(table, conda("foo 1 py311_0")).rule == "allow"


def test_allow_does_not_bring_back_what_later_rules_hide() -> None:
    young = conda("foo", uploaded_ms=1_795_000_000_000)
    table = {
        "block": ["foo"],
        "allow": ["foo"],
        "min_age": 7 * 86400,
        "prereleases": False,
        "max_size": 10**6,
    }
    assert verdict(table, young).rule == "min_age"
    assert verdict(table, conda("foo 1.0rc1")).rule == "prereleases"
    assert verdict(table, conda("foo", size=10**6 + 1)).rule == "max_size"


def test_allow_may_name_versions_only() -> None:
    table = {"block": ["openssl"], "allow": ["openssl >=3"]}
    assert not verdict(table, conda("openssl 1.1.1")).is_visible
    assert verdict(table, conda("openssl 3.0.1")).is_visible


def test_block_is_told_before_a_hold_that_ends() -> None:
    young = conda("foo 1.0rc1", uploaded_ms=1_795_000_000_000)
    found = verdict({"min_age": 7 * 86400, "prereleases": False}, young)
    assert (found.outcome, found.rule, found.until) == (Outcome.BLOCK, "prereleases", None)


def test_hold_is_told_before_a_warning() -> None:
    young = conda("foo", license="see COPYING", uploaded_ms=1_795_000_000_000)
    found = verdict({"min_age": 7 * 86400, "unknown_license": "warn"}, young)
    assert (found.outcome, found.rule) == (Outcome.HOLD, "min_age")


def test_pypi_lists_mean_what_the_pypi_mirror_tool_means() -> None:
    files = [pypi(f"{name}-1.0.tar.gz") for name in ("django", "flask", "tk")]
    assert names_shown({"pypi": {"pkg_list": ["Django"]}}, files, "pypi") == {"django"}
    assert names_shown({"pypi": {"allowlist": ["django", "tk"]}}, files, "pypi") == {"django", "tk"}
    assert names_shown({"pypi": {"blocklist": ["tk"]}}, files, "pypi") == {"django", "flask"}
    both = {"pypi": {"allowlist": ["django", "tk"], "blocklist": ["tk"]}}
    assert names_shown(both, files, "pypi") == {"django"}
    ignored = {"pypi": {"pkg_list": ["tk"], "allowlist": ["django"], "blocklist": ["tk"]}}
    assert names_shown(ignored, files, "pypi") == {"tk"}


def test_allow_does_not_bring_back_what_the_pypi_block_list_removed() -> None:
    table = {"block": ["tk"], "allow": ["tk"], "pypi": {"blocklist": ["tk"]}}
    assert verdict(table, pypi("tk-1.0.tar.gz"), "pypi").rule == "pypi.blocklist"


def test_pypi_lists_do_not_touch_conda_feeds() -> None:
    assert verdict({"pypi": {"pkg_list": ["django"], "blocklist": ["tk"]}}, conda("tk")).is_visible
