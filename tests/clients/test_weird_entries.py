"""Checklist 9: odd entries of a page harm no client, and those that a client may use are there."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.support.apps import TOOLS, App
from tests.support.clients import Clients
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import HTML, HTML_ONLY, JSON, PLAIN, PUBLIC, FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.wheels import Built, sdist, wheel

GOOD = wheel("demo", "1.0")
LOCAL = wheel("demo", "1.1+cu124.local")
REASON = 'a "quoted" reason & <b>more</b>, ümlaut, 漢字'

ODD = [
    Built("demo", "1.0", "demo-1.0.win32-py2.7.exe", b"MZ", None),
    Built("demo", "1.0", "demo-1.0-py2.7.egg", b"PK", None),
    Built("demo", "1.0", "demo-1.0-1.noarch.rpm", b"rpm", None),
    Built("demo", "1.0", "demo-1.0.tar.bz2", b"BZ", None),
    Built("demo", "1.0", "demo-1.0-variants.json", b"{}", None),
    Built("demo", "1.0", "demo-1.0-py3-none-any-gpu.whl", b"PK", b""),
    Built("demo", "banana", "demo-banana.tar.gz", b"x", None),
    Built("demo", "banana", "demo-banana-py3-none-any.whl", b"PK", b""),
    Built("demo", "1.0", "demo.zip", b"PK", None),
    Built("demo", "1.0", "readme.txt", b"hello", None),
]
SHAPES = {"json": PUBLIC, "html": HTML_ONLY, "plain": PLAIN}


def filled(origin: Origin, shape: Shape) -> FakeIndex:
    index = FakeIndex(origin, shape)
    for built in ODD:
        index.add(built)
    index.add(GOOD, sdist("demo", "1.0"))
    index.add(LOCAL, provenance=f"{origin.url}/integrity/demo/1.1/{LOCAL.filename}/provenance")
    index.add(wheel("demo", "2.0"), yanked=REASON)
    index.add(wheel("demo", "0.9"), requires_python="not >> a specifier")
    return index


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_every_client_finds_its_file_among_odd_ones(
    origin: Origin, clients: Clients, tmp_path: Path, shape: Shape
) -> None:
    index = filled(origin, shape)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        url = gateway.index()
        got = await clients.download(url, "demo")
        assert got.files == {LOCAL.filename: LOCAL.data}, got.ran.text
        got = await clients.download(url, "demo==1.0")
        assert got.files == {GOOD.filename: GOOD.data}, got.ran.text
        assert (await clients.install(url, "demo")).versions == {"demo": "1.1+cu124.local"}
        app = App.made(tmp_path / "app", url, clients, "demo")
        # What clients read is the same whatever the origin's form; the slow ones read it once.
        for tool in TOOLS if shape is PUBLIC else ("uv",):
            ran = await app.lock(tool)
            assert ran.code == 0, ran.text
            assert app.locked(tool)["demo"].startswith("1.1"), ran.text
        got = await clients.download(url, "demo==2.0")
        assert got.ran.code == 0, got.ran.text
        assert REASON in got.ran.text


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_what_is_listed_downloads_whatever_its_name(
    origin: Origin, tmp_path: Path, shape: Shape
) -> None:
    index = filled(origin, shape)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        page = (await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()
        listed = {file["filename"]: file["url"] for file in page["files"]}
        assert {GOOD.filename, LOCAL.filename, "demo-1.0.tar.gz", "demo-1.0.win32-py2.7.exe"} <= set(listed)
        for filename, url in listed.items():
            got = await gateway.get("/pypi/pypi/" + url.removeprefix("../../"))
            assert got.status == 200, filename
            assert got.body == index.file(filename).built.data
        assert "banana" not in page.get("versions", [])


async def test_a_reason_is_the_same_in_every_form(origin: Origin, tmp_path: Path) -> None:
    index = filled(origin, PUBLIC)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        page = (await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()
        assert {file["yanked"] for file in page["files"]} == {False, REASON}
        as_html = await gateway.get("/pypi/pypi/simple/demo/", Accept=HTML)
        async with Origin() as second:
            second.add("/simple/demo/", as_html.body, content_type=HTML)
            chained = feed(upstream(f"{second.url}/simple/", json_api=None))
            async with Gateway(tmp_path / "second", chained) as reader:
                again = (await reader.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()
                assert {file["yanked"] for file in again["files"]} == {False, REASON}


async def test_a_plus_in_a_file_name_survives_every_way_of_writing_it(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = FakeIndex(origin, replace(PUBLIC, links="relative"))
    index.add(LOCAL)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        page = (await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()
        path = "/pypi/pypi/" + page["files"][0]["url"].removeprefix("../../")
        for written in {path, path.replace("+", "%2B"), path.replace("%2B", "+")}:
            got = await gateway.get(written)
            assert (got.status, got.body) == (200, LOCAL.data), written
            assert (await gateway.get(f"{written}.metadata")).body == LOCAL.metadata


async def test_attestations_of_the_origin_are_reached_through_the_feed(
    origin: Origin, tmp_path: Path
) -> None:
    index = filled(origin, PUBLIC)
    told = b'{"version":1,"attestation_bundles":[]}'
    path = f"/integrity/demo/1.1/{LOCAL.filename}/provenance"
    origin.add(path, told, content_type="application/vnd.pypi.integrity.v1+json")
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        page = (await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()
        links = [file["provenance"] for file in page["files"] if file.get("provenance")]
        assert len(links) == 1
        assert origin.url not in links[0]
        got = await gateway.get(urlsplit(urljoin(f"{gateway.index()}demo/", links[0])).path)
        assert (got.status, got.body) == (200, told)
