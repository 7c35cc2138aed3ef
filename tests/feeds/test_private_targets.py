"""What an index page of a private upstream may make this server ask: its own hosts, and no other private one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import JSON
from tests.support.origin import Origin
from tests.support.wheels import wheel

WHEEL = "demo-1.0-py3-none-any.whl"
BUILT = wheel("demo", "1.0")


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.fixture
async def neighbour() -> AsyncIterator[Origin]:
    """A service of the internal network that is not the upstream's."""
    async with Origin(host="127.0.0.2") as running:
        running.add(f"/{WHEEL}", BUILT.data)
        running.add("/status", b"{}", content_type="application/json")
        yield running


def show(origin: Origin, url: str, **facts: object) -> str:
    file = {"filename": WHEEL, "url": url, "hashes": {"sha256": BUILT.sha256}, **facts}
    page = {"meta": {"api-version": "1.1"}, "name": "demo", "files": [file]}
    origin.add("/simple/demo/", orjson.dumps(page), content_type=JSON)
    return f"{origin.url}/simple/"


async def test_a_link_to_another_private_host_is_not_followed(
    origin: Origin, neighbour: Origin, tmp_path: Path
) -> None:
    index = show(origin, f"{neighbour.url}/{WHEEL}", provenance=f"{neighbour.url}/status")
    async with Gateway(tmp_path, feed(upstream(index, json_api=None))) as gateway:
        listed = (await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()["files"][0]
        path = "/pypi/pypi/" + str(listed["url"]).removeprefix("../../")
        for each in (path, f"{path}.metadata", f"/pypi/pypi/integrity/demo/1.0/{WHEEL}/provenance"):
            assert (await gateway.get(each)).status == 502, each
        assert neighbour.connections == 0


async def test_another_host_that_the_settings_name_is_the_upstreams_own(
    origin: Origin, neighbour: Origin, tmp_path: Path
) -> None:
    index = show(origin, f"{neighbour.url}/{WHEEL}")
    ways: list[dict[str, Any]] = [{"files_base": f"{neighbour.url}/"}, {"redirect_hosts": ("127.0.0.*",)}]
    for number, named in enumerate(ways):
        settings = feed(upstream(index, json_api=None, **named))
        async with Gateway(tmp_path / str(number), settings) as gateway:
            listed = (await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()["files"][0]
            got = await gateway.get("/pypi/pypi/" + str(listed["url"]).removeprefix("../../"))
            assert (got.status, got.body) == (200, BUILT.data), named


async def test_another_port_of_the_same_host_is_the_upstreams_own(origin: Origin, tmp_path: Path) -> None:
    async with Origin() as files:
        files.add(f"/{WHEEL}", BUILT.data)
        index = show(origin, f"{files.url}/{WHEEL}")
        async with Gateway(tmp_path, feed(upstream(index, json_api=None))) as gateway:
            listed = (await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)).json()["files"][0]
            got = await gateway.get("/pypi/pypi/" + str(listed["url"]).removeprefix("../../"))
            assert got.status == 200
