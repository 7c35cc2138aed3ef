"""Index and gate agree (I2, I10): every form lists the same, what is listed downloads, and nothing else does."""

import asyncio
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from tests.faults.client import Fetched
from tests.support.index import HTML, JSON, FakeIndex

if TYPE_CHECKING:
    from tests.faults.scene import Scene

_TRIES = 50
_PROBES: tuple[tuple[str, dict[str, str]], ...] = (
    ("GET", {}),
    ("HEAD", {}),
    ("GET", {"Range": "bytes=0-0"}),
    ("GET", {"Range": "bytes=-1"}),
    ("GET", {"If_None_Match": "*"}),
)


class Agreement:
    """What the server shows of the indexes' projects, in every feed that it has."""

    def __init__(self, scene: "Scene", indexes: Iterable[FakeIndex]) -> None:
        self._scene = scene
        self._indexes = tuple(indexes)

    async def complaints(self, *, downloads: bool) -> list[str]:
        found: list[str] = []
        names = sorted({name for index in self._indexes for name in index.projects})
        for feed in self._scene.gateway.settings.feeds:
            shown: set[str] = set()
            for name in names:
                found += await self._of(f"/pypi/{feed}", name, downloads, shown)
            found += await self._unlisted(f"/pypi/{feed}", shown)
        return found

    async def _of(self, feed: str, name: str, downloads: bool, all_shown: set[str]) -> list[str]:
        page = await self._fresh(f"{feed}/simple/{name}/")
        if page.status != 200:
            return [] if page.status in (403, 404) or not downloads else [f"I10: {page.path}: {page.told}"]
        listed = dict(_of_json(page))
        all_shown |= set(listed.values())
        found = []
        for other, read in (
            (await self._scene.get(page.path, Accept=HTML), _of_html),
            (await self._scene.get(f"{feed}/pypi/{name}/json"), _of_api),
        ):
            shown = dict(read(other)) if other.status == 200 else {}
            if shown != listed and not (other.status == 404 and not listed):
                found.append(f"I10: {other.path} ({other.status}) lists {shown}, the page {listed}")
        return found + (await self._downloads(listed) if downloads else [])

    async def _fresh(self, path: str) -> Fetched:
        """Return the page as the origin has it now: a stale copy may come first, and be replaced meanwhile."""
        page = await self._scene.get(path, Accept=JSON)
        for _ in range(_TRIES):
            if not page.cache.endswith("fwd=stale") and (page.status < 500 or not self._scene.heals):
                break
            await self._scene.later()
            await asyncio.sleep(0.02)
            page = await self._scene.get(path, Accept=JSON)
        return page

    async def _downloads(self, listed: dict[str, str]) -> list[str]:
        found = []
        for filename, path in listed.items():
            got = await self._scene.get(path)
            if got.status != 200 or not got.is_complete:
                found.append(
                    f"I10: {filename} is listed and does not download: {got.told} {got.body[:200]!r}"
                )
        return found

    async def _unlisted(self, feed: str, listed: set[str]) -> list[str]:
        """I2: what no page lists is not served in any way, held or not."""
        found = []
        for path in {
            f"{feed}/packages{file.path}" for index in self._indexes for file in index.hosted.values()
        } - listed:
            for method, fields in _PROBES:
                got = await self._scene.get(path, method, **fields)
                if got.status < 400:
                    found.append(f"I2: {method} {path} {fields} is {got.status} and is not listed")
        return found


def _of_json(page: Fetched) -> Iterator[tuple[str, str]]:
    for file in page.json()["files"]:
        yield file["filename"], urljoin(page.path, file["url"])


def _of_api(document: Fetched) -> Iterator[tuple[str, str]]:
    for files in document.json()["releases"].values():
        for file in files:
            yield file["filename"], urljoin(document.path, file["url"])


def _of_html(page: Fetched) -> Iterator[tuple[str, str]]:
    links = _Links()
    links.feed(page.body.decode())
    for filename, href in links.found:
        yield filename, urljoin(page.path, href.partition("#")[0])


class _Links(HTMLParser):
    """The anchors of a page: text and target."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._href: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._href = dict(attrs).get("href") if tag == "a" else None

    def handle_data(self, data: str) -> None:
        if self._href is not None:
            self.found.append((data.strip(), self._href))
            self._href = None
