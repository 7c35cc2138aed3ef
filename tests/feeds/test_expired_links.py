"""P6: links that expire before their page does: the page is asked for once more, and the new link, at once."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import Received, Resource
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import JSON
from tests.support.origin import Origin
from tests.support.wheels import Built, wheel


class Signed:
    """An index that signs its links, and a bucket that refuses what was signed for too long ago."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.files: dict[str, Built] = {}
        self.signature = 1
        self.status = 403
        origin.serve("/simple/demo/", self._page)
        origin.serve("/bucket/", self._file)

    def expire(self, status: int = 403) -> None:
        self.signature += 1
        self.status = status
        self.origin.forget()

    @property
    def page_hits(self) -> int:
        return self.origin.hits("/simple/demo/")

    def _page(self, request: Received) -> Resource:
        listed = [self._told(built) for built in self.files.values()]
        document = {"meta": {"api-version": "1.1"}, "name": "demo", "versions": [], "files": listed}
        return Resource(json.dumps(document).encode(), JSON)

    def _told(self, built: Built) -> dict[str, Any]:
        told = {
            "filename": built.filename, "hashes": {"sha256": built.sha256}, "size": len(built.data),
            "url": f"{self.origin.url}/bucket/{built.filename}?sig={self.signature}",
        }  # fmt: skip
        return told | {"core-metadata": {"sha256": hashlib.sha256(built.metadata or b"").hexdigest()}}

    def _file(self, request: Received) -> Resource:
        if not request.target.endswith(f"?sig={self.signature}"):
            return Resource(b"expired", status=self.status)
        file = request.path.removeprefix("/bucket/")
        built = self.files[file.removesuffix(".metadata")]
        return Resource(built.metadata or b"" if file.endswith(".metadata") else built.data)


@pytest.fixture
async def signed() -> AsyncIterator[Signed]:
    async with Origin() as origin:
        yield Signed(origin)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
async def test_a_refused_link_is_followed_by_the_pages_new_one(
    signed: Signed, tmp_path: Path, status: int
) -> None:
    """For the file, its parts, its header and its METADATA; many that wait have the page asked for once."""
    for version in ("1.0", "2.0", "3.0", "4.0", "5.0", "6.0"):
        built = wheel("demo", version)
        signed.files[built.filename] = built
    whole, part, header, metadata, many, more = signed.files.values()
    async with Gateway(tmp_path, feed(upstream(f"{signed.origin.url}/simple/", json_api=None))) as gateway:
        page = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        paths = {
            file["filename"]: f"/pypi/pypi/{file['url'].removeprefix('../../')}"
            for file in page.json()["files"]
        }

        async def ask(built: Built, suffix: str = "", **more: Any) -> tuple[int, bytes]:
            got = await gateway.get(paths[built.filename] + suffix, **more)
            return got.status, got.body

        signed.expire(status)
        assert await ask(whole) == (200, whole.data)
        assert await ask(part, Range="bytes=5-9") == (206, part.data[5:10])
        assert await ask(header, method="HEAD") == (200, b"")
        assert await ask(metadata, ".metadata") == (200, metadata.metadata)
        assert signed.page_hits == 1
        signed.expire(status)
        answers = await asyncio.gather(*(ask(each) for each in (many, more, part) for _ in range(5)))
        assert answers == [(200, each.data) for each in (many, more, part) for _ in range(5)]
        assert signed.page_hits == 1
        # A page that has no other link is asked once, and its word is the answer.
        signed.files = {}
        signed.expire(status)
        got = await gateway.get(paths[header.filename])
        assert got.status == (404 if status in (404, 410) else 502)
        assert signed.page_hits == 1
