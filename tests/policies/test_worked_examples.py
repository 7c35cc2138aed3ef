"""The worked examples of the conda mirror tool, as the README has them, through py-rattler."""

import re
from pathlib import Path

import pytest
import rattler
from rattler import Channel

from proxy.config.load import Loaded
from proxy.policy.settings import Policy
from tests.conda_feed.stand import Stand
from tests.config.loading import loads
from tests.policies_conda.test_examples import _ROWS, ALL
from tests.support.conda_packages import bare
from tests.test_readme import examples

#: policy -> the names that are left of the small channel.
LEFT = {
    "three": {"dnspython", "shapely", "gdal"},
    "without-gpl2": ALL - {"mysql", "git", "pyqt"},
    "accelerate-allowed": ALL - {"astropy", "pygments"},
    "readline-allowed": ALL - {"mysql", "git", "pyqt"},
    "alone": {"accelerate", "pyqt", "zope"},
    "python33": ALL - {"astropy", "pygments", "zope"},
    "neither": {"gdal", "accelerate", "zope", "gnutls", "python", "zlib"},
}


def policies(folder: Path) -> dict[str, Policy]:
    """Return the policies of the README's examples."""
    text = "\n".join(example for example in examples("Policies") if re.match(r"\[policies\.", example))
    loaded: Loaded = loads(folder, text)
    return dict(loaded.settings.policies)


@pytest.mark.parametrize(("name", "left"), LEFT.items(), ids=LEFT)
async def test_worked_example_of_the_readme_through_rattler(
    stand: Stand, tmp_path: Path, name: str, left: set[str]
) -> None:
    for row, license, family in _ROWS:
        package, version, build = row.split()
        for subdir in ("linux-64", "osx-64"):
            stand.channel.add(
                bare(package, version, build, subdir=subdir, license=license, license_family=family)
            )
    subdirs = ("linux-64", "osx-64", "noarch")
    await stand.start(subdirs=subdirs, policy=name, policies=tuple(policies(tmp_path).values()))
    channel = Channel(f"{stand.gateway.url}/conda/chan")
    gateway = rattler.Gateway(cache_dir=tmp_path / "rattler")
    found = await gateway.query([channel], ["linux-64", "osx-64", "noarch"], sorted(ALL), recursive=False)
    records = [record for answer in found for record in answer]
    assert {record.name.normalized for record in records} == left
    assert {record.subdir for record in records} == {"linux-64"}
