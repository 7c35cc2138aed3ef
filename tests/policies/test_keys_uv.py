"""Every key of a policy through uv: what it hides the resolver does not choose, and explain names the key.

Each case has a project `demo` whose version 2.0 the key hides, so that uv installs 1.0; without the policy it is 2.0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.policies.made import written
from tests.support.clients import Clients
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import TEXT, FakeIndex
from tests.support.origin import Origin
from tests.support.projects import File, Project
from tests.support.wheels import sdist, wheel

WHEEL = "demo-2.0-py3-none-any.whl"
GPL = ("License-Expression: GPL-3.0-only",)
MIT = ("License-Expression: MIT",)
ODD = ("License: see the file COPYING",)
Fill = Callable[[FakeIndex], None]


def two(index: FakeIndex, **of_second: Any) -> None:
    """Two versions; the arguments are the second one's."""
    index.add(wheel("demo", "1.0", fields=MIT))
    index.add(wheel("demo", "2.0", **({"fields": MIT} | of_second)))


def only_linux(index: FakeIndex) -> None:
    index.add(
        wheel("demo", "1.0", tag="py3-none-manylinux_2_17_x86_64.manylinux_2_17_aarch64"),
        wheel("demo", "2.0"),
    )


def young(index: FakeIndex) -> None:
    index.add(wheel("demo", "1.0"))
    index.add(wheel("demo", "2.0"), uploaded_at=datetime.now(UTC) - timedelta(days=1))


def pre(index: FakeIndex) -> None:
    two(index)
    index.add(wheel("demo", "3.0rc1"))


def newer(index: FakeIndex) -> None:
    two(index, requires_python=">=3.10")


def yanked(index: FakeIndex) -> None:
    two(index)
    index.yank(WHEEL, "broken")


@dataclass(frozen=True, kw_only=True)
class Case:
    """`asks` is what uv is asked for, `gets` the version of demo that it installs, None where it fails."""

    table: dict[str, Any]
    rule: str
    fill: Fill = two
    asks: tuple[str, ...] = ("demo",)
    gets: str | None = "1.0"
    #: What it gets without the policy.
    without: str = "2.0"
    hidden: str = WHEEL


CASES = {
    "platforms": Case(table={"platforms": ["linux-64", "linux-aarch64"]}, rule="platforms", fill=only_linux),
    "python_versions": Case(table={"python_versions": ["3.9"]}, rule="python_versions", fill=newer),
    "only": Case(table={"only": ["demo <2"]}, rule="only"),
    "block_licenses": Case(
        table={"block_licenses": ["GPL3"]}, rule="block_licenses", fill=lambda index: two(index, fields=GPL)
    ),
    "block": Case(table={"block": ["demo ==2.0"]}, rule="block"),
    "block-glob": Case(table={"block": ["dem* >=2"]}, rule="block"),
    "allow": Case(table={"block": ["demo"], "allow": ["demo <2"]}, rule="block"),
    "unknown_license": Case(
        table={"unknown_license": "block"}, rule="unknown_license", fill=lambda index: two(index, fields=ODD)
    ),
    "unknown_license-hold": Case(
        table={"unknown_license": "hold"}, rule="unknown_license", fill=lambda index: two(index, fields=ODD)
    ),
    "min_age": Case(table={"min_age": "7d"}, rule="min_age", fill=young),
    "prereleases": Case(
        table={"prereleases": False}, rule="prereleases", fill=pre,
        asks=("--prerelease=allow", "demo"), gets="2.0", without="3.0rc1", hidden="demo-3.0rc1-py3-none-any.whl",
    ),
    "yanked": Case(table={"yanked": "hide"}, rule="yanked", fill=yanked, asks=("demo==2.0",), gets=None),
    "keep_versions": Case(
        table={"keep_versions": 1}, rule="keep_versions", asks=("demo<2",), gets=None, without="1.0",
        hidden="demo-1.0-py3-none-any.whl",
    ),
    "max_size": Case(table={"max_size": "20 KiB"}, rule="max_size", fill=lambda index: two(index, payload=60_000)),
    "pypi.pkg_list": Case(table={"pypi": {"pkg_list": ["demo ==1.0"]}}, rule="pypi.pkg_list"),
    "pypi.allowlist": Case(table={"pypi": {"allowlist": ["demo <2", "other"]}}, rule="pypi.allowlist"),
    "pypi.blocklist": Case(
        table={"pypi": {"blocklist": ["demo >=2"]}, "allow": ["demo"], "block": ["x"]}, rule="pypi.blocklist"
    ),
}  # fmt: skip


