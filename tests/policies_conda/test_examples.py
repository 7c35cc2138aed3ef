"""The worked examples of Anaconda's mirror tool (conda sheet 14.2), through the server. Platform first in each."""

from typing import Any

import pytest

from tests.policies_conda.judged import Ruled
from tests.support.conda_packages import bare

_ROWS = (
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
)
ALL = {row.split()[0] for row, *_ in _ROWS}
LINUX = ["linux-64", "noarch"]


def catalog(ruled: Ruled) -> None:
    for row, license, family in _ROWS:
        name, version, build = row.split()
        for subdir in ("linux-64", "osx-64"):
            made = bare(name, version, build, subdir=subdir, license=license, license_family=family)
            ruled.channel.add(made)


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
async def test_worked_example(ruled: Ruled, table: dict[str, Any], names: set[str]) -> None:
    catalog(ruled)
    await ruled.start(**table)
    assert await ruled.names("linux-64") == names
    assert await ruled.shown("osx-64") == set()
    if "python_versions" in table:
        assert {path for path in await ruled.shown() if "/python-" in path} == {
            "linux-64/python-3.3.5-3.conda"
        }
