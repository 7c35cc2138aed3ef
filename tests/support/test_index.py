"""The fake index is good enough for the real clients, and its switches switch."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.clients import pip_install, uv_install
from tests.support.index import HTML, HTML_ONLY, JSON, PLAIN, PUBLIC, FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


def filled(origin: Origin, shape: Shape = PUBLIC, files: Origin | None = None) -> FakeIndex:
    index = FakeIndex(origin, shape, files=files)
    index.add(wheel("Demo", "1.0", requires=["leaf>=2"]), wheel("leaf", "2.0"), sdist("leaf", "1.0"))
    return index


async def page(client: aiohttp.ClientSession, index: FakeIndex, name: str, accept: str = JSON) -> str:
    async with client.get(index.url + f"{name}/", headers={"Accept": accept}) as answer:
        answer.raise_for_status()
        return await answer.text()


async def listing(client: aiohttp.ClientSession, index: FakeIndex, name: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(await page(client, index, name))
    return document


@pytest.mark.parametrize("shape", [PUBLIC, HTML_ONLY, PLAIN], ids=["public", "html", "plain"])
async def test_uv_installs_wheels_from_every_shape(origin: Origin, tmp_path: Path, shape: Shape) -> None:
    async with Origin() as files:
        index = filled(origin, shape, files)
        ran = await uv_install(index.url, tmp_path / "t", "demo", home=tmp_path)
        assert ran.code == 0, ran.text
        assert (tmp_path / "t/demo/__init__.py").read_text() == 'VERSION = "1.0"\n'
        assert (tmp_path / "t/leaf/__init__.py").read_text() == 'VERSION = "2.0"\n'
        asked = files.hits(index.file_path("leaf-2.0-py3-none-any.whl") + ".metadata")
        assert asked == (0 if shape.plain else 1)


async def test_pip_builds_an_sdist_without_another_index(origin: Origin, tmp_path: Path) -> None:
    index = filled(origin)
    ran = await pip_install(index.url, tmp_path / "t", "leaf==1.0", home=tmp_path)
    assert ran.code == 0, ran.text
    assert (tmp_path / "t/leaf/__init__.py").read_text() == 'VERSION = "1.0"\n'


async def test_public_page_is_negotiated_and_revalidated(
    origin: Origin, client: aiohttp.ClientSession
) -> None:
    index = filled(origin)
    for accept, form in ((f"{JSON}, {HTML};q=0.1", JSON), ("*/*", "text/html"), (HTML, HTML)):
        async with client.get(index.url + "demo/", headers={"Accept": accept}) as answer:
            assert answer.headers["Content-Type"] == form
            assert int(answer.headers["X-PyPI-Last-Serial"]) == index.projects["demo"].serial
            etag = answer.headers["ETag"]
        again = {"Accept": accept, "If-None-Match": etag}
        async with client.get(index.url + "demo/", headers=again) as answer:
            assert answer.status == 304
    index.bump("demo")
    async with client.get(index.url + "demo/", headers=again) as answer:
        assert answer.status == 200


async def test_plain_mirror_has_no_validators_and_only_html(
    origin: Origin, client: aiohttp.ClientSession
) -> None:
    index = filled(origin, PLAIN)
    async with client.get(index.url + "demo/", headers={"Accept": JSON}) as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"] == "text/html"
        assert not {"ETag", "Last-Modified", "Cache-Control", "Vary", "X-PyPI-Last-Serial"} & set(
            answer.headers
        )
    assert "data-upload-time" in text and "core-metadata" not in text
    assert "data-upload-time" not in await page(client, index, "demo", "text/html")
    async with client.get(index.url.replace("/simple/", "/pypi/demo/json/")) as answer:
        assert answer.status == 404
    async with client.get(index.url.replace("/simple/", "/pypi/demo/json")) as answer:
        assert (await answer.json())["urls"][0]["filename"] == "demo-1.0-py3-none-any.whl"


@pytest.mark.parametrize("links", ["absolute", "root", "relative"])
async def test_links_lead_to_the_file_in_every_spelling(
    origin: Origin, client: aiohttp.ClientSession, links: str
) -> None:
    index = filled(origin)
    index.reshape(links=links)
    async with client.get(index.url + "demo/", headers={"Accept": JSON}) as answer:
        told = json.loads(await answer.text())["files"][0]["url"]
        where = answer.url.join(type(answer.url)(told))
    async with client.get(where) as answer:
        assert await answer.read() == wheel("Demo", "1.0", requires=["leaf>=2"]).data
    async with client.get(f"{where}.metadata") as answer:
        assert b"Requires-Dist: leaf>=2" in await answer.read()


async def test_names_and_missing_slash_are_redirected(origin: Origin, client: aiohttp.ClientSession) -> None:
    index = filled(origin)
    for spelling in ("demo", "DEMO/", "Demo"):
        async with client.get(index.url + spelling, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (301, "/simple/demo/")
    async with client.get(index.url + "nothing/") as answer:
        assert answer.status == 404


async def test_yank_removal_quarantine_and_deletion(origin: Origin, client: aiohttp.ClientSession) -> None:
    index = filled(origin)
    index.yank("leaf-2.0-py3-none-any.whl", 'a & "b"')
    assert 'data-yanked="a &amp; &quot;b&quot;"' in await page(client, index, "leaf", "text/html")
    index.remove("leaf-2.0-py3-none-any.whl")
    assert (await listing(client, index, "leaf"))["versions"] == ["1.0"]
    async with client.get(index.file_url("leaf-2.0-py3-none-any.whl")) as answer:
        assert answer.status == 200
    index.quarantine("leaf", "malware")
    got = await listing(client, index, "leaf")
    assert (got["files"], got["project-status"]) == ([], {"status": "quarantined", "reason": "malware"})
    async with client.get(index.url, headers={"Accept": JSON}) as answer:
        assert [entry["name"] for entry in json.loads(await answer.text())["projects"]] == ["Demo"]
    index.remove_project("leaf")
    async with client.get(index.url + "leaf/") as answer:
        assert answer.status == 404


async def test_json_api_tells_releases_and_single_versions(
    origin: Origin, client: aiohttp.ClientSession
) -> None:
    index = filled(origin)
    base = index.url.replace("/simple/", "/pypi/leaf/")
    async with client.get(base + "json") as answer:
        told = await answer.json()
    assert (told["info"]["version"], sorted(told["releases"])) == ("2.0", ["1.0", "2.0"])
    async with client.get(base + "1.0/json") as answer:
        assert "releases" not in await answer.json()
    index.reshape(version_json=False)
    async with client.get(base + "1.0/json") as answer:
        assert answer.status == 404


async def test_flat_page_links_everything(origin: Origin, client: aiohttp.ClientSession) -> None:
    index = filled(origin)
    async with client.get(index.flat_url) as answer:
        assert (await answer.text()).count("<a href=") == 3
