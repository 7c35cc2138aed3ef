"""Names that a policy hides whatever is behind them: nobody is asked, and the page is what the feed says it is."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.policy.settings import Policy, PypiLists
from tests.policies_pypi.roads import place
from tests.support.gateway import Gateway, eventually, feed, upstream
from tests.support.index import HTML, JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

WHEEL = "evil-1.0-py3-none-any.whl"


def filled(index: FakeIndex) -> None:
    index.add(wheel("demo", "1.0"), wheel("evil", "1.0"), wheel("other", "1.0"))


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        (Policy("p", block=("evil",)), {"demo", "other"}),
        (Policy("p", only=("demo",)), {"demo"}),
        (Policy("p", block=("*",), allow=("demo",)), {"demo"}),
        (Policy("p", block=("e*",)), {"demo", "other"}),
        (Policy("p", pypi=PypiLists(pkg_list=("demo",), blocklist=("demo",))), {"demo"}),
        (Policy("p", pypi=PypiLists(allowlist=("demo", "evil"), blocklist=("evil",))), {"demo"}),
        (Policy("p", pypi=PypiLists(blocklist=("evil", "other"))), {"demo"}),
    ],
)
async def test_names_outside_the_policy_are_listed_nowhere_and_never_asked_for(
    origin: Origin, tmp_path: Path, index: FakeIndex, policy: Policy, shown: set[str]
) -> None:
    filled(index)
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[policy]) as gateway:
        for name in {"demo", "evil", "other"} - shown:
            for path in (
                f"/pypi/pypi/simple/{name}/", f"/pypi/pypi/pypi/{name}/json", f"/pypi/pypi/pypi/{name}/1.0/json",
                place(index, f"{name}-1.0-py3-none-any.whl"),
                place(index, f"{name}-1.0-py3-none-any.whl") + ".metadata",
                f"/pypi/pypi/integrity/{name}/1.0/{name}-1.0-py3-none-any.whl/provenance",
            ):  # fmt: skip
                got = await gateway.get(path)
                status = 404 if "/simple/" in path or path.endswith("/json") else 403
                assert (got.status, got.json()["type"]) == (status, "urn:feedgate:blocked"), path
        assert origin.requests == [], "names outside the policy were told to the origin"
        for name in shown:
            assert (await gateway.get(f"/pypi/pypi/simple/{name}/")).status == 200
        listed = await eventually(lambda: gateway.get("/pypi/pypi/simple/", Accept=JSON))
        assert {project["name"] for project in listed.json()["projects"]} == shown
        html = await gateway.get("/pypi/pypi/simple/", Accept=HTML)
        assert all(
            (f'"{name}/"' in html.body.decode()) is (name in shown) for name in ("demo", "evil", "other")
        )


async def test_a_name_that_does_not_exist_cannot_be_told_from_a_blocked_one(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    policy = Policy("p", only=("demo",))
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[policy]) as gateway:
        one = (await gateway.get("/pypi/pypi/simple/evil/")).json()
        other = (await gateway.get("/pypi/pypi/simple/nope/")).json()
        assert {key for key in one if one[key] != other[key]} == {"title", "artifact", "explain"}
        assert one["title"].replace("/why/pypi/evil", "/why/pypi/nope") == other["title"]
        assert origin.requests == []


@pytest.mark.parametrize("setting", ["403", "404", "empty"])
@pytest.mark.parametrize(
    "policy", [Policy("p", block=("evil",)), Policy("p", block=("evil <9",))], ids=["name", "files"]
)
async def test_the_page_of_a_blocked_project_is_what_the_feed_says(
    tmp_path: Path, index: FakeIndex, setting: str, policy: Policy
) -> None:
    filled(index)
    settings = feed(upstream(index.url), policy="p", blocked_project=setting)
    async with Gateway(tmp_path, settings, policies=[policy]) as gateway:
        for accept in (JSON, HTML):
            got = await gateway.get("/pypi/pypi/simple/evil/", Accept=accept)
            if setting == "empty":
                assert (got.status, got.headers["content-type"].partition(";")[0]) == (200, accept)
                assert b"evil-1.0" not in got.body
                assert b'"1.0"' not in got.body
            else:
                assert (got.status, got.json()["type"]) == (int(setting), "urn:feedgate:blocked")
                assert got.reason == got.json()["title"]
                assert got.reason.startswith("Blocked by policy (block): ")
                assert got.reason.endswith(f"; see {gateway.url}/why/pypi/evil")
        told = await gateway.get("/pypi/pypi/pypi/evil/json")
        assert told.status == (404 if setting == "404" else 403)
        assert (await gateway.get(place(index, WHEEL))).json()["rule"] == "block"


async def test_two_blocked_projects_have_empty_pages_of_their_own(tmp_path: Path, index: FakeIndex) -> None:
    filled(index)
    policy = Policy("p", block=("evil", "other"))
    settings = feed(upstream(index.url), policy="p", blocked_project="empty")
    async with Gateway(tmp_path, settings, policies=[policy]) as gateway:
        for name in ("evil", "other"):
            assert (await gateway.get(f"/pypi/pypi/simple/{name}/", Accept=JSON)).json()["name"] == name


@pytest.mark.parametrize(("blocked", "status"), [("foo-1", 200), ("foo", 403), ("foo*", 403)])
async def test_a_file_whose_name_reads_as_two_projects_is_judged_by_the_one_that_lists_it(
    origin: Origin, tmp_path: Path, blocked: str, status: int
) -> None:
    built = sdist("foo", "1.post1")
    file = {"filename": "foo-1-1.tar.gz", "url": "/files/foo-1-1.tar.gz", "hashes": {"sha256": built.sha256}}
    page = {"meta": {"api-version": "1.1"}, "name": "foo", "files": [file]}
    origin.add("/simple/foo/", orjson.dumps(page), content_type=JSON)
    origin.add("/files/foo-1-1.tar.gz", built.data)
    settings = feed(upstream(f"{origin.url}/simple/", json_api=None), policy="p")
    async with Gateway(tmp_path, settings, policies=[Policy("p", block=(blocked,))]) as gateway:
        assert (await gateway.get("/pypi/pypi/packages/files/foo-1-1.tar.gz")).status == status
        assert origin.hits(f"/simple/{blocked}/") == 0


async def test_a_list_of_names_made_under_another_policy_is_not_shown(
    tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[Policy("p")]) as gateway:
        for policy, shown in (
            (Policy("p"), {"demo", "evil", "other"}),
            (Policy("p", block=("evil",)), {"demo", "other"}),
            (Policy("p", only=("evil",)), {"evil"}),
        ):
            gateway.reload(policies=[policy])
            listed = await eventually(lambda: gateway.get("/pypi/pypi/simple/", Accept=JSON))
            assert {project["name"] for project in listed.json()["projects"]} == shown


async def test_listings_tell_hidden_names_and_files_with_their_verdicts(
    tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    index.add(wheel("demo", "2.0"))
    policy = Policy("p", block=("evil", "demo ==1.0"))
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[policy]) as gateway:
        whole: dict[str, Any] = (await gateway.get("/api/v1/feeds/pypi/packages/evil")).json()
        assert (whole["verdict"]["outcome"], whole["verdict"]["rule"]) == ("block", "block")
        told = (await gateway.get("/api/v1/feeds/pypi/packages/demo")).json()
        assert (told["files"], told["hidden"], told["verdict"]) == (1, 1, None)
        by_name = {item["artifact"]: item for item in told["items"]}
        hidden = by_name["demo-1.0-py3-none-any.whl"]
        assert (hidden["verdict"]["outcome"], hidden["verdict"]["rule"]) == ("block", "block")
        assert not {"size", "sha256"} & hidden.keys()
        names = (await gateway.get("/api/v1/feeds/pypi/packages?state=hidden")).json()["items"]
        assert [item["name"] for item in names] == ["demo"]
        gateway.reload(policies=[Policy("p")])
        assert (await gateway.get("/api/v1/feeds/pypi/packages?state=hidden")).json()["items"] == []
