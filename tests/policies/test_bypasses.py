"""The bypasses that peers were caught with (catalogue, section 0, finding 9), against a cached and blocked file.

An HTML index unfiltered while the JSON one was filtered; other coordinates behind a path prefix; HEAD, Range and blobs
around a quarantine; `.zst` unfiltered; cached copies exempt. All behind a path prefix and under an alias, too.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from tests.conda_feed.stand import Stand
from tests.policies.made import written
from tests.policies.test_keys_uv import WHEEL, path_of, two
from tests.support.conda_packages import bare
from tests.support.gateway import Gateway, Got, feed, upstream
from tests.support.index import JSON, TEXT, FakeIndex

BLOCK = {"block": ["demo >=2"]}
FILE = "demo-2.0-0.conda"
#: How a file that is cached may be asked for.
ROADS: dict[str, dict[str, Any]] = {
    "get": {},
    "head": {"method": "HEAD"},
    "range": {"Range": "bytes=0-99"},
    "suffix": {"Range": "bytes=-99"},
    "if-range": {"Range": "bytes=0-99", "If_Range": '"x"'},
    "none-match": {"If_None_Match": "*"},
    "modified": {"If_Modified_Since": "Mon, 01 Jan 2030 00:00:00 GMT"},
}


def assert_refused(got: Got, digest: str) -> None:
    assert got.status == 403, got.status
    assert digest.encode() not in got.body
    told = {name.lower() for name in got.headers}
    assert not told & {"etag", "accept-ranges", "content-range", "last-modified"}


@pytest.mark.parametrize("name", ["pypi", "also"])
@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
async def test_cached_wheel_that_is_blocked(
    tmp_path: Path, index: FakeIndex, road: dict[str, Any], name: str
) -> None:
    two(index)
    plain = feed(upstream(index.url), aliases=("also",))
    async with Gateway(tmp_path, plain, path_prefix="/fg") as gateway:
        path = await path_of(gateway, WHEEL)
        digest = index.file(WHEEL).built.sha256
        assert (await gateway.get(f"/pypi/{name}/{path}")).status == 200
        assert (await gateway.get(f"/pypi/{name}/{path}.metadata")).status == 200
        gateway.reload(replace(plain, policy="corp"), policies=(await written("pypi", BLOCK),))
        assert_refused(await gateway.get(f"/pypi/{name}/{path}", **road), digest)
        assert_refused(await gateway.get(f"/pypi/{name}/{path}.metadata", **road), digest)


@pytest.mark.parametrize("accept", [JSON, TEXT, "*/*", f"{TEXT};q=0.9, {JSON};q=0.1", ""])
async def test_every_form_of_a_page_leaves_out_what_is_blocked(
    tmp_path: Path, index: FakeIndex, accept: str
) -> None:
    two(index)
    blocked = feed(upstream(index.url), policy="corp", aliases=("also",))
    async with Gateway(
        tmp_path, blocked, policies=(await written("pypi", BLOCK),), path_prefix="/fg"
    ) as gateway:
        for name in ("pypi", "also"):
            page = await gateway.get(f"/pypi/{name}/simple/demo/", Accept=accept)
            assert page.status == 200
            assert b"demo-1.0" in page.body
            assert b"2.0" not in page.body
            legacy = await gateway.get(f"/pypi/{name}/pypi/demo/json")
            assert list(legacy.json()["releases"]) == ["1.0"]
            assert (await gateway.get(f"/pypi/{name}/pypi/demo/2.0/json")).status == 404


@pytest.mark.parametrize("name", ["chan", "also"])
@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
async def test_cached_conda_package_that_is_blocked(stand: Stand, road: dict[str, Any], name: str) -> None:
    one = bare("demo", "2.0")
    stand.channel.add(bare("demo", "1.0"), one)
    plain = stand.feed(subdirs=("linux-64", "noarch"), aliases=("also",))
    await stand.start(plain, server={"path_prefix": "/fg"})
    gateway = stand.gateway
    assert (await gateway.get(f"/conda/{name}/linux-64/{FILE}")).status == 200
    gateway.reload(replace(plain, policy="corp"), policies=(await written("conda", BLOCK),))
    for path in (f"/conda/{name}/linux-64/{FILE}", f"/conda/t/x-some-token/{name}/linux-64/{FILE}"):
        assert_refused(await gateway.get(path, **road), one.sha256)


async def test_every_form_of_a_conda_index_leaves_out_what_is_blocked(stand: Stand) -> None:
    stand.channel.add(bare("demo", "1.0"), bare("demo", "2.0"), bare("demo", "2.0", extension=".tar.bz2"))
    blocked = stand.feed(subdirs=("linux-64", "noarch"), policy="corp", aliases=("also",))
    await stand.start(blocked, policies=(await written("conda", BLOCK),), server={"path_prefix": "/fg"})
    for name in ("chan", "also"):
        place = f"/conda/{name}/linux-64"
        plain = (await stand.gateway.get(f"{place}/repodata.json")).body
        coded = (await stand.gateway.get(f"{place}/repodata.json.zst")).body
        unpacked = zstandard.ZstdDecompressor().decompressobj().decompress(coded)
        assert orjson.loads(plain) == orjson.loads(unpacked)
        assert b"demo-1.0" in plain
        assert b"2.0-0" not in plain
        for form in (
            "repodata.json.bz2",
            "current_repodata.json",
            "repodata_from_packages.json",
            "index.json",
        ):
            assert (await stand.gateway.get(f"{place}/{form}")).status == 404
        assert (await stand.gateway.get(f"{place}/demo-2.0-0.tar.bz2")).status == 403
