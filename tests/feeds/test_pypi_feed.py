"""A PyPI feed, whole: what an origin says, what a client gets, from the door to the origin and back."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.gateway import Gateway, eventually, feed, upstream
from tests.support.index import HTML, JSON, PLAIN, PUBLIC, FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def filled(origin: Origin, shape: Shape = PUBLIC, files: Origin | None = None) -> FakeIndex:
    index = FakeIndex(origin, shape, files=files)
    index.add(wheel("demo", "1.0", requires=["leaf>=2"]), sdist("demo", "1.0"))
    index.add(wheel("leaf", "2.0"))
    return index


def links(body: bytes) -> list[str]:
    return re.findall(r'href="([^"#]*)', body.decode())


@pytest.mark.parametrize("shape", [PUBLIC, PLAIN], ids=["public", "plain"])
async def test_a_page_lists_what_the_origin_lists_and_its_files_download(
    origin: Origin, tmp_path: Path, shape: Shape
) -> None:
    async with Origin() as files:
        index = filled(origin, shape, files)
        async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
            page = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
            assert page.status == 200
            listed = {file["filename"]: file for file in page.json()["files"]}
            assert set(listed) == {WHEEL, "demo-1.0.tar.gz"}
            assert all(file["size"] > 0 and file["upload-time"] for file in listed.values())
            url = listed[WHEEL]["url"]
            assert url.startswith("../../")
            got = await gateway.get(f"/pypi/pypi/{url.removeprefix('../../')}")
            assert got.status == 200
            assert got.body == index.file(WHEEL).built.data
            side = await gateway.get(f"/pypi/pypi/{url.removeprefix('../../')}.metadata")
            assert side.status == 200
            assert b"Name: demo" in side.body


async def test_an_origin_of_rich_pages_is_not_asked_for_what_poor_ones_lack(
    origin: Origin, tmp_path: Path
) -> None:
    index = filled(origin)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        leaf = (await gateway.get("/pypi/pypi/simple/leaf/", Accept=JSON)).json()
        assert leaf["files"][0]["size"] > 0
        assert origin.hits(index.api_path("leaf")) == 0, "the first page told that pages are whole"
        index.reshape(forms=(HTML,))
        index.add(wheel("twig", "1.0"), wheel("bud", "1.0"))
        for name in ("twig", "bud"):
            page = (await gateway.get(f"/pypi/pypi/simple/{name}/", Accept=JSON)).json()
            assert page["files"][0]["size"] > 0
            assert origin.hits(index.api_path(name)) == 1


async def test_both_forms_list_the_same_files(origin: Origin, tmp_path: Path) -> None:
    index = filled(origin)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        as_json = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        as_html = await gateway.get("/pypi/pypi/simple/demo/", Accept=HTML)
        assert [file["url"] for file in as_json.json()["files"]] == links(as_html.body)


async def test_a_file_works_after_a_restart_without_a_page_and_without_the_origin(
    origin: Origin, tmp_path: Path
) -> None:
    index = filled(origin)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        page = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        path = "/pypi/pypi/" + page.json()["files"][0]["url"].removeprefix("../../")
        first = await gateway.get(path)
        assert first.status == 200
        assert "fwd=miss" in first.cache
        await origin.off()
        await gateway.restart()
        again = await gateway.get(path)
        assert (again.status, again.body) == (200, first.body)
        assert "hit" in again.cache
        stale = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        assert stale.body == page.body


async def test_unknown_names_and_files_are_unknown(origin: Origin, tmp_path: Path) -> None:
    index = filled(origin)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        for path in ("simple/nobody/", "packages/demo-9.9-py3-none-any.whl", "pypi/nobody/json"):
            got = await gateway.get(f"/pypi/pypi/{path}")
            assert got.status == 404, path
            assert got.json()["type"] == "urn:feedgate:unknown"


async def test_a_quarantined_project_lists_nothing_and_its_files_are_refused(
    origin: Origin, tmp_path: Path
) -> None:
    index = filled(origin)
    async with Gateway(tmp_path, feed(upstream(index.url, ttl_s=0.0))) as gateway:
        page = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        path = "/pypi/pypi/" + page.json()["files"][0]["url"].removeprefix("../../")
        assert (await gateway.get(path)).status == 200
        index.quarantine("demo", "malware")
        page = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        assert page.json()["files"] == []
        assert page.json()["project-status"]["status"] == "quarantined"
        refused = await gateway.get(path)
        assert (refused.status, refused.json()["type"]) == (403, "urn:feedgate:quarantined")
        assert (await gateway.get("/pypi/pypi/pypi/demo/json")).status == 404


async def test_the_json_api_lists_what_the_page_lists(origin: Origin, tmp_path: Path) -> None:
    index = filled(origin)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        document = (await gateway.get("/pypi/pypi/pypi/demo/json")).json()
        assert document["info"]["name"] == "demo"
        assert {file["filename"] for file in document["urls"]} == {WHEEL, "demo-1.0.tar.gz"}
        url = document["urls"][0]["url"]
        assert (await gateway.get("/pypi/pypi/" + url.removeprefix("../../"))).status == 200
        one = (await gateway.get("/pypi/pypi/pypi/demo/1.0/json")).json()
        assert "releases" not in one
        assert (
            await gateway.get("/pypi/pypi/" + one["urls"][0]["url"].removeprefix("../../../"))
        ).status == 200


async def test_the_list_of_names_is_asked_for_only_when_a_client_asks(origin: Origin, tmp_path: Path) -> None:
    index = filled(origin)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        assert origin.hits("/simple/") == 0
        waiting = await gateway.get("/pypi/pypi/simple/", Accept=JSON)
        assert waiting.status == 503
        assert int(waiting.headers["retry-after"]) > 0
        listed = await eventually(lambda: gateway.get("/pypi/pypi/simple/", Accept=JSON))
        assert [each["name"] for each in listed.json()["projects"]] == ["demo", "leaf"]
        as_html = await gateway.get("/pypi/pypi/simple/", Accept="text/html")
        assert links(as_html.body) == ["demo/", "leaf/"]
        assert origin.hits("/simple/") == 1
