"""An entry that cannot be read costs no other of its page, cold and at a refresh (the table is tests/pypi's)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.answers import Received, Resource
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import JSON
from tests.support.origin import Origin

HTML_TYPE = "text/html; charset=utf-8"
DAMAGE = {
    "deep": (JSON, b'{"filename": "%b-2.0.tar.gz", "url": "x", "y": ' + b"[" * 3000 + b"]" * 3000 + b"}"),
    "surrogate": (JSON, b'{"filename": "%b-2.0.tar.gz", "url": "x", "yanked": "\\ud800"}'),
    "bytes": (JSON, b'{"filename": "%b-2.0.tar.gz", "url": "x", "yanked": "\xff"}'),
    "number": (JSON, b'{"filename": "%b-2.0.tar.gz", "url": "x", "size": 1e999}'),
    "types": (JSON, b'{"filename": ["%b-2.0.tar.gz"], "url": {}}'),
    "anchor": (HTML_TYPE, b'<a href="%b-2.0.tar.gz" data-requires-python="\xff">x</a>'),
    "unended": (HTML_TYPE, b"<!-- %b <a > --><li><a href='javascript:x'>"),
}


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def page(name: str, *, is_damaged: bool) -> Resource:
    kind, entry = DAMAGE[name]
    bad = entry.replace(b"%b", name.encode()) if is_damaged else b""
    file = f"{name}-1.0.tar.gz".encode()
    if kind == JSON:
        good = b'{"filename": "%b", "url": "%b", "hashes": {}}' % (file, file)
        return Resource(b'{"files": [%b%b]}' % (bad + b", " if bad else b"", good), kind)
    return Resource(b"<html><body>%b<a href=%b>x" % (bad, file), kind)


async def test_an_entry_costs_no_other_cold_and_at_a_refresh(origin: Origin, tmp_path: Path) -> None:
    damaged = {"deep", "surrogate", "anchor"}

    def handler(request: Received) -> Resource | None:
        name = request.target.removeprefix("/simple/").rstrip("/")
        return page(name, is_damaged=name in damaged) if name in DAMAGE else None

    origin.serve("/simple/", handler)
    clock = FakeClock()
    source = upstream(f"{origin.url}/simple/", json_api=None)
    async with Gateway(tmp_path, feed(source), clock=clock) as gateway:

        async def listed(name: str) -> list[str]:
            got = await gateway.get(f"/pypi/pypi/simple/{name}/", Accept=JSON)
            assert got.status == 200, got.body
            return [file["filename"] for file in got.json()["files"]]

        for name in DAMAGE:
            assert await listed(name) == [f"{name}-1.0.tar.gz"]
        damaged.update(DAMAGE)
        clock.advance(3600)
        for name in DAMAGE:
            assert await listed(name) == [f"{name}-1.0.tar.gz"]
            assert origin.hits(f"/simple/{name}/") == 2
            got = await gateway.get(f"/pypi/pypi/simple/{name}/", Accept=JSON)
            assert "fwd=stale" not in got.headers["cache-status"]
