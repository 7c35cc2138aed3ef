"""Checklist 1: whatever an origin's index looks like, every client installs through the feed from it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.apps import TOOLS, App
from tests.support.clients import Clients, installed
from tests.support.gateway import Gateway, eventually, feed, upstream
from tests.support.index import HTML_ONLY, JSON, PLAIN, PUBLIC, FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

WHEEL = "demo-1.0-py3-none-any.whl"
DEMO = wheel("demo", "1.0", requires=["leaf>=2"])
LEAF = wheel("leaf", "2.0+local.1", requires_python=">=3.8")

SHAPES = {
    "json absolute": PUBLIC,
    "json from the root": replace(PUBLIC, links="root"),
    "json relative": replace(PUBLIC, links="relative"),
    "html absolute": HTML_ONLY,
    "html from the root": replace(HTML_ONLY, links="root"),
    "html relative": replace(HTML_ONLY, links="relative"),
    "plain absolute": PLAIN,
    "plain relative": replace(PLAIN, links="relative"),
}
#: Everything that may be unknown is.
TERSE = replace(PLAIN, json_api=False)


def filled(index: FakeIndex) -> FakeIndex:
    index.add(DEMO, sdist("demo", "1.0"))
    index.add(LEAF)
    return index


async def assert_pip_and_uv_install(clients: Clients, url: str) -> None:
    got = await clients.download(url, "demo")
    assert got.ran.code == 0, got.ran.text
    assert got.files == {DEMO.filename: DEMO.data, LEAF.filename: LEAF.data}
    there = await clients.install(url, "demo")
    assert there.ran.code == 0, there.ran.text
    assert there.versions == {"demo": "1.0", "leaf": "2.0+local.1"}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_pip_and_uv_install_from_every_shape_of_index(
    origin: Origin, clients: Clients, tmp_path: Path, shape: Shape
) -> None:
    async with Origin() as files:
        index = filled(FakeIndex(origin, shape, files=files if shape.links == "absolute" else None))
        async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
            await assert_pip_and_uv_install(clients, gateway.index())


async def test_links_count_from_the_base_of_a_page(origin: Origin, clients: Clients, tmp_path: Path) -> None:
    async with Origin() as files:
        index = filled(FakeIndex(origin, replace(PLAIN, base=f"{files.url}/"), files=files))
        async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
            await assert_pip_and_uv_install(clients, gateway.index())


async def test_a_flat_page_of_links_is_an_index_of_every_project_in_it(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    filled(FakeIndex(origin, PLAIN))
    async with Gateway(tmp_path, feed(upstream(f"{origin.url}/flat.html"))) as gateway:
        await assert_pip_and_uv_install(clients, gateway.index())
        assert (await gateway.get("/pypi/pypi/simple/nobody/")).status == 404
        names = await eventually(lambda: gateway.get("/pypi/pypi/simple/", Accept=JSON))
        assert [each["name"] for each in names.json()["projects"]] == ["demo", "leaf"]


async def test_clients_read_the_html_form_as_a_page_of_links(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = filled(FakeIndex(origin))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        links = ("--no-index", "--find-links", f"{gateway.index()}leaf/")
        ran = await clients.pip("download", "-q", *links, "-d", "got", "leaf")
        assert ran.code == 0, ran.text
        assert (clients.home / "got" / LEAF.filename).read_bytes() == LEAF.data
        target = clients.home / "target"
        ran = await clients.uv("pip", "install", *links, "--target", str(target), "leaf")
        assert ran.code == 0, ran.text
        assert installed(target) == {"leaf": "2.0+local.1"}


@pytest.mark.parametrize("shape", [PUBLIC, TERSE], ids=["json", "terse"])
async def test_every_tool_locks_and_installs_from_every_kind_of_index(
    origin: Origin, clients: Clients, tmp_path: Path, shape: Shape
) -> None:
    index = filled(FakeIndex(origin, shape))
    for name in (WHEEL, LEAF.filename):
        index.file(name).uploaded_at = None if shape is TERSE else index.file(name).uploaded_at
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        app = App.made(tmp_path / "app", gateway.index(), clients, "demo")
        for tool in TOOLS:
            locked = await app.lock(tool)
            assert locked.code == 0, locked.text
            assert set(app.locked(tool)) == {"demo", "leaf"}
            synced = await app.install(tool)
            assert synced.code == 0, synced.text
            assert app.installed(tool) == {"demo": "1.0", "leaf": "2.0+local.1"}


async def test_what_the_origin_does_not_tell_is_left_out_and_never_null(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = filled(FakeIndex(origin, TERSE))
    index.file(WHEEL).uploaded_at = None
    index.file(WHEEL).hashed = False
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        page = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        assert b"null" not in page.body
        assert page.json()["meta"]["api-version"] == "1.0"
        assert "versions" not in page.json()
        listed = {file["filename"]: file for file in page.json()["files"]}[WHEEL]
        assert not {"size", "upload-time"} & set(listed)
        assert listed["hashes"] == {}
        assert listed["yanked"] is False
        ran = await clients.compile(gateway.index(), "demo")
        assert (ran.code, ran.out) == (0, "demo==1.0\nleaf==2.0+local.1\n"), ran.text


async def test_nulls_and_empty_strings_of_an_origin_reach_no_client(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = filled(FakeIndex(origin))
    entry = (
        f'{{"filename":"{WHEEL}","url":"{index.file_url(WHEEL)}","hashes":{{"sha256":"{DEMO.sha256}"}},'
        '"size":null,"upload-time":"","yanked":null,"requires-python":"","core-metadata":null,'
        '"provenance":null,"gpg-sig":null}'
    )
    bare = f'{{"filename":"{DEMO.filename}","url":"{index.file_url(WHEEL)}"}}'
    for body in (entry, bare):
        page = f'{{"meta":{{"api-version":"1.1"}},"name":"demo","files":[{body}],"versions":["1.0"]}}'
        origin.add(index.page_path("demo"), page.encode(), content_type=JSON)
        folder = tmp_path / f"{len(body)}"
        async with Gateway(folder, feed(upstream(index.url, json_api=None))) as gateway:
            told = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
            assert b"null" not in told.body
            assert not re.search(rb'"(size|upload-time)":', told.body)
            there = clients.elsewhere(folder.name)
            installed = await there.install(gateway.index(), "demo")
            assert installed.ran.code == 0, installed.ran.text
            downloaded = await there.download(gateway.index(), "--no-deps", "demo")
            assert downloaded.ran.code == 0, downloaded.ran.text
