"""What people are told: every file with its verdict, names that lose files, notices, and downloads under audit."""

from dataclasses import replace

import pytest

from proxy.config.settings import Upstream
from tests.policies_conda.judged import Ruled, refused
from tests.policy.made import policy
from tests.support.conda_packages import bare
from tests.support.gateway import until


def catalog(ruled: Ruled) -> None:
    ruled.channel.add(bare("tk"), bare("zlib"), bare("zlib", "2.0"), bare("zlib", subdir="noarch"))


async def names(ruled: Ruled, query: str) -> dict[str, tuple[int, int]]:
    """Return name -> (shown files, hidden files)."""
    got = await ruled.stand.gateway.get(f"/api/v1/feeds/chan/packages?{query}")
    return {item["name"]: (item["files"], item["hidden"]) for item in got.json()["items"]}


async def test_names_are_counted_with_what_is_hidden(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["tk", "zlib <2"])
    await ruled.shown()
    assert await names(ruled, "") == {"tk": (0, 1), "zlib": (1, 2)}
    assert await names(ruled, "state=hidden") == {"tk": (0, 1), "zlib": (1, 2)}
    assert await names(ruled, "state=allowed") == {"zlib": (1, 2)}
    await ruled.change(block=["tk"])
    assert await names(ruled, "state=hidden") == {"tk": (0, 1)}


async def test_names_are_counted_off_the_loop_and_told_to_who_asks_next(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["tk"])
    await ruled.shown()
    got = await until(
        lambda: ruled.stand.gateway.get("/api/v1/feeds/chan"), lambda got: got.json()["names"] is not None
    )
    assert got.json()["names"] == 2


async def test_every_file_is_told_with_its_verdict(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["zlib <2"])
    await ruled.shown()
    got = await ruled.stand.gateway.get("/api/v1/feeds/chan/packages/zlib")
    found = {item["artifact"]: item for item in got.json()["items"]}
    assert {artifact: item["verdict"]["outcome"] for artifact, item in found.items()} == {
        "linux-64/zlib-1.0-0.conda": "block",
        "linux-64/zlib-2.0-0.conda": "allow",
        "noarch/zlib-1.0-0.conda": "block",
    }
    assert found["linux-64/zlib-1.0-0.conda"]["verdict"]["rule"] == "block"
    assert "sha256" not in found["linux-64/zlib-1.0-0.conda"]
    assert "size" not in found["linux-64/zlib-1.0-0.conda"]
    assert "sha256" in found["linux-64/zlib-2.0-0.conda"]


async def test_a_name_that_is_hidden_whole_is_told(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["tk"])
    await ruled.shown()
    assert (await ruled.listed("tk"))["linux-64/tk-1.0-0.conda"]["rule"] == "block"


async def test_explain_has_the_facts_and_every_finding(ruled: Ruled) -> None:
    ruled.channel.add(bare("tk", license="GPL-3.0-only"), bare("zlib"))
    await ruled.start(block=["tk"], block_licenses=["GPL3"], platforms=["linux-64"])
    await ruled.shown()
    got = await ruled.stand.gateway.get("/api/v1/feeds/chan/explain?artifact=linux-64/tk-1.0-0.conda")
    (item,) = got.json()["items"]
    assert (item["outcome"], item["rule"], item["facts"]["license"]) == (
        "block",
        "block_licenses",
        "GPL-3.0-only",
    )
    assert [finding["rule"] for finding in item["findings"]] == ["block_licenses", "block"]


@pytest.mark.parametrize("hidden", [0, 1])
async def test_notices_tell_how_much_is_hidden(ruled: Ruled, hidden: int) -> None:
    catalog(ruled)
    await ruled.start(block=["tk"] if hidden else ["nothing-else"])
    await ruled.shown()
    told = [each["message"] for each in (await ruled.stand.get("notices.json")).json()["notices"]]
    wanted = (
        "1 package is hidden from the feed chan by its policy. Ask the administrator of the feed chan why."
    )
    assert told == [wanted] * hidden


async def test_audit_hides_nothing_and_tells_every_download(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(mode="audit", block=["tk"], min_age=10.0**9)
    assert len(await ruled.shown()) == 4
    assert (await ruled.listed("tk"))["linux-64/tk-1.0-0.conda"]["outcome"] == "warn"
    assert (await ruled.stand.get("notices.json")).json()["notices"] == []
    assert await names(ruled, "state=hidden") == {}
    before = len(told(ruled))
    await ruled.stand.get("linux-64/tk-1.0-0.conda")
    await ruled.stand.get("linux-64/tk-1.0-0.conda")
    assert len(told(ruled)) - before == 2
    metrics = (await ruled.stand.gateway.get("/metrics")).body.decode()
    assert 'rule="block",outcome="audit-block"' in metrics or 'outcome="audit-block",rule="block"' in metrics


def told(ruled: Ruled) -> list[str]:
    return [line for line in ruled.stand.log.lines if "audit: policy corp of feed chan would block" in line]


async def test_audit_that_is_enforced_hides_at_once(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(mode="audit", block=["tk"])
    assert len(await ruled.shown()) == 4
    await ruled.change(block=["tk"])
    refused(await ruled.stand.get("linux-64/tk-1.0-0.conda"), "block")
    assert len(await ruled.shown()) == 3


async def test_what_is_warned_of_is_served_and_counted(ruled: Ruled) -> None:
    ruled.channel.add(bare("odd", license="see the file COPYING"), bare("zlib"))
    await ruled.start(block_licenses=["GPL3"], unknown_license="warn")
    assert len(await ruled.shown()) == 2
    assert (await ruled.listed("odd"))["linux-64/odd-1.0-0.conda"]["outcome"] == "warn"
    assert (await ruled.listed("zlib"))["linux-64/zlib-1.0-0.conda"]["outcome"] == "allow"


async def test_an_outer_feed_tells_what_the_inner_one_hides(ruled: Ruled) -> None:
    catalog(ruled)
    outer = ruled.stand.feed(Upstream(id="inner-1", feed="chan"), name="outer", policy="open")
    rules = [policy(block=["tk"]), replace(policy(block=["zlib <2"]), name="open")]
    await ruled.stand.start(ruled.feed(), outer, policies=rules)
    await ruled.shown("linux-64", feed="outer")
    assert (await ruled.listed("tk", feed="outer"))["linux-64/tk-1.0-0.conda"]["rule"] == "block"
    assert (await ruled.listed("zlib", feed="outer"))["linux-64/zlib-1.0-0.conda"]["rule"] == "block"
    notices = (await ruled.stand.get("notices.json", feed="outer")).json()["notices"]
    assert [each["message"].partition(" from")[0] for each in notices] == ["3 packages are hidden"]
