"""Whose word a wheel's METADATA is: bytes that nothing proves stay with the upstream that sent them."""

import asyncio
import hashlib
import io
import threading
import zipfile
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import orjson
import pytest

from proxy.feeds.pypi import core_metadata
from proxy.pypi.core_metadata import names_project
from tests.support.answers import Received, Resource
from tests.support.faults import Fault
from tests.support.gateway import Gateway, Got, feed, until, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import Built, wheel

WHEEL = "demo-1.0-py3-none-any.whl"
PATH = f"/packages/{WHEEL}"
POISON = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: other\n"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def page(built: Built, **facts: object) -> bytes:
    file = {"filename": WHEEL, "url": PATH, "hashes": {"sha256": built.sha256}, **facts}
    return orjson.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": [file]})


def liar(origin: Origin, built: Built) -> str:
    """Fill an origin whose side file is not the wheel's; return its index URL."""
    origin.add("/simple/demo/", page(built), content_type=JSON)
    origin.add(f"{PATH}.metadata", POISON)
    origin.add(PATH, built.data)
    return f"{origin.url}/simple/"


async def test_what_one_upstream_says_of_a_wheel_is_not_served_by_another_feed(
    origin: Origin, tmp_path: Path
) -> None:
    async with Origin() as good:
        built = wheel("demo", "1.0", requires=["leaf"])
        index = FakeIndex(good)
        index.add(built)
        feeds = (
            feed(upstream(liar(origin, built), "bad", json_api=None), name="bad"),
            feed(upstream(index.url, "good"), name="good"),
        )
        async with Gateway(tmp_path, *feeds) as gateway:
            assert (await gateway.get(f"/pypi/bad/packages{PATH}.metadata")).status == 200
            listed = (await gateway.get("/pypi/good/simple/demo/", Accept=JSON)).json()["files"][0]
            got = await gateway.get(f"/pypi/good/{listed['url'].removeprefix('../../')}.metadata")
            assert got.body == built.metadata


async def test_unproven_metadata_gives_way_to_the_wheels_own_once_that_is_held(
    origin: Origin, tmp_path: Path
) -> None:
    built = wheel("demo", "1.0", requires=["leaf"])
    settings = feed(upstream(liar(origin, built), json_api=None))
    async with Gateway(tmp_path, settings) as gateway:
        side = f"/pypi/pypi/packages{PATH}.metadata"
        assert (await gateway.get(side)).body == POISON
        assert (await gateway.get(side.removesuffix(".metadata"))).body == built.data
        got = await until(lambda: gateway.get(side), lambda got: got.body != POISON)
        assert got.body == built.metadata


async def test_unproven_metadata_gives_way_though_the_settings_changed_while_the_wheel_came(
    origin: Origin, tmp_path: Path
) -> None:
    built = wheel("demo", "1.0", requires=["leaf"])
    settings = feed(upstream(liar(origin, built), json_api=None))
    origin.always(PATH, Fault(delay_s=0.5))
    async with Gateway(tmp_path, settings) as gateway:
        side = f"/pypi/pypi/packages{PATH}.metadata"
        assert (await gateway.get(side)).body == POISON
        fetching = asyncio.create_task(gateway.get(side.removesuffix(".metadata")))
        while not origin.hits(PATH):
            await asyncio.sleep(0.02)
        gateway.reload(settings)
        assert (await fetching).body == built.data
        got = await until(lambda: gateway.get(side), lambda got: got.body != POISON)
        assert got.body == built.metadata


