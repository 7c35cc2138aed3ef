"""Checklist 4: resolving costs METADATA and no wheel, whether the origin has METADATA files or not."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.answers import Received
from tests.support.apps import App
from tests.support.clients import Clients
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, until, upstream
from tests.support.index import JSON, PLAIN, PUBLIC, FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.wheels import Built, wheel

DEMO = wheel("demo", "1.0", requires=["leaf>=2"])
#: Incompressible, so that it is as large on the wire.
LARGE = wheel("leaf", "2.0", payload=8 * 1024**2, files={f"leaf/{n}.py": b"" for n in range(900)})
RESOLVED = "demo==1.0\nleaf==2.0\n"

BARE = replace(PUBLIC, core_metadata=False, metadata_files=False)
KINDS = {
    "advertised": PUBLIC,
    "there and not advertised": PLAIN,
    "only in the wheel": BARE,
    "only in the wheel of a plain mirror": replace(PLAIN, metadata_files=False),
}


def filled(origin: Origin, shape: Shape) -> FakeIndex:
    index = FakeIndex(origin, shape)
    index.add(DEMO)
    index.add(LARGE)
    return index


def read_bytes(requests: Sequence[Received]) -> int:
    """Return how many bytes were asked for, in ranges; anything else is the whole file."""
    total = 0
    for request in requests:
        asked = request.headers.get("range")
        if request.method == "HEAD":
            continue
        assert asked is not None, "the whole file was asked for"
        start, _, end = asked.removeprefix("bytes=").partition("-")
        total += int(end) + 1 - int(start)
    return total


async def metadata_of(gateway: Gateway, built: Built) -> tuple[object, bytes]:
    """Return what the page tells of the wheel's METADATA, and the METADATA."""
    page = await gateway.get(f"/pypi/pypi/simple/{built.name}/", Accept=JSON)
    entry = next(file for file in page.json()["files"] if file["filename"] == built.filename)
    path = f"/pypi/pypi/{entry['url'].removeprefix('../../')}.metadata"
    got = await gateway.get(path)
    assert got.status == 200, got.body
    return entry["core-metadata"], got.body


@pytest.mark.parametrize("shape", KINDS.values(), ids=KINDS)
async def test_every_resolver_needs_no_wheel(
    origin: Origin, clients: Clients, tmp_path: Path, shape: Shape
) -> None:
    index = filled(origin, shape)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        ran = await clients.compile(gateway.index(), "demo")
        assert ran.out == RESOLVED, ran.text
        ran = await clients.pip("install", "-q", "--dry-run", "-i", gateway.index(), "demo")
        assert ran.code == 0, ran.text
        app = App.made(tmp_path / "app", gateway.index(), clients, "demo")
        for tool in ("poetry", "pdm") if shape in (PUBLIC, BARE) else ():
            ran = await app.lock(tool)
            assert ran.code == 0, ran.text
            assert app.locked(tool) == {"demo": "1.0", "leaf": "2.0"}
        wheels = [line for line in await gateway.answered() if line.path.endswith(".whl")]
        assert wheels == [], "no client asked the feed for a wheel"
        for built in (DEMO, LARGE):
            told, body = await metadata_of(gateway, built)
            assert body == built.metadata
            assert told in (True, {"sha256": hashlib.sha256(body).hexdigest()})
        read = read_bytes(origin.received(index.file_path(LARGE.filename)))
        assert (read == 0) == shape.metadata_files
        assert read < 1024**2


async def test_metadata_is_made_once_and_outlives_a_restart_and_the_origin(
    origin: Origin, tmp_path: Path
) -> None:
    index = filled(origin, BARE)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        _, first = await metadata_of(gateway, LARGE)
        asked = origin.hits(index.file_path(LARGE.filename))
        assert asked > 0
        await gateway.restart()
        _, second = await metadata_of(gateway, LARGE)
        assert second == first
        assert origin.hits(index.file_path(LARGE.filename)) == asked
        await origin.off()
        _, third = await metadata_of(gateway, LARGE)
        assert third == first


async def test_an_origin_without_ranges_costs_the_wheel_once(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = filled(origin, BARE)
    path = index.file_path(LARGE.filename)
    origin.always(path, Fault(ignore_range=True, without=["Accept-Ranges"]))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        ran = await clients.compile(gateway.index(), "demo")
        assert ran.out == RESOLVED, ran.text
        got = await clients.download(gateway.index(), "demo")
        assert got.files[LARGE.filename] == LARGE.data, got.ran.text
        whole = [request for request in origin.received(path, method="GET") if "range" not in request.headers]
        assert len(whole) == 1


async def test_wrong_metadata_of_the_origin_is_replaced_by_the_wheels(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = filled(origin, PUBLIC)
    forged = b"Metadata-Version: 2.1\nName: leaf\nVersion: 2.0\nRequires-Dist: evil\n\n"
    origin.add(f"{index.file_path(LARGE.filename)}.metadata", forged)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        ran = await clients.compile(gateway.index(), "demo")
        assert ran.out == RESOLVED, ran.text
        got = await clients.download(gateway.index(), "demo")
        assert got.ran.code == 0, got.ran.text
        _, body = await metadata_of(gateway, LARGE)
        assert body == LARGE.metadata


async def test_a_wrong_digest_on_the_page_of_the_origin_is_put_right_for_the_next_client(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = filled(origin, PUBLIC)
    index.file(LARGE.filename).claimed_metadata_sha256 = "0" * 64
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        first = await clients.compile(gateway.index(), "demo")
        assert first.code != 0, "the page said so when this client read it"
        await until(
            lambda: gateway.get("/pypi/pypi/simple/leaf/", Accept=JSON),
            lambda page: b'"0000' not in page.body,
        )
        second = await clients.compile(gateway.index(), "demo")
        assert second.out == RESOLVED, second.text
        got = await clients.download(gateway.index(), "demo")
        assert got.ran.code == 0, got.ran.text
        told, body = await metadata_of(gateway, LARGE)
        # What was read by ranges is not proven by the wheel's digest, so a digest is told only of what was.
        assert told in (True, {"sha256": hashlib.sha256(body).hexdigest()})
        assert body == LARGE.metadata


async def test_unadvertised_metadata_that_differs_from_the_wheels_is_corrected_by_the_wheel(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    """No digest covers it, so only the verified wheel can tell (sheet, section 20, step 7)."""
    index = filled(origin, PLAIN)
    forged = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\n"
    origin.add(f"{index.file_path(DEMO.filename)}.metadata", forged)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        assert (await metadata_of(gateway, DEMO))[1] == forged
        got = await clients.download(gateway.index(), "--no-deps", "demo")
        assert got.ran.code != 0, "pip compares it with the wheel and refuses"
        assert (await metadata_of(gateway, DEMO))[1] == DEMO.metadata
        ran = await clients.elsewhere("second").compile(gateway.index(), "demo")
        assert ran.out == RESOLVED, ran.text


async def test_metadata_of_what_is_no_wheel_is_neither_offered_nor_served(
    origin: Origin, tmp_path: Path
) -> None:
    index = FakeIndex(origin)
    archive = index.add(replace(DEMO, filename="demo-1.0.tar.gz", metadata=None))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        page = (await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()
        assert page["files"][0].get("core-metadata", False) is False
        assert (await gateway.get(f"/pypi/pypi/packages{archive.path}.metadata")).status == 404
        assert json.dumps(page).count("metadata") <= 1
