"""An origin that turns evil after an approval changes no byte of what the approved feed answers (design, laws 3 and 7).

Asked is every URL of a PyPI feed, through the curated feed and through an open one that takes from it. What needs bytes
that are not held may be refused; nothing may be answered otherwise than it was approved.
"""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.config.settings import Feed, Upstream
from tests.approval.desk import Desk, curated
from tests.support.gateway import feed, until
from tests.support.index import JSON, PLAIN, PUBLIC, FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.projects import File
from tests.support.wheels import sdist, wheel

WHEEL = "demo-1.0-py3-none-any.whl"
SDIST = "demo-1.0.tar.gz"
PROVENANCE = "/attested/demo"
FEEDS = ("approved", "shop")
ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("GET", {"Accept": JSON}), ("GET", {"Accept": "text/html"}), ("GET", {"Range": "bytes=-100"}),
    ("GET", {"Range": "bytes=0-99"}), ("HEAD", {}),
)  # fmt: skip
SHAPES = {
    "hash of METADATA": PUBLIC,
    "no METADATA": Shape(core_metadata=False),
    "METADATA without hash": Shape(core_metadata=False, metadata_files=False),
    "plain HTML, no sizes": PLAIN,
}


def feeds(desk: Desk, fetch: str) -> tuple[Feed, ...]:
    over = feed(Upstream(id="inner", feed="approved"), name="shop")
    return desk.open(), curated(fetch=fetch), over


async def listed(desk: Desk, name: str) -> None:
    """Wait for a feed's list of names, which is made in the background."""
    await until(lambda: desk.gateway.get(f"/pypi/{name}/simple/"), lambda got: got.status == 200)


async def answers(desk: Desk) -> dict[str, tuple[int, bytes, str]]:
    """Ask for everything; what is cut off counts as refused."""
    asked: dict[str, tuple[int, bytes, str]] = {}
    for name in FEEDS:
        await listed(desk, name)
    files = (desk.path(name, "").removeprefix("/pypi//") for name in (WHEEL, SDIST))
    paths = [
        "simple/", "simple/demo/", "pypi/demo/json", "pypi/demo/1.0/json",
        f"integrity/demo/1.0/{WHEEL}/provenance", *(f"{path}{end}" for path in files for end in ("", ".metadata")),
    ]  # fmt: skip
    for name in FEEDS:
        for path in paths:
            for method, headers in ASKED:
                what = f"{name} {method} {path} {headers}"
                try:
                    got = await desk.gateway.get(f"/pypi/{name}/{path}", method=method, **headers)
                except aiohttp.ClientError:
                    asked[what] = (0, b"", "")
                    continue
                size = f"{got.headers.get('content-length')} {got.headers.get('etag')}"
                # A refusal names the server's own address, which differs from start to start.
                asked[what] = (got.status, got.body.replace(desk.gateway.url.encode(), b"SERVER"), size)
    return asked


def turn_evil(desk: Desk, index: FakeIndex, origin: Origin) -> None:
    """Change everything that an origin can change."""
    evil = wheel("demo", "1.0", requires=["evil"], requires_python="<3", payload=9000)
    for filename, built in ((WHEEL, evil), (SDIST, sdist("demo", "1.0", requires=["evil"]))):
        path = index.file_path(filename)
        origin.add(path, built.data)
        origin.add(f"{path}.metadata", evil.metadata or b"")
    index.projects["demo"].files = [
        File(evil, yanked="evil", requires_python="<3", provenance=f"{origin.url}{PROVENANCE}")
    ]
    index.projects["demo"].info["1.0"] = {"summary": "evil", "requires_dist": ["evil"]}
    index.bump("demo")
    origin.add(PROVENANCE, b'{"evil":1}', content_type="application/json")


def index_of(origin: Origin, shape: Shape) -> FakeIndex:
    index = FakeIndex(origin, shape)
    index.add(wheel("demo", "1.0", requires=["leaf"]), provenance=f"{origin.url}{PROVENANCE}")
    index.add(sdist("demo", "1.0", requires=["leaf"]))
    origin.add(PROVENANCE, b'{"version":1}', content_type="application/json")
    return index


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "not held"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_nothing_that_was_approved_is_answered_otherwise(
    tmp_path: Path, shape: Shape, is_held: bool
) -> None:
    async with Origin() as honest_origin, Origin() as origin:
        honest = Desk(tmp_path / "honest", honest_origin, index_of(honest_origin, shape))
        await honest.start(*feeds(honest, "eager"))
        try:
            await honest.promote("demo ==1.0")
            await honest.held()
            right = await answers(honest)
        finally:
            await honest.stop()

        index = index_of(origin, shape)
        desk = Desk(tmp_path / "evil", origin, index)
        await desk.start(*feeds(desk, "eager" if is_held else "lazy"))
        try:
            await desk.promote("demo ==1.0")
            if is_held:
                await desk.held()
            turn_evil(desk, index, origin)
            for start_again in (None, desk.gateway.restart, desk.gateway.restart_without_cache):
                if start_again is not None:
                    await start_again()
                for what, answer in (await answers(desk)).items():
                    is_of_bytes = "packages/" in what or "/json" in what
                    if is_held or not is_of_bytes:
                        assert answer == right[what], what
                    elif answer[0] not in (0, 404, 502, 503):
                        # Of what is not held little is known; that is all the same approved.
                        assert answer == right[what] or ("/json" in what and b"evil" not in answer[1]), what
        finally:
            await desk.stop()


async def test_an_approved_file_has_no_attestations_that_nobody_approved(
    desk: Desk, origin: Origin, index: FakeIndex
) -> None:
    index.add(wheel("demo", "1.0"), provenance=f"{origin.url}{PROVENANCE}")
    origin.add(PROVENANCE, b'{"version":1}', content_type="application/json")
    await desk.start()
    await desk.promote("demo ==1.0")
    path = f"integrity/demo/1.0/{WHEEL}/provenance"
    assert (await desk.gateway.get(f"/pypi/open/{path}")).body == b'{"version":1}'
    assert (await desk.gateway.get(f"/pypi/approved/{path}")).status == 404
    assert all("provenance" not in file for file in (await desk.page("demo")).json()["files"])


async def test_of_an_approved_wheel_the_origin_is_not_asked_for_unproven_metadata(
    desk: Desk, origin: Origin, index: FakeIndex
) -> None:
    index.reshape(core_metadata=False)
    await desk.start(*feeds(desk, "lazy"))
    await desk.promote("demo ==1.0")
    path = index.file_path(WHEEL)
    origin.forget()
    got = await desk.file(WHEEL, suffix=".metadata")
    assert (got.status, got.body) == (200, index.file(WHEEL).built.metadata)
    assert origin.hits(f"{path}.metadata") == 0
    assert [request.headers.get("range") for request in origin.received(path)] == [None]
