"""Every road to a file of a PyPI feed, and what every index form says of a project. An independent reading."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.gateway import Gateway, Got, until
from tests.support.index import HTML, JSON, FakeIndex

_HREF = re.compile(rb'<a href="\.\./\.\./([^"#]*)')


@dataclass(frozen=True, slots=True)
class Road:
    """One way of asking for a file."""

    name: str
    method: str = "GET"
    suffix: str = ""
    headers: Mapping[str, Any] | None = None

    async def ask(self, gateway: Gateway, url: str) -> Got:
        return await gateway.get(url + self.suffix, method=self.method, **(self.headers or {}))


#: `If-None-Match: *` would answer 304 for a file that is there.
ROADS = (
    Road("get"),
    Road("head", method="HEAD"),
    Road("range", headers={"Range": "bytes=0-9"}),
    Road("suffix range", headers={"Range": "bytes=-9"}),
    Road("rest", headers={"Range": "bytes=1-"}),
    Road("conditional", headers={"If_None_Match": "*"}),
    Road("conditional head", method="HEAD", headers={"If_None_Match": "*"}),
    Road("modified since", headers={"If_Modified_Since": "Fri, 01 Jan 2038 00:00:00 GMT"}),
    Road("if-range", headers={"Range": "bytes=0-9", "If_Range": '"x"'}),
    Road("query", suffix="?x=1"),
    Road("metadata", suffix=".metadata"),
    Road("head of metadata", method="HEAD", suffix=".metadata"),
    Road("range of metadata", suffix=".metadata", headers={"Range": "bytes=0-9"}),
)


def place(index: FakeIndex, filename: str, feed: str = "pypi") -> str:
    """Return the URL path under which a feed has a file of the index, listed or not."""
    return f"/pypi/{feed}/packages{index.file_path(filename)}"


async def refreshed(gateway: Gateway, name: str, feed: str = "pypi") -> None:
    """Wait until the project's page is as the origin has it now: a busy machine may serve an older one first."""
    page = f"/api/v1/feeds/{feed}/packages/{name}"
    await gateway.get(page)
    await until(
        lambda: gateway.get(f"/pypi/{feed}/simple/{name}/", Accept=JSON),
        lambda got: "fwd=stale" not in got.cache,
    )


async def by_json(gateway: Gateway, name: str, feed: str = "pypi") -> set[str]:
    """Return the files that the JSON page lists; nothing where there is no page."""
    page = await gateway.get(f"/pypi/{feed}/simple/{name}/", Accept=JSON)
    return (
        {file["url"].removeprefix("../../") for file in page.json()["files"]} if page.status == 200 else set()
    )


async def by_html(gateway: Gateway, name: str, feed: str = "pypi") -> set[str]:
    page = await gateway.get(f"/pypi/{feed}/simple/{name}/", Accept=HTML)
    return {href.decode() for href in _HREF.findall(page.body)} if page.status == 200 else set()


async def by_api(gateway: Gateway, name: str, feed: str = "pypi") -> set[str]:
    got = await gateway.get(f"/pypi/{feed}/pypi/{name}/json")
    if got.status != 200:
        return set()
    told: dict[str, list[dict[str, Any]]] = got.json()["releases"]
    listed = {file["url"].removeprefix("../../") for files in told.values() for file in files}
    assert listed >= {file["url"].removeprefix("../../") for file in got.json()["urls"]}
    for version in told:
        one = (await gateway.get(f"/pypi/{feed}/pypi/{name}/{version}/json")).json()
        assert {file["url"].removeprefix("../../../") for file in one["urls"]} <= listed
    return listed


async def by_packages(gateway: Gateway, name: str, feed: str = "pypi") -> set[str]:
    """Return the files that the management API says are shown."""
    got = await gateway.get(f"/api/v1/feeds/{feed}/packages/{name}")
    if got.status != 200:
        return set()
    return {item["path"] for item in got.json()["items"] if item["verdict"]["outcome"] in ("allow", "warn")}


async def agreed(gateway: Gateway, index: FakeIndex, name: str, feed: str = "pypi") -> set[str]:
    """Return the names of the files that a project shows, after every form and every road agreed on them."""
    listed = await by_json(gateway, name, feed)
    assert await by_html(gateway, name, feed) == listed
    assert await by_api(gateway, name, feed) == listed
    assert await by_packages(gateway, name, feed) == listed
    paths = {f"packages{file.path}" for file in index.hosted.values() if file.built.name == name}
    assert listed <= paths
    for path in sorted(paths):
        for road in ROADS:
            got = await road.ask(gateway, f"/pypi/{feed}/{path}")
            if path in listed:
                is_none = road.suffix == ".metadata" and not path.endswith(".whl")
                expected = {404} if is_none else {200, 206, 304, 412}
                assert got.status in expected, (road.name, path, got.status, got.body)
            else:
                assert_refused(got, road.name)
    return {path.rpartition("/")[2] for path in listed}


def assert_refused(got: Got, road: str = "") -> None:
    """A refusal tells neither the file's size nor its digest, whatever was asked."""
    assert got.status in (403, 404), (road, got.status, got.body)
    assert got.headers["content-type"] == "application/problem+json"
    assert not {"etag", "accept-ranges", "last-modified"} & got.headers.keys(), road