async def test_bytes_that_nothing_proves_are_never_told_a_digest_of(origin: Origin, tmp_path: Path) -> None:
    built = wheel("demo", "1.0", requires=["leaf"])
    url = liar(origin, built)
    origin.add("/simple/demo/", page(built, **{"core-metadata": {"sha256": "0" * 64}}), content_type=JSON)
    async with Gateway(tmp_path, feed(upstream(url, json_api=None))) as gateway:
        got = await gateway.get(f"/pypi/pypi/packages{PATH}.metadata")
        assert got.body == built.metadata, "the side file has not the digest that the index tells"
        listed = (await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()["files"][0]
        assert listed["core-metadata"] is True


async def test_metadata_of_an_origin_is_not_read_on_the_loop(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[threading.Thread] = []

    def seen(metadata: bytes, project: str) -> bool:
        readers.append(threading.current_thread())
        return names_project(metadata, project)

    monkeypatch.setattr(core_metadata, "names_project", seen)
    built = wheel("demo", "1.0")
    settings = feed(upstream(liar(origin, built), json_api=None))
    async with Gateway(tmp_path, settings) as gateway:
        assert (await gateway.get(f"/pypi/pypi/packages{PATH}.metadata")).body == POISON
    assert readers
    assert threading.main_thread() not in readers


REFUSALS = {
    "405": Fault(methods=("HEAD",), status=405), "403": Fault(methods=("HEAD",), status=403),
    "404": Fault(methods=("HEAD",), status=404), "501": Fault(methods=("HEAD",), status=501),
    "closed": Fault(methods=("HEAD",), refuse=True),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSALS.values(), ids=REFUSALS.keys())
async def test_an_origin_that_refuses_head_is_not_asked_so(
    origin: Origin, tmp_path: Path, fault: Fault
) -> None:
    built = wheel("demo", "1.0", requires=["leaf"], payload=200_000)
    origin.add("/simple/demo/", page(built), content_type=JSON)
    origin.add(PATH, built.data, faults=fault)
    async with Gateway(tmp_path, feed(upstream(f"{origin.url}/simple/", json_api=None))) as gateway:
        path = f"/pypi/pypi/packages{PATH}"
        for _ in range(6):
            head = await gateway.get(path, method="HEAD")
            assert (head.status, head.headers["content-length"]) == (200, str(len(built.data)))
        part = await gateway.get(path, Range="bytes=100-199")
        assert (part.status, part.body) == (206, built.data[100:200])
        assert (await gateway.get(f"{path}.metadata")).body == built.metadata
        assert origin.hits(method="HEAD") == 0
        assert all("range" in request.headers for request in origin.received(PATH)), (
            "the whole wheel was fetched"
        )
        assert (await gateway.get(path)).body == built.data


@pytest.mark.parametrize("status", [403, 405, 500, 501, 503, 200])
async def test_an_origin_that_gives_no_parts_gives_the_whole(
    origin: Origin, tmp_path: Path, status: int
) -> None:
    built = wheel("demo", "1.0", requires=["leaf"])

    def whole_only(request: Received) -> Resource | None:
        if request.path != PATH:
            return None
        if "range" in request.headers and status != 200:
            return Resource(b"no parts", status=status, ranges=False)
        return Resource(built.data, ranges=False)

    origin.add("/simple/demo/", page(built), content_type=JSON)
    origin.serve("/packages/", whole_only)
    settings = feed(upstream(f"{origin.url}/simple/", json_api=None))
    path = f"/pypi/pypi/packages{PATH}"
    async with Gateway(tmp_path / "head", settings) as gateway:
        head = await gateway.get(path, method="HEAD")
        assert (head.status, head.headers["content-length"]) == (200, str(len(built.data)))
    async with Gateway(tmp_path / "part", settings) as gateway:
        part = await gateway.get(path, Range="bytes=100-199")
        assert (part.status, part.body) == (206, built.data[100:200])
    async with Gateway(tmp_path / "metadata", settings) as gateway:
        assert (await gateway.get(f"{path}.metadata")).body == built.metadata
        assert (await gateway.get(path)).body == built.data


RENAMED = "demo-1.0+cu118-py3-none-any.whl"


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "by ranges"])
async def test_a_wheel_renamed_with_a_local_version_has_its_metadata(
    origin: Origin, tmp_path: Path, is_held: bool
) -> None:
    built = wheel("demo", "1.0")
    file = {"filename": RENAMED, "url": f"/packages/{RENAMED}", "hashes": {"sha256": built.sha256}}
    body = orjson.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": [file]})
    origin.add("/simple/demo/", body, content_type=JSON)
    origin.add(f"/packages/{RENAMED}", built.data)
    async with Gateway(tmp_path, feed(upstream(f"{origin.url}/simple/", json_api=None))) as gateway:
        path = f"/pypi/pypi/packages/packages/{RENAMED.replace('+', '%2B')}"
        if is_held:
            assert (await gateway.get(path)).body == built.data
        assert (await gateway.get(f"{path}.metadata")).body == built.metadata


async def test_metadata_is_announced_only_of_what_has_it_here(origin: Origin, tmp_path: Path) -> None:
    built = wheel("demo", "1.0")
    names = (WHEEL, "demo-1.0.tar.gz", "demo-1.0-py3.12.egg", "demo-1.0-cp313-cp313-linux_x86_64-fast.whl")
    files = [
        {"filename": name, "url": f"/packages/{name}", "hashes": {"sha256": built.sha256}, "core-metadata": told}
        for name, told in zip(names, (True, {"sha256": "0" * 64}, True, True), strict=True)
    ]  # fmt: skip
    body = orjson.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": files})
    origin.add("/simple/demo/", body, content_type=JSON)
    async with Gateway(tmp_path, feed(upstream(f"{origin.url}/simple/", json_api=None))) as gateway:
        listed = (await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()["files"]
        assert {each["filename"]: each["core-metadata"] for each in listed} == {
            name: name == WHEEL for name in names
        }
        html = (await gateway.get("/pypi/pypi/simple/demo/", Accept="text/html")).body
        assert html.count(b"data-core-metadata") == html.count(b"data-dist-info-metadata") == 1
        api = (await gateway.get("/pypi/pypi/pypi/demo/1.0/json")).json()["urls"]
        assert [each["filename"] for each in api if "core-metadata" in each] == [WHEEL]


async def test_a_wheel_without_metadata_is_not_announced_again_by_a_changed_page(
    origin: Origin, tmp_path: Path
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("other-1.0.dist-info/METADATA", POISON)
    data = out.getvalue()
    file = {"filename": WHEEL, "url": PATH, "hashes": {"sha256": hashlib.sha256(data).hexdigest()}}

    def show(*more: dict[str, object]) -> None:
        told = {"meta": {"api-version": "1.1"}, "name": "demo", "files": [file, *more]}
        origin.add("/simple/demo/", orjson.dumps(told), content_type=JSON)

    def announced(got: Got) -> dict[str, object]:
        return {each["filename"]: each["core-metadata"] for each in got.json()["files"]}

    show()
    origin.add(PATH, data)
    settings = feed(upstream(f"{origin.url}/simple/", json_api=None, ttl_s=0.0))
    async with Gateway(tmp_path, settings) as gateway:

        def listed() -> Awaitable[Got]:
            return gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)

        assert announced(await listed()) == {WHEEL: True}
        assert (await gateway.get(f"/pypi/pypi/packages{PATH}.metadata")).status == 404
        await until(listed, lambda got: announced(got) == {WHEEL: False})
        other = "demo-2.0-py3-none-any.whl"
        show({"filename": other, "url": f"/packages/{other}", "hashes": {}})
        got = await until(listed, lambda got: len(announced(got)) == 2)
        assert announced(got) == {WHEEL: False, other: True}
