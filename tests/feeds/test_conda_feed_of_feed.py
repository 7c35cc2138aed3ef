"""A conda feed whose upstream is another feed of this server."""

import hashlib
from pathlib import Path

import orjson

from proxy.config.settings import Feed, Upstream
from tests.support.gateway import Gateway, upstream
from tests.support.origin import Origin

FILE = "demo-1.0-0.conda"
BODY = b"package" * 500


def index(**more: object) -> bytes:
    record = {
        "name": "demo", "version": "1.0", "build": "0", "build_number": 0, "depends": [], "size": len(BODY),
        "sha256": hashlib.sha256(BODY).hexdigest(), "subdir": "noarch", **more,
    }  # fmt: skip
    return orjson.dumps({"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": {FILE: record}})


async def test_the_outer_feed_shows_and_serves_what_the_inner_one_does(tmp_path: Path) -> None:
    async with Origin() as origin:
        origin.add("/chan/noarch/repodata.json", index(), etag='"1"')
        origin.add(f"/chan/noarch/{FILE}", BODY)
        inner = Feed("inner", "conda", (upstream(f"{origin.url}/chan/"),))
        outer = Feed("outer", "conda", (Upstream("outer-1", feed="inner"),))
        async with Gateway(tmp_path, outer, inner) as gateway:
            listed = await gateway.get("/conda/outer/noarch/repodata.json")
            assert list(listed.json()["packages.conda"]) == [FILE]
            got = await gateway.get(f"/conda/outer/noarch/{FILE}")
            assert (got.status, got.body) == (200, BODY)
            assert origin.hits(f"/chan/noarch/{FILE}") == 1
            assert (await gateway.get(f"/conda/inner/noarch/{FILE}")).body == BODY
            assert origin.hits(f"/chan/noarch/{FILE}") == 1


async def test_a_restricted_outer_feed_hides_what_it_may_not_have(tmp_path: Path) -> None:
    async with Origin() as origin:
        origin.add("/chan/noarch/repodata.json", index(), etag='"1"')
        origin.add(f"/chan/noarch/{FILE}", BODY)
        inner = Feed("inner", "conda", (upstream(f"{origin.url}/chan/"),))
        outer = Feed("outer", "conda", (Upstream("outer-1", feed="inner", except_=("demo",)),))
        async with Gateway(tmp_path, outer, inner) as gateway:
            listed = await gateway.get("/conda/outer/noarch/repodata.json")
            assert listed.json()["packages.conda"] == {}
            assert (await gateway.get(f"/conda/outer/noarch/{FILE}")).status == 404
            assert (await gateway.get(f"/conda/inner/noarch/{FILE}")).status == 200