async def installed(clients: Clients, gateway: Gateway, case: Case) -> str | None:
    got = await clients.install(gateway.index(), *case.asks)
    assert (got.ran.code == 0) == ("demo" in got.versions), got.ran.text
    return got.versions.get("demo")


async def explained(gateway: Gateway, artifact: str) -> dict[str, Any]:
    (item,) = (await gateway.get(f"/api/v1/feeds/pypi/explain?artifact={quote(artifact)}")).json()["items"]
    told: dict[str, Any] = item
    return told


async def path_of(gateway: Gateway, artifact: str) -> str:
    """Return where a file of demo would download."""
    listed = (await gateway.get("/api/v1/feeds/pypi/packages/demo")).json()["items"]
    return str(next(item["path"] for item in listed if item["artifact"] == artifact))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_key_hides_from_uv_and_is_explained(
    tmp_path: Path, index: FakeIndex, clients: Clients, case: Case
) -> None:
    case.fill(index)
    policy = await written("pypi", case.table)
    async with Gateway(tmp_path, feed(upstream(index.url), policy="corp"), policies=(policy,)) as gateway:
        assert await installed(clients, gateway, case) == case.gets
        told = await explained(gateway, case.hidden)
        assert (told["rule"], told["policy"]) == (case.rule, "corp")
        refused = await gateway.get(f"/pypi/pypi/{await path_of(gateway, case.hidden)}")
        assert (refused.status, refused.json()["rule"]) == (403, case.rule)
        assert refused.reason is not None and refused.reason.startswith(
            ("Blocked by policy", "Held by policy")
        )
        outcome = "hold" if refused.reason.startswith("Held") else "block"
        metrics = (await gateway.get("/metrics")).body.decode()
        assert f'feedgate_verdicts_total{{outcome="{outcome}",rule="{case.rule}"}}' in metrics
        gateway.reload(feed(upstream(index.url)))
        assert await installed(clients.elsewhere("second"), gateway, case) == case.without
        assert (await explained(gateway, case.hidden))["outcome"] == "allow"


