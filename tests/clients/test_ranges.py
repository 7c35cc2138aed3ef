"""Checklist 10: parts of files, heads, and one fetch for however many clients."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.answers import Received
from tests.support.clients import Clients
from tests.support.faults import Fault
from tests.support.gateway import Gateway, Got, feed, upstream
from tests.support.index import JSON, PUBLIC, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

DEMO = wheel("demo", "1.0", payload=300_000, requires=["leaf"])
LEAF = wheel("leaf", "1.0")
SIZE = len(DEMO.data)
ETAG = f'"{DEMO.sha256}"'


class Scene:
    """A feed with one large wheel, and where it lies."""

    def __init__(self, gateway: Gateway, origin: Origin, path: str, at_origin: str) -> None:
        self.gateway = gateway
        self.path = path
        self._origin = origin
        self.at_origin = at_origin

    @property
    def url(self) -> str:
        return f"{self.gateway.url}{self.path}"

    async def get(self, method: str = "GET", **headers: str) -> Got:
        return await self.gateway.get(self.path, method=method, body=None, **headers)

    async def hold(self) -> None:
        assert (await self.get()).body == DEMO.data

    def asked(self) -> list[Received]:
        return self._origin.received(self.at_origin, method="GET")


@pytest.fixture
async def scene(origin: Origin, tmp_path: Path) -> AsyncIterator[Scene]:
    index = FakeIndex(origin)
    index.add(DEMO)
    index.add(LEAF)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        page = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        path = "/pypi/pypi/" + page.json()["files"][0]["url"].removeprefix("../../")
        yield Scene(gateway, origin, path, index.file_path(DEMO.filename))


#: Range -> the part of the file, None for all of it
PARTS: dict[str, slice] = {
    "bytes=0-0": slice(0, 1),
    "bytes=0-99": slice(0, 100),
    "bytes=100-": slice(100, SIZE),
    "bytes=-100": slice(SIZE - 100, SIZE),
    f"bytes={SIZE - 1}-": slice(SIZE - 1, SIZE),
    f"bytes=10-{SIZE * 2}": slice(10, SIZE),
    f"bytes=-{SIZE * 2}": slice(0, SIZE),
}
#: What is no single range is answered with everything.
WHOLE = ("bytes=0-1,5-9", "lines=1-2", "bytes=9-5", "bytes=a-b", "bytes=-", "0-1")
#: Ranges of which there is nothing.
NOTHING = (f"bytes={SIZE}-", f"bytes={SIZE * 2}-{SIZE * 3}", "bytes=-0")


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "not held"])
async def test_ranges_are_answered_with_exactly_their_bytes(scene: Scene, is_held: bool) -> None:
    if is_held:
        await scene.hold()
    for asked, part in PARTS.items():
        got = await scene.get(Range=asked)
        assert (got.status, got.body) == (206, DEMO.data[part]), asked
        assert got.headers["content-range"] == f"bytes {part.start}-{part.stop - 1}/{SIZE}"
        assert got.headers["content-length"] == str(part.stop - part.start)
        assert got.headers["etag"] == ETAG
        assert "content-encoding" not in got.headers
    for asked in NOTHING:
        got = await scene.get(Range=asked)
        assert (got.status, got.headers["content-range"]) == (416, f"bytes */{SIZE}"), asked
    for asked in WHOLE:
        got = await scene.get(Range=asked)
        assert (got.status, got.body) == (200, DEMO.data), asked


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "not held"])
async def test_head_tells_all_that_get_does_and_costs_no_bytes(scene: Scene, is_held: bool) -> None:
    if is_held:
        await scene.hold()
    before = len(scene.asked())
    head = await scene.get("HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(SIZE)
    assert head.headers["accept-ranges"] == "bytes"
    assert head.headers["content-type"] == "application/octet-stream"
    assert head.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert head.headers["etag"] == ETAG
    assert "content-disposition" not in head.headers
    assert len(scene.asked()) == before
    whole = await scene.get(Accept_Encoding="gzip, deflate, zstd")
    same = ("content-length", "etag", "accept-ranges", "content-type", "cache-control")
    assert [whole.headers[name] for name in same] == [head.headers[name] for name in same]
    assert whole.body == DEMO.data


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "not held"])
async def test_a_condition_decides_whether_a_range_or_anything_is_sent(scene: Scene, is_held: bool) -> None:
    if is_held:
        await scene.hold()
    part = {"Range": "bytes=100-199"}
    assert (await scene.get(**part, If_Range=ETAG)).body == DEMO.data[100:200]
    for other in ('"another"', f"W/{ETAG}", "Mon, 05 Jan 2015 12:30:00 GMT"):
        got = await scene.get(**part, If_Range=other)
        assert (got.status, got.body) == (200, DEMO.data), other
    for known in (ETAG, f"W/{ETAG}", f'"another", {ETAG}', "*"):
        got = await scene.get(If_None_Match=known)
        assert (got.status, got.body, got.headers["etag"]) == (304, b"", ETAG), known
    assert (await scene.get(If_None_Match='"another"')).status == 200


async def test_a_small_part_of_a_file_that_is_not_held_costs_only_that_part(scene: Scene) -> None:
    for asked in ("bytes=0-99", "bytes=-10000"):
        got = await scene.get(Range=asked)
        assert got.status == 206
        assert "hit" not in got.cache
    ranges = [request.headers.get("range") for request in scene.asked()]
    assert ranges == ["bytes=0-99", f"bytes={SIZE - 10000}-{SIZE - 1}"]


async def test_pip_reads_a_wheel_of_its_own_choice_by_ranges(scene: Scene, clients: Clients) -> None:
    """A direct URL has no page to advertise METADATA, so pip's lazy wheel reads the file itself."""
    ran = await clients.pip(
        "install", "--use-feature=fast-deps", "--dry-run", "--no-deps", "-i", scene.gateway.index(),
        f"demo @ {scene.url}",
    )  # fmt: skip
    assert ran.code == 0, ran.text
    assert "Would install demo-1.0" in ran.out
    wheels = [line for line in await scene.gateway.answered() if line.path == scene.path]
    assert {line.method for line in wheels} == {"HEAD", "GET"}
    assert {line.status for line in wheels if line.method == "GET"} == {206}
    assert all("range" in request.headers for request in scene.asked())


