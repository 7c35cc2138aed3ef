"""Every key of a policy through py-rattler: what it hides the solver does not choose, and explain names the key.

Each case has a package `demo` whose version 2.0 the key hides, so that 1.0 is solved; without the policy it is 2.0.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
import rattler
from rattler import Channel, Gateway, RepoDataRecord
from rattler.exceptions import SolverError

from tests.conda_feed.stand import Stand
from tests.policies.made import written
from tests.support.channel import FakeChannel
from tests.support.conda_packages import BUILT_MS, Package, bare, package, python

SUBDIRS: Final = ("linux-64", "noarch")
SECOND = "linux-64/demo-2.0-0.conda"
Fill = Callable[[FakeChannel], None]


def two(channel: FakeChannel, **of_second: Any) -> None:
    """Two versions; the arguments are fields of the second one's record."""
    mit: dict[str, Any] = {"license": "MIT", "timestamp": BUILT_MS, "depends": []}
    channel.add(bare("demo", "1.0", **mit), bare("demo", "2.0", **(mit | of_second)))


def with_second(**fields: Any) -> Fill:
    return lambda channel: two(channel, **fields)


def platforms(channel: FakeChannel) -> None:
    two(channel)
    channel.add(bare("demo", "1.5", subdir="noarch", noarch="generic", depends=[]))


def pythons(channel: FakeChannel) -> None:
    two(channel, depends=["python >=3.12,<3.13.0a0"])
    channel.add(python("3.11.9"), python("3.12.4"))


def pre(channel: FakeChannel) -> None:
    two(channel)
    channel.add(bare("demo", "3.0rc1", depends=[]))


def young(channel: FakeChannel) -> None:
    two(channel, timestamp=int((time.time() - 86400) * 1000))


@dataclass(frozen=True, kw_only=True)
class Case:
    """`asks` is what rattler solves, `gets` the version of demo that it finds, None where there is no solution."""

    table: dict[str, Any]
    rule: str
    fill: Fill = two
    asks: str = "demo"
    gets: str | None = "1.0"
    without: str = "2.0"
    hidden: str = SECOND


CASES = {
    "platforms": Case(table={"platforms": ["noarch"]}, rule="platforms", fill=platforms, gets="1.5"),
    "python_versions": Case(table={"python_versions": ["3.11"]}, rule="python_versions", fill=pythons),
    "only": Case(table={"only": ["demo <2"]}, rule="only"),
    "block_licenses": Case(
        table={"block_licenses": ["GPL3"]}, rule="block_licenses", fill=with_second(license="GPL-3.0-or-later")
    ),
    "block_licenses-family": Case(
        table={"block_licenses": ["GPL2"]}, rule="block_licenses",
        fill=with_second(license="GPL", license_family="GPL2"),
    ),
    "block": Case(table={"block": ["demo ==2.0"]}, rule="block"),
    "block-build": Case(table={"block": ["dem* 2.* 0"]}, rule="block"),
    "block-license": Case(table={"block": ["demo[license=MIT, version='>=2']"]}, rule="block"),
    "allow": Case(table={"block": ["demo"], "allow": ["demo <2"]}, rule="block"),
    "unknown_license": Case(
        table={"unknown_license": "block"}, rule="unknown_license", fill=with_second(license="see COPYING")
    ),
    "unknown_license-hold": Case(
        table={"unknown_license": "hold"}, rule="unknown_license", fill=with_second(license=None)
    ),
    "min_age": Case(table={"min_age": "7d"}, rule="min_age", fill=young),
    "prereleases": Case(
        table={"prereleases": False}, rule="prereleases", fill=pre, gets="2.0", without="3.0rc1",
        hidden="linux-64/demo-3.0rc1-0.conda",
    ),
    "yanked": Case(table={"yanked": "hide"}, rule="yanked", fill=with_second(revoked=True)),
    "keep_versions": Case(
        table={"keep_versions": 1}, rule="keep_versions", asks="demo <2", gets=None, without="1.0",
        hidden="linux-64/demo-1.0-0.conda",
    ),
    "max_size": Case(table={"max_size": "1 MiB"}, rule="max_size", fill=with_second(size=2 * 1024**2)),
}  # fmt: skip


async def solved(stand: Stand, cache: Path, *specs: str) -> dict[str, str]:
    """Return name -> version of what rattler solves, {} where there is no solution."""
    try:
        found = await solution(stand, cache, *specs)
    except SolverError:
        return {}
    return {each.name.normalized: str(each.version) for each in found}


async def solution(stand: Stand, cache: Path, *specs: str) -> list[RepoDataRecord]:
    channel = Channel(f"{stand.gateway.url}/conda/chan")
    return await rattler.solve(
        [channel], list(specs), gateway=Gateway(cache_dir=cache), platforms=SUBDIRS, virtual_packages=[]
    )  # fmt: skip