async def test_audit_hides_nothing_counts_and_logs(
    tmp_path: Path, index: FakeIndex, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    two(index)
    policy = await written("pypi", {"block": ["demo >=2"], "mode": "audit"})
    async with Gateway(tmp_path, feed(upstream(index.url), policy="corp"), policies=(policy,)) as gateway:
        assert (await clients.install(gateway.index(), "demo")).versions == {"demo": "2.0"}
        told = await explained(gateway, WHEEL)
        assert (told["outcome"], told["rule"]) == ("warn", "block")
        assert f"would block {WHEEL} by block" in caplog.text
        metrics = (await gateway.get("/metrics")).body.decode()
        assert 'feedgate_verdicts_total{outcome="audit-block",rule="block"} 1.0' in metrics


async def test_exemption_lets_through_until_its_day_ends(
    tmp_path: Path, index: FakeIndex, clients: Clients
) -> None:
    young(index)
    today = datetime.now(UTC).date()
    exempt = {"spec": "demo ==2.0", "rules": ["min_age"], "reason": "CVE fix"}
    for expires, version in ((today, "2.0"), (today - timedelta(days=1), "1.0")):
        table = {"min_age": "7d", "exemptions": [{**exempt, "expires": expires.isoformat()}]}
        policy = await written("pypi", table)
        folder = tmp_path / version
        async with Gateway(folder, feed(upstream(index.url), policy="corp"), policies=(policy,)) as gateway:
            got = await clients.elsewhere(version).install(gateway.index(), "demo")
            assert got.versions == {"demo": version}, got.ran.text
            told = await explained(gateway, WHEEL)
            assert told["rule"] == ("exemption" if version == "2.0" else "min_age")


async def test_age_that_nobody_knows(
    tmp_path: Path, origin: Origin, index: FakeIndex, clients: Clients
) -> None:

    two(index)
    index.reshape(forms=(TEXT,))  # links tell no time, and what would tell it does not answer
    index._origin.always(index.api_path("demo"), Fault(status=500))
    for leniency, versions in (("hold", {}), ("allow", {"demo": "2.0"})):
        policy = await written("pypi", {"min_age": "1d", "unknown_age": leniency})
        folder = tmp_path / leniency
        async with Gateway(folder, feed(upstream(index.url), policy="corp"), policies=(policy,)) as gateway:
            got = await clients.elsewhere(leniency).install(gateway.index(), "demo")
            assert got.versions == versions, got.ran.text
            assert (await explained(gateway, WHEEL))["rule"] == ("unknown_age" if not versions else "open")


class Leaky(Project):
    """A project of an index that goes on listing what it has put into quarantine."""

    @property
    def listed(self) -> list[File]:
        return self.files


async def test_quarantine_hides_unless_it_is_to_be_kept(
    tmp_path: Path, index: FakeIndex, clients: Clients
) -> None:
    two(index)
    index.quarantine("demo", "malware")
    known = index.projects["demo"]
    index.projects["demo"] = Leaky("demo", known.serial, known.files, known.status, known.status_reason)
    for word, versions in (("block", {}), ("keep", {"demo": "2.0"})):
        policy = await written("pypi", {"quarantined": word})
        folder = tmp_path / word
        async with Gateway(folder, feed(upstream(index.url), policy="corp"), policies=(policy,)) as gateway:
            got = await clients.elsewhere(word).install(gateway.index(), "demo")
            assert got.versions == versions, got.ran.text
            told = await explained(gateway, WHEEL)
            assert told["outcome"] == ("block" if word == "block" else "allow")
            assert ("quarantine" in told["reason"]) == (word == "block")


async def test_pip_says_why_a_file_by_its_address_is_refused(
    tmp_path: Path, index: FakeIndex, clients: Clients
) -> None:
    two(index)
    policy = await written("pypi", {"block": ["demo >=2"]})
    async with Gateway(tmp_path, feed(upstream(index.url), policy="corp"), policies=(policy,)) as gateway:
        chosen = await clients.download(gateway.index(), "demo")
        assert list(chosen.files) == ["demo-1.0-py3-none-any.whl"]
        pinned = await clients.download(gateway.index(), "demo==2.0")
        assert "No matching distribution found for demo==2.0" in pinned.ran.text
        address = f"{gateway.url}/pypi/pypi/{await path_of(gateway, WHEEL)}"
        refused = await clients.download(gateway.index(), address)
        assert (refused.files, "403 Client Error: Blocked by policy" in refused.ran.text) == ({}, True)


@pytest.mark.parametrize(("answer", "status"), [("403", 403), ("404", 404), ("empty", 200)])
async def test_project_that_is_blocked_whole(
    tmp_path: Path, index: FakeIndex, clients: Clients, answer: str, status: int
) -> None:
    two(index)
    policy = await written("pypi", {"block": ["demo"]})
    blocked = feed(upstream(index.url), policy="corp", blocked_project=answer)
    async with Gateway(tmp_path, blocked, policies=(policy,)) as gateway:
        page = await gateway.get("/pypi/pypi/simple/demo/")
        assert page.status == status
        if status == 403:
            told = page.json()
            assert (told["type"], told["policy"], told["rule"]) == ("urn:feedgate:blocked", "corp", "block")
            assert (await gateway.get(told["explain"])).json()["items"][0]["rule"] == "block"
        assert (await clients.install(gateway.index(), "demo")).versions == {}


async def test_refusal_says_where_to_ask_below_the_servers_own_path(tmp_path: Path, index: FakeIndex) -> None:
    two(index)
    policy = await written("pypi", {"block": ["demo >=2"]})
    blocked = feed(upstream(index.url), policy="corp")
    async with Gateway(tmp_path, blocked, policies=(policy,), path_prefix="/fg") as gateway:
        refused = (await gateway.get(f"/pypi/pypi/{await path_of(gateway, WHEEL)}")).json()
        assert refused["explain"] == f"/fg/api/v1/feeds/pypi/explain?artifact={WHEEL}"
        assert gateway.url.endswith("/fg")
        assert (await gateway.get(refused["explain"].removeprefix("/fg"))).json()["items"][0][
            "rule"
        ] == "block"


async def test_package_list_with_what_it_needs(tmp_path: Path, index: FakeIndex, clients: Clients) -> None:
    index.add(
        wheel("app", "1.0", requires=["lib>=1"]), wheel("lib", "1.0", requires=["base"]), wheel("base", "1.0")
    )
    index.add(wheel("other", "1.0"), sdist("other", "1.0"))
    policy = await written("pypi", {"only": ["app"], "include_dependencies": True})
    async with Gateway(tmp_path, feed(upstream(index.url), policy="corp"), policies=(policy,)) as gateway:
        got = await clients.install(gateway.index(), "app")
        assert got.versions == {"app": "1.0", "lib": "1.0", "base": "1.0"}, got.ran.text
        assert (await clients.install(gateway.index(), "other")).versions == {}
        assert (await explained(gateway, "other-1.0.tar.gz"))["rule"] == "only"
