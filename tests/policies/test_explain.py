"""Why can I not get X? For what a policy hides together with what hides without one, through whole servers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from proxy.config.settings import Upstream
from proxy.policy.settings import Policy
from tests.conda_feed.stand import Stand
from tests.policies.made import written
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare
from tests.support.gateway import Gateway, Got, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

INNER = Upstream("of-inner", feed="inner")
SUBDIRS = ("linux-64", "noarch")


async def explained(gateway: Gateway, of: str, **query: str) -> list[dict[str, Any]]:
    answer = await gateway.get(f"/api/v1/feeds/{of}/explain?{urlencode(query)}")
    assert answer.status == 200, answer.body
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def decided(items: list[dict[str, Any]]) -> dict[str, tuple[str, str, str | None]]:
    return {item["artifact"]: (item["outcome"], item["rule"], item["policy"]) for item in items}


async def test_verdicts_of_the_feed_behind_name_its_policy_conda(stand: Stand) -> None:
    stand.channel.add(bare("demo", "1.0"), bare("demo", "2.0"), bare("demo", "3.0"))
    inner = stand.feed(name="inner", policy="inner", subdirs=SUBDIRS)
    outer = stand.feed(INNER, policy="outer", subdirs=SUBDIRS)
    policies = (Policy("inner", block=("demo ==1.0",)), Policy("outer", block=("demo ==2.0",)))
    await stand.start(inner, outer, policies=policies)
    assert decided(await explained(stand.gateway, "chan", spec="demo")) == {
        "linux-64/demo-3.0-0.conda": ("allow", "open", "outer"),
        "linux-64/demo-2.0-0.conda": ("block", "block", "outer"),
        "linux-64/demo-1.0-0.conda": ("block", "block", "inner"),
    }


async def test_verdicts_of_the_feed_behind_name_its_policy_pypi(tmp_path: Path, index: FakeIndex) -> None:
    index.add(*(wheel("demo", f"{n}.0") for n in (1, 2, 3)))
    inner = feed(upstream(index.url), name="inner", policy="inner")
    outer = feed(INNER, name="outer", policy="outer")
    policies = (Policy("inner", block=("demo ==1.0",)), Policy("outer", block=("demo ==2.0",)))
    async with Gateway(tmp_path, inner, outer, policies=policies) as gateway:
        assert decided(await explained(gateway, "outer", spec="demo")) == {
            "demo-3.0-py3-none-any.whl": ("allow", "open", "outer"),
            "demo-2.0-py3-none-any.whl": ("block", "block", "outer"),
            "demo-1.0-py3-none-any.whl": ("block", "block", "inner"),
        }


async def test_every_rule_that_speaks_against_a_file_is_told(stand: Stand) -> None:
    stand.channel.add(bare("demo", "2.0rc1", subdir="osx-64", license="GPL-3.0-only", size=10**9))
    table = {
        "platforms": ["linux-64"], "block_licenses": ["GPL3"], "block": ["demo"], "prereleases": False,
        "max_size": "1 MiB",
    }  # fmt: skip
    policy = await written("conda", table)
    await stand.start(subdirs=("osx-64",), policy="corp", policies=(policy,))
    (item,) = await explained(stand.gateway, "chan", artifact="osx-64/demo-2.0rc1-0.conda")
    assert (item["outcome"], item["rule"]) == ("block", "platforms")
    found = [finding["rule"] for finding in item["findings"]]
    assert found == ["platforms", "block_licenses", "block", "prereleases", "max_size"]
    assert item["facts"]["license"] == "GPL-3.0-only"
    assert "1000000000" not in str(item)


async def test_name_that_is_blocked_whole_is_explained_and_nobody_is_asked(
    tmp_path: Path, origin: Origin, index: FakeIndex
) -> None:
    index.add(wheel("demo", "1.0"))
    policy = await written("pypi", {"block": ["demo"]})
    async with Gateway(tmp_path, feed(upstream(index.url), policy="corp"), policies=(policy,)) as gateway:
        assert decided(await explained(gateway, "pypi", spec="demo>=1")) == {
            "demo": ("block", "block", "corp")
        }
        file = "demo-1.0-py3-none-any.whl"
        assert decided(await explained(gateway, "pypi", artifact=file)) == {file: ("block", "block", "corp")}
        assert origin.requests == []


async def test_owner_that_is_held_is_explained_pypi(tmp_path: Path, origin: Origin, index: FakeIndex) -> None:
    async with Origin() as second:
        other = FakeIndex(second)
        for each in (index, other):
            each.add(wheel("demo", "1.0"))
        both = feed(upstream(index.url, "one"), upstream(other.url, "two", ttl_s=0.0), policy="corp")
        policy = await written("pypi", {"prereleases": False})
        async with Gateway(tmp_path, both, policies=(policy,)) as gateway:
            assert (await gateway.get("/pypi/pypi/simple/demo/")).status == 200
            await gateway.restart_without_cache()
            index.remove_project("demo")
            assert (await gateway.get("/pypi/pypi/simple/demo/")).status == 404
            (item,) = await explained(gateway, "pypi", spec="demo")
            assert (item["outcome"], item["rule"], item["policy"]) == ("hold", "owner", None)
            assert "belonged to another upstream" in item["reason"]


async def test_owner_that_is_held_is_explained_conda(stand: Stand, origin: Origin) -> None:
    other = FakeChannel(origin, prefix="/two")
    for channel in (stand.channel, other):
        channel.add(bare("demo"), bare("base"))
    both = stand.feed(
        stand.upstream(name="one"), stand.upstream(other, "two"), policy="corp", subdirs=SUBDIRS
    )
    policy = await written("conda", {"prereleases": False})
    await stand.start(both, policies=(policy,))
    stand.channel.remove("linux-64", "demo-1.0-0.conda")
    await stand.refresh()
    (item,) = await explained(stand.gateway, "chan", artifact="linux-64/demo-1.0-0.conda")
    assert (item["outcome"], item["rule"], item["policy"]) == ("hold", "owner", None)


async def test_drift_is_told_before_what_the_policy_says(stand: Stand) -> None:
    stand.channel.add(bare("demo"))
    policy = await written("conda", {"prereleases": False})
    await stand.start(subdirs=SUBDIRS, policy="corp", policies=(policy,))
    assert (await stand.get("linux-64/demo-1.0-0.conda")).status == 200
    await stand.gateway.restart_without_cache()
    stand.channel.patch("linux-64", "demo-1.0-0.conda", sha256="0" * 64, md5="0" * 32, size=7)
    await stand.refresh()
    (item,) = await explained(stand.gateway, "chan", artifact="demo-1.0-0.conda")
    assert (item["artifact"], item["outcome"], item["rule"], item["policy"]) == (
        "linux-64/demo-1.0-0.conda", "hold", "drift", None,
    )  # fmt: skip


async def test_audit_is_explained_as_what_would_be(stand: Stand) -> None:
    stand.channel.add(bare("demo"))
    policy = await written("conda", {"block": ["demo"], "mode": "audit"})
    await stand.start(subdirs=SUBDIRS, policy="corp", policies=(policy,))
    (item,) = await explained(stand.gateway, "chan", spec="demo")
    assert (item["outcome"], item["rule"], item["policy"]) == ("warn", "block", "corp")
    assert "only audits" in item["reason"]


# -- explain and the gate --------------------------------------------------------------------------------------

VERSIONS = (("1.0", "MIT"), ("2.0", "GPL-2.0-only"), ("3.0a1", "x"))
TABLES: tuple[dict[str, Any], ...] = (
    {},
    {"platforms": ["noarch"]},
    {"only": ["demo", "lib <2"]},
    {"block": ["demo >=2", "l*"], "allow": ["lib ==2.0"]},
    {"block_licenses": ["GPL"], "unknown_license": "block"},
    {"prereleases": False, "keep_versions": 1},
    {"yanked": "hide", "max_size": "3 KiB"},
    {"min_age": "5d", "exemptions": [{"spec": "lib", "rules": ["min_age"], "expires": "2099-01-01"}]},
    {"block": ["*"], "mode": "audit"},
)


def agrees(item: dict[str, Any], got: Got) -> bool:
    """Tell whether explain says of a file what its download says."""
    if got.status == 200:
        return item["outcome"] in ("allow", "warn")
    refused = got.json()
    word = {"hold": "held", "block": "blocked"}[item["outcome"]]
    said = (refused["type"], refused["rule"], refused.get("policy"), refused.get("until"))
    return said == (f"urn:feedgate:{word}", item["rule"], item["policy"], item["until"])


async def test_explain_says_what_the_gate_does_conda(stand: Stand) -> None:
    now_ms = int(stand.clock.now().timestamp() * 1000)
    for name in ("demo", "lib"):
        for version, license in VERSIONS:
            stand.channel.add(bare(name, version, license=license, depends=[]))
    stand.channel.add(bare("demo", "2.5", subdir="noarch", revoked=True), bare("old", extension=".tar.bz2"))
    stand.channel.add(bare("lib", "2.5", timestamp=now_ms, data=b"x" * 10_000))
    await stand.start(subdirs=SUBDIRS, policy="corp", policies=(await written("conda", {}),))
    hidden = 0
    for table in TABLES:
        stand.gateway.reload(policies=(await written("conda", table),))
        await stand.settled()
        for path in sorted(stand.channel.hosted):
            (item,) = await explained(stand.gateway, "chan", artifact=path)
            got = await stand.get(path)
            assert agrees(item, got), (table, item, got.body)
            hidden += got.status == 403
    assert hidden > 20


async def test_explain_says_what_the_gate_does_pypi(tmp_path: Path, index: FakeIndex) -> None:
    for name in ("demo", "lib"):
        for version, license in VERSIONS:
            fields = (f"License-Expression: {license}",)
            index.add(wheel(name, version, fields=fields), sdist(name, version))
    index.add(wheel("demo", "2.5", tag="py3-none-win_amd64", payload=9_000))
    index.add(wheel("lib", "2.5"), uploaded_at=datetime.now(UTC))
    index.yank("demo-2.0.tar.gz")
    plain = feed(upstream(index.url), policy="corp")
    async with Gateway(tmp_path, plain, policies=(await written("pypi", {}),)) as gateway:
        paths: dict[str, str] = {}
        for name in ("demo", "lib"):
            listed = (await gateway.get(f"/api/v1/feeds/pypi/packages/{name}")).json()["items"]
            paths |= {item["artifact"]: item["path"] for item in listed}
        assert len(paths) == 14
        hidden = 0
        for table in TABLES:
            gateway.reload(policies=(await written("pypi", table),))
            for file, path in sorted(paths.items()):
                # Who asks for a file has its licence looked up, so the download comes first.
                got = await gateway.get(f"/pypi/pypi/{path}")
                (item,) = await explained(gateway, "pypi", artifact=file)
                assert agrees(item, got), (table, item, got.body)
                hidden += got.status == 403
        assert hidden > 20