async def explained(stand: Stand, artifact: str) -> dict[str, Any]:
    answer = await stand.gateway.get(f"/api/v1/feeds/chan/explain?artifact={quote(artifact)}")
    (item,) = answer.json()["items"]
    told: dict[str, Any] = item
    return told


async def start(stand: Stand, table: dict[str, Any]) -> None:
    policy = await written("conda", table)
    await stand.start(subdirs=SUBDIRS, policy="corp", policies=(policy,))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_key_hides_from_rattler_and_is_explained(stand: Stand, tmp_path: Path, case: Case) -> None:
    case.fill(stand.channel)
    await start(stand, case.table)
    assert (await solved(stand, tmp_path / "one", case.asks)).get("demo") == case.gets
    told = await explained(stand, case.hidden)
    assert (told["rule"], told["policy"]) == (case.rule, "corp")
    refused = await stand.get(case.hidden)
    assert (refused.status, refused.json()["rule"]) == (403, case.rule)
    feeds = stand.gateway.settings.feeds.values()
    stand.gateway.reload(*(replace(each, policy=None) for each in feeds))
    await stand.settled()
    assert (await solved(stand, tmp_path / "two", case.asks)).get("demo") == case.without
    assert (await explained(stand, case.hidden))["outcome"] == "allow"


async def test_audit_hides_nothing_counts_and_logs(
    stand: Stand, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stand.channel.add(package("demo", "1.0"), package("demo", "2.0"))
    await start(stand, {"block": ["demo >=2"], "mode": "audit"})
    found = await solution(stand, tmp_path, "demo")
    prefix, packages = tmp_path / "prefix", tmp_path / "packages"
    await rattler.install(found, target_prefix=prefix, cache_dir=packages, show_progress=False)
    assert (prefix / "share/demo/version.txt").read_text() == "2.0"
    told = await explained(stand, SECOND)
    assert (told["outcome"], told["rule"]) == ("warn", "block")
    assert f"would block {SECOND} by block" in caplog.text
    metrics = (await stand.gateway.get("/metrics")).body.decode()
    assert 'feedgate_verdicts_total{outcome="audit-block",rule="block"}' in metrics
    assert 'feedgate_judged_files{feed="chan",outcome="block",rule="block"} 1.0' in metrics
    assert 'feedgate_judged_files{feed="chan",outcome="allow",rule="open"} 1.0' in metrics


@pytest.mark.parametrize(("days", "version"), [(0, "2.0"), (-1, "1.0")])
async def test_exemption_lets_through_until_its_day_ends(
    stand: Stand, tmp_path: Path, days: int, version: str
) -> None:
    young(stand.channel)
    expires = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
    exempt = {"spec": "demo ==2.0", "rules": ["min_age"], "expires": expires}
    await start(stand, {"min_age": "7d", "exemptions": [exempt]})
    assert await solved(stand, tmp_path, "demo") == {"demo": version}


async def test_package_list_with_what_it_needs(stand: Stand, tmp_path: Path) -> None:
    stand.channel.add(
        package("app", depends=("lib >=2", "data")), package("lib", "1.0"), package("lib", "2.0", depends=("base",)),
        package("base"), package("data", noarch="generic"), package("other"),
    )  # fmt: skip
    await start(stand, {"platforms": list(SUBDIRS), "only": ["app"], "include_dependencies": True})
    assert await solved(stand, tmp_path, "app") == {"app": "1.0", "lib": "2.0", "base": "1.0", "data": "1.0"}
    assert await solved(stand, tmp_path, "other") == {}
    assert await solved(stand, tmp_path, "lib <2") == {}
    assert (await explained(stand, "linux-64/other-1.0-0.conda"))["rule"] == "only"
    assert (await explained(stand, "linux-64/lib-2.0-0.conda"))["outcome"] == "allow"


async def test_what_a_policy_hides_cannot_be_installed_from_a_lock_file(stand: Stand, tmp_path: Path) -> None:
    made: tuple[Package, ...] = (package("demo", "1.0"), package("demo", "2.0"))
    stand.channel.add(*made)
    await stand.start(subdirs=SUBDIRS)
    locked = await solution(stand, tmp_path / "one", "demo")
    policy = await written("conda", {"block": ["demo >=2"]})
    feeds = [replace(each, policy="corp") for each in stand.gateway.settings.feeds.values()]
    stand.gateway.reload(*feeds, policies=(policy,))
    await stand.settled()
    with pytest.raises(Exception, match="403"):
        await rattler.install(
            locked, target_prefix=tmp_path / "prefix", cache_dir=tmp_path / "packages", show_progress=False
        )
