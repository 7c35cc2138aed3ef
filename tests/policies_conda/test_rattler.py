"""py-rattler through feeds with policies: what it finds, solves and installs (a policy with each key)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import rattler
from rattler import BuildString, Channel, Gateway, GenericVirtualPackage, PackageName, SourceConfig, Version
from rattler.exceptions import SolverError

from tests.policies_conda.judged import Ruled
from tests.support.conda_packages import bare, package, python

FORMS = {
    "shards": SourceConfig(),
    "zst": SourceConfig(sharded_enabled=False),
    "json": SourceConfig(sharded_enabled=False, zstd_enabled=False, bz2_enabled=False),
}
PLATFORMS: Final = ("linux-64", "noarch")


def catalog(ruled: Ruled) -> None:
    """A tool in Python, of which the newer version needs a library that nobody may have."""
    ruled.channel.add(
        package("tool", "2.0", noarch="python", depends=("python >=3.11", "lib >=3")),
        package("tool", "1.0", noarch="python", depends=("python >=3.11", "lib")),
        package("lib", "3.0"), package("lib", "2.0"), package("lib", "2.0", extension=".tar.bz2"),
        python(), bare("pip", subdir="noarch"),
    )  # fmt: skip


async def solved(ruled: Ruled, cache: Path, *specs: str, form: str = "shards") -> dict[str, Any]:
    gateway = Gateway(cache_dir=cache, default_config=FORMS[form])
    linux = GenericVirtualPackage(PackageName("__linux"), Version("6.8"), BuildString("0"))
    found = await rattler.solve(
        [Channel(f"{ruled.stand.gateway.url}/conda/chan")], list(specs), gateway=gateway, platforms=PLATFORMS,
        virtual_packages=[linux],
    )  # fmt: skip
    return {each.name.normalized: each for each in found}


def versions(found: dict[str, Any]) -> dict[str, str]:
    return {name: str(record.version) for name, record in found.items()}


@pytest.mark.parametrize("form", FORMS)
async def test_the_solver_takes_what_the_policy_leaves(ruled: Ruled, form: str, tmp_path: Path) -> None:
    catalog(ruled)
    await ruled.start(block=["lib >=3"])
    found = await solved(ruled, tmp_path, "tool", form=form)
    assert versions(found) == {"tool": "1.0", "lib": "2.0", "python": "3.11.9"}


async def test_an_install_from_a_feed_with_a_policy(ruled: Ruled, tmp_path: Path) -> None:
    catalog(ruled)
    await ruled.start(only=["tool"], include_dependencies=True, python_versions=["3.11"])
    found = await solved(ruled, tmp_path / "repodata", "tool")
    prefix = tmp_path / "prefix"
    await rattler.install(
        list(found.values()), target_prefix=prefix, cache_dir=tmp_path / "packages", show_progress=False
    )
    assert sorted(path.name for path in (prefix / "conda-meta").glob("*.json")) == [
        "lib-3.0-0.json", "python-3.11.9-h0_0_cpython.json", "tool-2.0-0.json",
    ]  # fmt: skip


async def test_an_environment_that_was_solved_before_a_block_is_not_installed(
    ruled: Ruled, tmp_path: Path
) -> None:
    catalog(ruled)
    await ruled.start(block=["nothing-else"])
    found = await solved(ruled, tmp_path / "repodata", "lib ==3.0")
    await ruled.change(block=["lib"])
    with pytest.raises(Exception, match="403"):
        await rattler.install(
            list(found.values()), target_prefix=tmp_path / "prefix", cache_dir=tmp_path / "packages",
            show_progress=False,
        )  # fmt: skip
    with pytest.raises(SolverError):
        await solved(ruled, tmp_path / "other", "lib")


#: A policy with each key, and what of `lib` a client can still have.
KEYS: dict[str, tuple[dict[str, Any], Sequence[str]]] = {
    "platforms": ({"platforms": ["noarch"]}, ()),
    "python_versions": ({"python_versions": ["3.12"]}, ("1.0", "1.5", "2.0", "3.0rc1")),
    "only": ({"only": ["lib <2"]}, ("1.0", "1.5")),
    "block_licenses": ({"block_licenses": ["GPL3"]}, ("1.0", "1.5", "2.0", "3.0rc1")),
    "block": ({"block": ["lib ==1.0"]}, ("1.5", "2.0", "3.0rc1", "4.0", "5.0")),
    "allow": ({"block": ["lib"], "allow": ["lib 2.0"]}, ("2.0",)),
    "unknown_license": ({"unknown_license": "block"}, ("1.0", "2.0", "3.0rc1", "4.0", "5.0")),
    "min_age": ({"min_age": 86_400.0}, ("1.0", "1.5", "3.0rc1", "4.0", "5.0")),
    "prereleases": ({"prereleases": False}, ("1.0", "1.5", "2.0", "4.0", "5.0")),
    "yanked": ({"yanked": "hide"}, ("1.5", "2.0", "3.0rc1", "4.0", "5.0")),
    "keep_versions": ({"keep_versions": 1}, ("5.0",)),
    "max_size": ({"max_size": 1900}, ("1.0", "2.0", "3.0rc1", "4.0", "5.0")),
    "mode": ({"mode": "audit", "block": ["lib"]}, ("1.0", "1.5", "2.0", "3.0rc1", "4.0", "5.0")),
}


@pytest.mark.parametrize("key", KEYS)
async def test_each_key(ruled: Ruled, key: str, tmp_path: Path) -> None:
    table, wanted = KEYS[key]
    young = int(ruled.stand.clock.now().timestamp() * 1000) - 3600_000
    ruled.channel.add(
        bare("lib", "1.0", revoked=True), bare("lib", "1.5", license="see COPYING", data=b"x" * 2000),
        bare("lib", "2.0", timestamp=young), bare("lib", "3.0rc1"), bare("lib", "4.0", license="GPL-3.0-only"),
        bare("lib", "5.0", "py311_0", license="GPL-3.0-or-later"), bare("n", subdir="noarch"),
    )  # fmt: skip
    if key == "python_versions":
        table = table | {"block_licenses": ["GPL3"]}
    await ruled.start(**table)
    gateway = Gateway(cache_dir=tmp_path)
    url = Channel(f"{ruled.stand.gateway.url}/conda/chan")
    found = await gateway.query([url], PLATFORMS, ["lib"], recursive=False)
    assert sorted(str(each.version) for answer in found for each in answer) == sorted(wanted)
