"""A draft judged against what a feed has: the same counts as the feed would have, and nothing changes."""

import json
from pathlib import Path
from typing import Any

from proxy.config.settings import Upstream
from proxy.policy.settings import Policy
from tests.api.reading import names
from tests.conda_feed.stand import Stand
from tests.support.conda_packages import bare
from tests.support.gateway import Gateway, Got, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

ADMIN = "an-admins-own-key"
KEY = f"Bearer {ADMIN}"
JSON = "application/json"


async def tried(gateway: Gateway, of: str, policy: dict[str, Any], status: int = 200) -> dict[str, Any]:
    body = json.dumps({"policy": policy}).encode()
    answer = await gateway.get(
        f"/api/v1/feeds/{of}/policy-trial", method="POST", body=body, Content_Type=JSON, Authorization=KEY
    )
    assert answer.status == status, answer.body
    told: dict[str, Any] = answer.json()
    return told


def counts(told: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {(each["outcome"], each["rule"]): each["files"] for each in told["counts"]}


def fill(stand: Stand) -> None:
    stand.channel.add(
        bare("app", "1.0", license="MIT", depends=["lib >=2"]), bare("app", "2.0", license="MIT", depends=["lib >=2"]),
        bare("lib", "1.0", license="GPL-3.0-only"), bare("lib", "2.0", license="GPL-3.0-only"),
        bare("data", "1.0", subdir="noarch", license="BSD-3-Clause"), bare("app", "1.0", subdir="osx-64"),
    )  # fmt: skip


SUBDIRS = ("linux-64", "osx-64", "noarch")


async def test_conda_catalog_is_judged_whole(stand: Stand) -> None:
    fill(stand)
    await stand.start(subdirs=SUBDIRS, server={"admin_key": ADMIN})
    told = await tried(
        stand.gateway, "chan", {"platforms": ["linux-64", "noarch"], "block_licenses": ["GPL3"]}
    )
    assert (told["names"], told["files"], told["shown"]) == (3, 6, 3)
    assert counts(told) == {("allow", "open"): 3, ("block", "block_licenses"): 2, ("block", "platforms"): 1}
    assert (told["lost"], told["lost_names"]) == (1, ["lib"])
    assert "linux-64" in told["scope"]
    assert (await stand.get("linux-64/lib-1.0-0.conda")).status == 200


async def test_trial_follows_dependencies_and_counts_versions(stand: Stand) -> None:
    fill(stand)
    await stand.start(subdirs=SUBDIRS, server={"admin_key": ADMIN})
    needed = {"platforms": ["linux-64"], "only": ["app"], "include_dependencies": True}
    assert counts(await tried(stand.gateway, "chan", needed)) == {
        ("allow", "open"): 3, ("block", "only"): 1, ("block", "platforms"): 2,
    }  # fmt: skip
    assert counts(await tried(stand.gateway, "chan", {"keep_versions": 1})) == {
        ("allow", "open"): 4, ("block", "keep_versions"): 2,
    }  # fmt: skip


async def test_trial_looks_behind_the_policy_that_is_in_force(stand: Stand) -> None:
    fill(stand)
    policy = Policy("corp", only=("data",))
    await stand.start(subdirs=SUBDIRS, policy="corp", policies=(policy,), server={"admin_key": ADMIN})
    assert await names(stand.gateway, "chan", state="allowed") == ["data"]
    assert (await tried(stand.gateway, "chan", {}))["shown"] == 6
    # An audit is judged as if it were enforced: that is what one wants to know.
    told = await tried(stand.gateway, "chan", {"block": ["lib"], "mode": "audit"})
    assert (told["shown"], told["lost_names"]) == (4, ["lib"])


async def test_trial_of_a_feed_of_a_feed(stand: Stand) -> None:
    fill(stand)
    inner = stand.feed(name="inner", subdirs=SUBDIRS)
    outer = stand.feed(Upstream(id="link", feed="inner"), subdirs=SUBDIRS)
    await stand.start(inner, outer, server={"admin_key": ADMIN})
    assert counts(await tried(stand.gateway, "chan", {"block": ["lib"]})) == {
        ("allow", "open"): 4, ("block", "block"): 2,
    }  # fmt: skip


async def test_pypi_projects_that_are_held_are_judged_and_nobody_is_asked(
    tmp_path: Path, origin: Origin, index: FakeIndex
) -> None:
    index.add(wheel("demo", "2.1rc1"))
    async with Gateway(tmp_path, feed(upstream(index.url)), admin_key=ADMIN) as gateway:
        for name in ("demo", "leaf"):
            await gateway.get(f"/pypi/pypi/simple/{name}/")
        asked = len(origin.requests)
        told = await tried(gateway, "pypi", {"prereleases": False, "block": ["leaf"]})
        assert (told["names"], told["files"], told["shown"], told["lost_names"]) == (2, 5, 3, ["leaf"])
        assert counts(told)["block", "prereleases"] == 1
        assert "2 projects that somebody has asked for" in told["scope"]
        assert len(origin.requests) == asked
        assert (await tried(gateway, "pypi", {"block": ["leaf"], "mode": "audit"}))["lost_names"] == ["leaf"]
        told = await tried(gateway, "pypi", {"platforms": ["linux-64"], "only": ["demo"]})
        assert told["warnings"][0].startswith("platforms: does not name noarch")


async def test_draft_with_faults_is_refused_with_all_of_them(tmp_path: Path, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url)), admin_key=ADMIN) as gateway:
        told = await tried(gateway, "pypi", {"block": ["a >>1"], "min_aeg": "7d", "min_age": 7}, 422)
        assert {fault["key"] for fault in told["faults"]} == {
            "policy.block[0]",
            "policy.min_aeg",
            "policy.min_age",
        }


async def test_trial_needs_the_right_to_manage(tmp_path: Path, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url)), admin_key=ADMIN) as gateway:

        async def post(path: str, body: dict[str, Any], key: str | None) -> Got:
            headers = {"Content_Type": JSON} | ({"Authorization": f"Bearer {key}"} if key else {})
            return await gateway.get(
                f"/api/v1{path}", method="POST", body=json.dumps(body).encode(), **headers
            )

        async def key_with(right: str) -> str:
            grants = [{"feed": "pypi", "rights": [right]}]
            made = await post("/keys", {"name": right, "grants": grants}, ADMIN)
            assert made.status == 201, made.body
            return str(made.json()["value"])

        draft = {"policy": {"block": ["demo"]}}
        answers = {
            None: 401,
            "somebodys-other-key": 401,
            await key_with("promote"): 403,
            await key_with("manage"): 200,
        }
        for key, status in answers.items():
            assert (await post("/feeds/pypi/policy-trial", draft, key)).status == status
