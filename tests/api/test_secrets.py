"""E05 for what comes by the API: a secret goes in, and comes out nowhere but at the origin it is for."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.managed import Managed
from tests.faults.secrets import CANARIES, found_in
from tests.support.index import FakeIndex
from tests.support.origin import Origin

FILE = """
[feeds.main]
kind = "pypi"
upstreams = [{{ url = "{url}", allow_private = true, route = "direct", retries = 0 }}]
"""
PROXY = f"http://out:{quote(CANARIES['proxy-url'], safe='')}@127.0.0.1:9"
INLINE: dict[str, Any] = {"proxy": "http://127.0.0.1:9", "username": "out", "password": CANARIES["proxy"]}
AUTHS: dict[str, dict[str, Any]] = {
    "basic": {"basic": ["reader", CANARIES["basic"]]},
    "bearer": {"bearer": CANARIES["bearer"]},
    "header": {"header": ["X-Key", CANARIES["header"]]},
}


@pytest.fixture
async def server(tmp_path: Path, index: FakeIndex) -> AsyncIterator[Managed]:
    async with Managed(tmp_path, FILE.format(url=index.url)) as running:
        yield running


def documents(index: FakeIndex) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return path -> name and document, of every place where a secret may stand."""
    url = index.url.replace("//", f"//reader:{quote(CANARIES['userinfo'], safe='')}@")
    token = f"http://127.0.0.1:9/t/{quote(CANARIES['token'], safe='')}/chan"
    private = {"allow_private": True, "retries": 0}
    direct = {"url": index.url, "route": "direct", **private}
    return {
        **{
            f"feed-{kind}": ("/feeds", {"kind": "pypi", "upstreams": [{**direct, "auth": auth}]})
            for kind, auth in AUTHS.items()
        },
        "feed-url": ("/feeds", {"kind": "pypi", "upstreams": [{"url": url, "route": INLINE, **private}]}),
        "feed-urls": ("/feeds", {"kind": "pypi", "upstreams": [{"urls": [url], "route": {"proxy": PROXY}, **private}]}),
        "feed-plain": ("/feeds", {"kind": "pypi", "upstreams": [url]}),
        "feed-token": ("/feeds", {"kind": "conda", "upstreams": [{"url": token, **private}]}),
        "route-url": ("/routes", {"proxy": PROXY}),
        "route-password": ("/routes", INLINE),
    }  # fmt: skip


async def test_what_was_given_is_told_nowhere(
    server: Managed, origin: Origin, index: FakeIndex, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[bytes] = []
    with caplog.at_level(logging.DEBUG):
        for name, (path, document) in documents(index).items():
            made = await server.ask("POST", path, {"name": name, **document})
            assert made.status == 201, made.body
            tag = made.headers["etag"]
            edited = await server.ask("PATCH", f"{path}/{name}", {}, tag=tag)
            assert edited.status == 200, edited.body
            shown, tag = await server.read(f"{path}/{name}")
            replaced = await server.ask("PUT", f"{path}/{name}", shown["declared"], tag=tag)
            assert replaced.status == 200, replaced.body
            said += [made.body, edited.body, repr(shown).encode(), replaced.body]
            if path == "/feeds":
                for asked in (f"/pypi/{name}/simple/demo/", f"/api/v1/feeds/{name}/explain?spec=demo"):
                    said.append((await server.get(asked)).body)
        for asked in ("/feeds", "/routes", "/audit?limit=1000", "/openapi.json"):
            said.append((await server.ask("GET", asked)).body)
        said.append((await server.get("/metrics")).body)
        await server.restart()
    assert [found_in(text) for text in said if found_in(text)] == []
    assert found_in(caplog.text.encode()) == [] and found_in(server.written()) == []
    files = [path for path in server.settings.server.data_dir.rglob("*") if path.is_file()]
    assert [path for path in files if found_in(path.read_bytes())] == []
    # They are really kept, and really sent.
    assert {"basic", "bearer", "header"} <= set(
        found_in(repr([request.fields for request in origin.requests]).encode())
    )


@pytest.mark.parametrize(
    "change", [{"offlin": 1}, {"kind": "cobol"}, {"upstreams": 1}, {"aliases": [1]}, {"proxy": 1}]
)
async def test_faults_repeat_no_secret(server: Managed, index: FakeIndex, change: dict[str, Any]) -> None:
    for name, (path, document) in documents(index).items():
        refused = await server.ask("POST", path, {"name": name, **document, **change})
        assert (refused.status, found_in(refused.body)) == (422, []), refused.body
        upstreams = document.get("upstreams", [])
        for upstream in (each for each in upstreams if isinstance(each, dict)):
            bad = {
                **upstream,
                "retries": "x",
                "only": 1,
                "url": "ftp://" + str(upstream.get("url")).partition("//")[2],
            }
            refused = await server.ask("POST", path, {"name": name, **document, "upstreams": [bad]})
            assert (refused.status, found_in(refused.body)) == (422, []), refused.body
    assert found_in(server.written()) == []
