"""Pages of more than 16 MiB: read by a child up to the upstream's `max_index_size`, and as good as any other."""

import base64
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.answers import Body
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, until, upstream
from tests.support.index import HTML, JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.pages import project_json
from tests.support.projects import File
from tests.support.wheels import wheel

MIB = 1024**2
WHEEL = "demo-1.0-py3-none-any.whl"
PAGE = "/pypi/pypi/simple/demo/"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def index_of(origin: Origin, *versions: str) -> FakeIndex:
    index = FakeIndex(origin)
    index.add(*(wheel("demo", version) for version in versions or ("1.0",)))
    return index


def small(index: FakeIndex) -> bytes:
    def link(file: File) -> str:
        return index.file_url(file.filename)

    return project_json(index.projects["demo"], link, serial=False, core_metadata=True)


def large(index: FakeIndex, size: int = 17 * MIB) -> bytes:
    """Return the project's page with so much white space that it is as large as that."""
    body = small(index)
    return body[:1] + b" " * (size - len(body)) + body[1:]


def show(origin: Origin, index: FakeIndex, body: Body, etag: str = '"1"', **more: Any) -> None:
    origin.add(index.page_path("demo"), body, content_type=JSON, etag=etag, **more)


async def lists(gateway: Gateway, count: int) -> None:
    """Wait until the page lists so many files: what is held is served while a large page is read."""
    await until(lambda: gateway.get(PAGE, Accept=JSON), lambda got: len(got.json()["files"]) == count)


async def test_a_large_page_is_served_like_any_other(origin: Origin, tmp_path: Path) -> None:
    index = index_of(origin)
    show(origin, index, large(index))
    async with Gateway(tmp_path, feed(upstream(index.url, ttl_s=0.0))) as gateway:
        got = await gateway.get(PAGE, Accept=JSON)
        assert (got.status, [file["filename"] for file in got.json()["files"]]) == (200, [WHEEL])
        path = f"/pypi/pypi/packages{index.file_path(WHEEL)}"
        assert (await gateway.get(path)).body == index.file(WHEEL).built.data
        # Unchanged: a conditional request, and no more.
        origin.forget()
        assert (await gateway.get(PAGE, Accept=HTML)).status == 200
        (request,) = [each for each in origin.requests if each.path == index.page_path("demo")]
        assert request.headers["if-none-match"] == '"1"'
        # Changed: the new one, whatever the old one was.
        index.add(wheel("demo", "2.0"))
        show(origin, index, large(index), '"2"')
        await lists(gateway, 2)
        index.add(wheel("demo", "3.0"))
        show(origin, index, small(index), '"3"')
        await lists(gateway, 3)
        assert gateway.app.base.tally.of("index_answers", "changed") == 3


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
async def test_a_large_page_that_always_comes_in_a_coding_is_served(
    origin: Origin, tmp_path: Path, coding: str
) -> None:
    index = index_of(origin)
    body = small(index)
    # Noise: what shrinks to nearly nothing is a bomb.
    noise = base64.b64encode(random.Random(0).randbytes(13 * MIB))
    show(origin, index, body[:-1] + b',"noise":"' + noise + b'"}')
    origin.always(index.page_path("demo"), Fault(encoding=coding))
    async with Gateway(tmp_path, feed(upstream(index.url, read_timeout_s=20.0))) as gateway:
        got = await gateway.get(PAGE, Accept=JSON)
        assert (got.status, [file["filename"] for file in got.json()["files"]]) == (200, [WHEEL])


async def test_a_large_page_of_unknown_length_is_served(origin: Origin, tmp_path: Path) -> None:
    index = index_of(origin)
    show(origin, index, large(index))
    origin.always(index.page_path("demo"), Fault(chunked=True))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        assert (await gateway.get(PAGE, Accept=JSON)).status == 200


async def test_first_sight_and_drift_count_on_large_pages(origin: Origin, tmp_path: Path) -> None:
    index = index_of(origin)
    show(origin, index, large(index))
    async with Gateway(tmp_path, feed(upstream(index.url, ttl_s=0.0))) as gateway:
        (first,) = (await gateway.get(PAGE, Accept=JSON)).json()["files"]
        path = first["url"].rpartition("../")[2]
        assert (await gateway.get(f"/pypi/pypi/{path}")).status == 200
        listed = orjson.loads(large(index))
        listed["files"][0]["hashes"]["sha256"] = "0" * 64
        body = orjson.dumps(listed)
        show(origin, index, body[:1] + b" " * 17 * MIB + body[1:], '"2"')
        tally = gateway.app.base.tally
        got = await until(lambda: gateway.get(PAGE, Accept=JSON), lambda _: tally.of("drift", "origin") > 0)
        (file,) = got.json()["files"]
        assert file["hashes"]["sha256"] == index.file(WHEEL).sha256


@pytest.mark.parametrize("fault", [Fault(), Fault(chunked=True)], ids=["with a length", "without"])
async def test_the_documented_key_is_the_limit(origin: Origin, tmp_path: Path, fault: Fault) -> None:
    index = index_of(origin)
    show(origin, index, large(index, 18 * MIB + 1))
    origin.always(index.page_path("demo"), fault)
    async with Gateway(tmp_path, feed(upstream(index.url, max_index_size_bytes=18 * MIB))) as gateway:
        got = await gateway.get(PAGE, Accept=JSON)
        assert (got.status, got.json()["type"]) == (502, "urn:feedgate:origin-refused")
        assert f"more than {18 * MIB} bytes" in got.json()["detail"]
        show(origin, index, large(index, 18 * MIB))
    async with Gateway(tmp_path, feed(upstream(index.url, max_index_size_bytes=18 * MIB))) as gateway:
        assert (await gateway.get(PAGE, Accept=JSON)).status == 200


async def test_a_large_page_that_is_none_leaves_the_one_before(origin: Origin, tmp_path: Path) -> None:
    index = index_of(origin)
    show(origin, index, large(index))
    async with Gateway(tmp_path, feed(upstream(index.url, ttl_s=0.0))) as gateway:
        assert (await gateway.get(PAGE, Accept=JSON)).status == 200
        show(origin, index, b"{" + b" " * 17 * MIB, '"2"')
        got = await gateway.get(PAGE, Accept=JSON)
        assert (got.status, "fwd=stale" in got.cache) == (200, True)
    async with Gateway(tmp_path / "other", feed(upstream(index.url))) as gateway:
        got = await gateway.get(PAGE, Accept=JSON)
        assert (got.status, got.json()["type"]) == (502, "urn:feedgate:origin-refused")
