"""A PyPI feed's packages: names from the list of names, artifacts from the view that pages and the gate read."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from proxy.feeds.pypi.listing import nearest_in
from proxy.pypi.project_list import render_html
from tests.api.reading import names, problem
from tests.support.faults import Fault
from tests.support.gateway import Gateway, eventually, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

PACKAGES = "/api/v1/feeds/pypi/packages"
WHEEL = "demo-1.0-py3-none-any.whl"


async def listed(gateway: Gateway) -> None:
    """Wait until the list of names is there."""
    await eventually(lambda: gateway.get(PACKAGES))


async def test_names_are_preparing_until_the_list_is_there(tmp_path: Path, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        first = await gateway.get(PACKAGES)
        assert (first.status, first.json()["type"]) == (503, "urn:feedgate:preparing")
        assert "retry-after" in first.headers
        await listed(gateway)
        assert await names(gateway, "pypi") == ["demo", "leaf", "zope-interface"]
        assert await names(gateway, "pypi", limit=1) == ["demo", "leaf", "zope-interface"]
        assert await names(gateway, "pypi", state="allowed") == ["demo", "leaf", "zope-interface"]


@pytest.mark.parametrize(
    ("q", "found"),
    [("ea", ["leaf"]), ("E", ["demo", "leaf", "zope-interface"]), ("Zope.", ["zope-interface"])],
)
async def test_names_are_searched_in_any_spelling(
    tmp_path: Path, index: FakeIndex, q: str, found: list[str]
) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await listed(gateway)
        assert await names(gateway, "pypi", q=q) == found
        assert await names(gateway, "pypi", q='naïve "<') == []


async def test_the_very_name_comes_first_and_then_what_begins_with_it(
    tmp_path: Path, index: FakeIndex
) -> None:
    index.add(*(wheel(name, "1.0") for name in ("a-leaf", "leaf-a", "oakleaf", "leafs")))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await listed(gateway)
        for limit in (1, 2, 9):
            found = await names(gateway, "pypi", q="Leaf", limit=limit)
            assert found == ["leaf", "leaf-a", "leafs", "a-leaf", "oakleaf"]


async def test_counts_are_told_once_a_project_was_asked_for(tmp_path: Path, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await listed(gateway)
        await gateway.get("/pypi/pypi/simple/demo/")
        demo, leaf, _ = (await gateway.get(PACKAGES)).json()["items"]
        assert demo == {"name": "demo", "versions": 2, "files": 3, "hidden": 0}
        assert leaf == {"name": "leaf", "versions": None, "files": None, "hidden": None}


async def test_a_project_is_told_file_by_file_without_the_list(tmp_path: Path, index: FakeIndex) -> None:
    index.yank(WHEEL, "broken")
    async with Gateway(tmp_path, feed(upstream(index.url), aliases=("main",))) as gateway:
        told = (await gateway.get("/api/v1/feeds/main/packages/Demo")).json()
        assert (told["feed"], told["name"], told["versions"], told["files"]) == ("pypi", "demo", 2, 3)
        assert (told["hidden"], told["verdict"], told["next"]) == (0, None, None)
        found = {item["artifact"]: item for item in told["items"]}
        built = index.file(WHEEL).built
        one = found[WHEEL]
        assert (one["version"], one["size"], one["sha256"]) == ("1.0", len(built.data), built.sha256)
        assert (one["yanked"], one["verdict"]["outcome"]) == ("broken", "allow")
        assert re.match(r"\d{4}-\d\d-\d\dT", one["uploaded_at"])
        assert found["demo-1.0.tar.gz"]["yanked"] is False
        for item in told["items"]:
            assert (await gateway.get(f"/pypi/pypi/{item['path']}")).status == 200


async def test_a_file_that_drifted_is_told_without_digest_and_size(tmp_path: Path, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        path = (await gateway.get(f"{PACKAGES}/demo")).json()["items"][0]["path"]
        assert (await gateway.get(f"/pypi/pypi/{path}")).status == 200
        await gateway.restart_without_cache()
        changed = wheel("demo", "1.0", requires=["leaf"])
        index.add(changed)
        told = (await gateway.get(f"{PACKAGES}/demo")).json()
        assert (told["files"], told["hidden"]) == (2, 1)
        one = next(item for item in told["items"] if item["artifact"] == WHEEL)
        assert (one["version"], one["verdict"]["outcome"], one["verdict"]["rule"]) == ("1.0", "hold", "drift")
        assert not {"size", "sha256"} & one.keys()
        assert (await gateway.get(f"/pypi/pypi/{one['path']}")).status == 403
        await listed(gateway)
        assert await names(gateway, "pypi", state="hidden") == ["demo"]
        assert await names(gateway, "pypi", state="hidden", q="leaf") == []
        assert changed.sha256.encode() not in (await gateway.get(f"{PACKAGES}/demo")).body


async def test_a_quarantined_project_is_told_with_its_verdict(tmp_path: Path, index: FakeIndex) -> None:
    index.quarantine("demo", "malware")
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        told = (await gateway.get(f"{PACKAGES}/demo")).json()
        assert (told["items"], told["files"], told["hidden"]) == ([], 0, 1)
        assert (told["verdict"]["outcome"], told["verdict"]["rule"]) == ("block", "quarantine")
        assert "malware" in told["verdict"]["reason"]
        assert await names(gateway, "pypi", state="hidden") == ["demo"]


async def test_what_is_not_there_is_a_problem(tmp_path: Path, origin: Origin, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await problem(gateway, f"{PACKAGES}/nope", 404, "unknown", "no project nope")
        await problem(gateway, f"{PACKAGES}/-x", 404, "unknown", "no name")
        origin.always(index.page_path("leaf"), Fault(status=500))
        await problem(gateway, f"{PACKAGES}/leaf", 503, "origin-unavailable", "")


@pytest.mark.parametrize("query", ["limit=0", "state=pinned", "state=", "cursor=-", "cursor="])
async def test_a_wrong_question_is_refused_before_anything_is_asked(
    tmp_path: Path, origin: Origin, index: FakeIndex, query: str
) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await problem(gateway, f"{PACKAGES}?{query}", 422, "unprocessable", query.partition("=")[0])
        assert origin.requests == []


@pytest.mark.parametrize("wanted", ["", "7", "project-1999", "project-77", "nope"])
def test_a_page_of_a_large_list_is_the_one_that_a_slow_reader_finds(tmp_path: Path, wanted: str) -> None:
    every = sorted(f"project-{number}" for number in range(20_000))
    path = tmp_path / "list"
    path.write_bytes(b"".join(render_html((name, name.title()) for name in every)))
    for after in ("", "a", every[0], every[7], every[9_999], every[-2], every[-1], "z", "project-5000-"):
        found = [name for name in every if wanted in name]
        found.sort(key=lambda name: (name != wanted, not name.startswith(wanted), name))
        place = (after != wanted, not after.startswith(wanted), after)
        expected = [
            name for name in found if not after or (name != wanted, not name.startswith(wanted), name) > place
        ]
        assert nearest_in(path, after, wanted, 3) == expected[:3]


async def test_the_page_of_a_feed_tells_what_is_under_way(
    tmp_path: Path, origin: Origin, index: FakeIndex
) -> None:
    origin.always(urlsplit(index.url).path, Fault(silent=True))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        assert (await gateway.get("/api/v1/feeds/pypi")).json()["under_way"] == []
        await gateway.get(PACKAGES)
        told = (await gateway.get("/api/v1/feeds/pypi")).json()["under_way"]
        assert told == ["the list of names is fetched from the origin"]
