"""E21: over a way that proves nothing about the origin only files come whose digest the index tells."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from proxy.config.settings import Upstream
from proxy.feeds.local_keeper import is_proven
from proxy.model.redact import SecretUrl
from tests.support.gateway import DIRECT, Gateway, feed, upstream
from tests.support.index import JSON
from tests.support.origin import Origin
from tests.support.wheels import wheel

BUILT = wheel("demo", "1.0")
UNVERIFIED = replace(DIRECT, verify=False)
PAGE = "/pypi/pypi/simple/demo/"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def show(origin: Origin, hashes: dict[str, str]) -> str:
    """List the wheel with these hashes; return the index's URL."""
    file = {"filename": BUILT.filename, "url": f"{origin.url}/{BUILT.filename}", "hashes": hashes}
    page = {"meta": {"api-version": "1.1"}, "name": "demo", "files": [file]}
    origin.add("/simple/demo/", orjson.dumps(page), content_type=JSON)
    origin.add(f"/{BUILT.filename}", BUILT.data)
    return f"{origin.url}/simple/"


async def path_of(gateway: Gateway) -> str:
    listed = (await gateway.get(PAGE, Accept=JSON)).json()["files"][0]
    return "/pypi/pypi/" + str(listed["url"]).removeprefix("../../")


async def test_a_file_without_a_digest_does_not_come_over_an_unverified_way(
    origin: Origin, tmp_path: Path
) -> None:
    index = show(origin, {})
    async with Gateway(tmp_path, feed(upstream(index, json_api=None, route=UNVERIFIED))) as gateway:
        path = await path_of(gateway)
        for refused in (await gateway.get(path), await gateway.get(path, Range="bytes=0-9")):
            assert refused.status == 502
            assert refused.json()["type"] == "urn:feedgate:tls"
            assert "verify = false" in refused.json()["detail"]
        assert (await gateway.get(f"{path}.metadata")).status == 502
        assert origin.hits(f"/{BUILT.filename}") == 0


async def test_a_file_with_a_digest_does(origin: Origin, tmp_path: Path) -> None:
    index = show(origin, {"sha256": BUILT.sha256})
    async with Gateway(tmp_path, feed(upstream(index, json_api=None, route=UNVERIFIED))) as gateway:
        assert (await gateway.get(await path_of(gateway))).body == BUILT.data


async def test_a_proven_way_brings_files_without_a_digest(origin: Origin, tmp_path: Path) -> None:
    index = show(origin, {})
    async with Gateway(tmp_path, feed(upstream(index, json_api=None))) as gateway:
        assert (await gateway.get(await path_of(gateway))).body == BUILT.data


@pytest.mark.parametrize(
    ("url", "changes", "proven"),
    [
        ("https://packages.example/simple/", {}, True),
        ("https://packages.example/simple/", {"route": UNVERIFIED}, False),
        ("http://packages.example/simple/", {}, False),
        ("http://packages.example/simple/", {"allow_private": True}, True),
        ("file:///srv/channel", {}, True),
    ],
)
def test_which_ways_prove_who_answers(url: str, changes: dict[str, object], proven: bool) -> None:
    settings = replace(Upstream(id="origin", urls=(SecretUrl(url),)), **changes)  # type: ignore[arg-type]
    assert is_proven(settings) is proven
