"""Yanked, quarantined, audited, warned of: what the other keys of a policy do to pages and downloads."""

import logging
from pathlib import Path

import pytest

from proxy.policy.settings import Policy
from tests.policies_pypi.roads import agreed, by_html, by_json, place, refreshed
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.wheels import sdist, wheel

TAGS = ("py3-none-any", "cp311-cp311-manylinux2014_x86_64", "cp312-cp312-win_amd64")
ONE, TWO = "demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"


async def test_yanked_files_are_hidden_where_the_policy_says_so(tmp_path: Path, index: FakeIndex) -> None:
    index.add(wheel("demo", "1.0"), wheel("demo", "2.0"))
    index.yank(ONE, "broken")
    feeds = [feed(upstream(index.url, name), name=name, policy=name) for name in ("keep", "hide")]
    policies = [Policy("keep"), Policy("hide", yanked="hide")]
    async with Gateway(tmp_path, *feeds, policies=policies) as gateway:
        assert await agreed(gateway, index, "demo", "keep") == {ONE, TWO}
        assert await agreed(gateway, index, "demo", "hide") == {TWO}


@pytest.mark.parametrize(
    "policy",
    [
        None, Policy("p"), Policy("p", quarantined="block"), Policy("p", mode="audit"),
        Policy("p", block=("*",), allow=("demo",)),
    ],
    ids=["none", "default", "block", "audit", "allow"],
)  # fmt: skip
async def test_a_quarantined_project_is_refused_though_it_is_cached(
    tmp_path: Path, index: FakeIndex, policy: Policy | None
) -> None:
    clock = FakeClock()
    index.add(wheel("demo", "1.0"))
    settings = feed(upstream(index.url), policy="p" if policy else None)
    async with Gateway(tmp_path, settings, policies=[policy] if policy else [], clock=clock) as gateway:
        assert (await gateway.get(place(index, ONE))).status == 200
        index.quarantine("demo", "malware")
        clock.advance(3600)
        await refreshed(gateway, "demo")
        assert await agreed(gateway, index, "demo") == set()
        page = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        assert (page.status, page.json()["project-status"]["status"]) == (200, "quarantined")
        got = (await gateway.get(place(index, ONE))).json()
        assert got["type"] == "urn:feedgate:quarantined"
        assert "malware" in got["detail"]


async def test_a_quarantined_project_whose_page_still_lists_files_is_kept_only_if_the_policy_says_so(
    tmp_path: Path, index: FakeIndex
) -> None:
    clock = FakeClock()
    index.add(wheel("demo", "1.0"))
    index.mark("demo", "quarantined-soon")
    feeds = [feed(upstream(index.url, name), name=name, policy=name) for name in ("keep", "block", "audit")]
    policies = [Policy("keep", quarantined="keep"), Policy("block"), Policy("audit", mode="audit")]
    async with Gateway(tmp_path, *feeds, policies=policies, clock=clock) as gateway:
        page = (await gateway.get("/pypi/keep/simple/demo/", Accept=JSON)).json()
        assert page["project-status"]["status"] == "quarantined-soon"
        index.projects["demo"].shows_quarantined = True
        index.quarantine("demo")
        clock.advance(3600)
        for name in ("keep", "block", "audit"):
            await refreshed(gateway, "demo", name)
        assert await agreed(gateway, index, "demo", "keep") == {ONE}
        for name in ("block", "audit"):
            assert await agreed(gateway, index, "demo", name) == set()
            assert (await gateway.get(place(index, ONE, name))).json()["type"] == "urn:feedgate:quarantined"


async def test_an_audit_hides_nothing_and_tells_every_download_that_it_would_refuse(
    tmp_path: Path, index: FakeIndex, caplog: pytest.LogCaptureFixture
) -> None:
    index.add(wheel("demo", "1.0"), wheel("demo", "2.0"), wheel("evil", "1.0"))
    policy = Policy("p", block=("demo ==1.0", "evil"), mode="audit")
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[policy]) as gateway:
        assert len(await by_json(gateway, "evil")) == 1
        assert len(await by_html(gateway, "demo")) == 2
        told = (await gateway.get("/api/v1/feeds/pypi/packages/demo")).json()
        assert told["hidden"] == 0
        with caplog.at_level(logging.WARNING, "feedgate.policy"):
            for filename in (ONE, TWO, "evil-1.0-py3-none-any.whl"):
                assert (await gateway.get(place(index, filename))).status == 200
            assert (await gateway.get(place(index, ONE), method="HEAD")).status == 200
        lines = [record.getMessage() for record in caplog.records if record.name == "feedgate.policy"]
        assert [line for line in lines if ONE in line or "evil-1.0" in line] == lines
        assert len(lines) == 2
        metrics = (await gateway.get("/metrics")).body.decode()
        assert 'feedgate_verdicts_total{outcome="audit-block",rule="block"} 2.0' in metrics


async def test_what_is_warned_of_is_served_and_counted(tmp_path: Path, index: FakeIndex) -> None:
    index.add(wheel("demo", "1.0", fields=["License: see COPYING"]))
    policy = Policy("p", unknown_license="warn", block_licenses=("GPL3",))
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[policy]) as gateway:
        assert len(await by_json(gateway, "demo")) == 1
        told = (await gateway.get("/api/v1/feeds/pypi/packages/demo")).json()
        assert told["items"][0]["verdict"]["outcome"] == "warn"
        assert (await gateway.get(place(index, ONE))).status == 200
        metrics = (await gateway.get("/metrics")).body.decode()
        assert 'feedgate_verdicts_total{outcome="warn",rule="unknown_license"} 1.0' in metrics


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        (Policy("p", platforms=("linux-64", "noarch")), {"py3-none-any", "cp311-cp311-manylinux2014_x86_64", "sdist"}),
        (Policy("p", platforms=("win-64",)), {"cp312-cp312-win_amd64"}),
        (Policy("p", python_versions=("3.12",)), {"py3-none-any", "cp312-cp312-win_amd64", "sdist"}),
        (Policy("p", max_size_bytes=10), set()),
        (Policy("p", prereleases=False), {*TAGS, "sdist"}),
        (Policy("p", keep_versions=1), {*TAGS, "sdist"}),
    ],
)  # fmt: skip
async def test_each_key_hides_what_it_says(
    tmp_path: Path, index: FakeIndex, policy: Policy, shown: set[str]
) -> None:
    index.add(*(wheel("demo", "1.0", tag=tag) for tag in TAGS), sdist("demo", "1.0"))
    if policy.keep_versions or not policy.prereleases:
        index.add(wheel("demo", "0.9" if policy.keep_versions else "2.0b1"))
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[policy]) as gateway:
        files = {"sdist" if name == "demo-1.0.tar.gz" else name.removeprefix("demo-1.0-").removesuffix(".whl")
                 for name in await agreed(gateway, index, "demo")}  # fmt: skip
        assert files == shown