async def test_uv_reads_a_wheel_of_its_own_choice_by_ranges(scene: Scene, clients: Clients) -> None:
    ran = await clients.compile(scene.gateway.index(), f"demo @ {scene.url}")
    assert ran.code == 0, ran.text
    assert "leaf==1.0" in ran.out
    statuses = [line.status for line in await scene.gateway.answered() if line.path == scene.path]
    assert 206 in statuses
    assert all("range" in request.headers for request in scene.asked())


async def test_fast_deps_and_lazy_wheels_are_never_needed_for_what_a_page_lists(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    """Every wheel of a page has METADATA, so that clients which would read wheels by ranges do not have to."""
    index = FakeIndex(origin, replace(PUBLIC, core_metadata=False, metadata_files=False))
    index.add(DEMO)
    index.add(LEAF)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        ran = await clients.pip(
            "install", "--use-feature=fast-deps", "--dry-run", "-i", gateway.index(), "demo"
        )
        assert ran.code == 0, ran.text
        assert not [line for line in await gateway.answered() if line.path.endswith(".whl")]


async def test_concurrent_cold_downloads_are_one_fetch(
    scene: Scene, clients: Clients, origin: Origin
) -> None:
    origin.always(scene.at_origin, Fault(rate=600_000))
    url = scene.gateway.index()
    machines = [clients.elsewhere(f"machine{number}") for number in range(3)]
    got = await asyncio.gather(*(each.download(url, "--no-deps", "demo") for each in machines))
    assert [each.files for each in got] == [{DEMO.filename: DEMO.data}] * 3
    assert len(scene.asked()) == 1
