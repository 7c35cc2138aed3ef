"""D13 and law 3: the gate of a closed feed comes before everything, and one feed's blobs are no other feed's."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from proxy.config.settings import Feed
from tests.conda_feed.readback import shard_digests
from tests.keys.house import BAD, House, house, made
from tests.support.channel import SHARD_INDEX, FakeChannel
from tests.support.conda_packages import bare
from tests.support.gateway import Got, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

FILE = "secret-1.0-py3-none-any.whl"
PACKAGE = "linux-64/secret-1.0-0.conda"
#: What an asker may know who has seen the file elsewhere.
CONDITIONS: tuple[dict[str, str], ...] = (
    {}, {"If-None-Match": "*"}, {"If-None-Match": '"{digest}"'}, {"If-Match": '"{digest}"'}, {"Range": "bytes=0-9"},
    {"Range": "bytes=-5", "If-Range": '"{digest}"'},
)  # fmt: skip


@pytest.fixture
async def private(origin: Origin, tmp_path: Path) -> AsyncIterator[House]:
    """Feeds of both kinds whose origin nobody else takes from, with everything that they have on disk."""
    async with Origin() as other:
        index, channel = FakeIndex(other), FakeChannel(other, prefix="/private")
        index.add(wheel("secret", "1.0"))
        channel.add(bare("secret"))
        feeds = (
            feed(upstream(index.url, "up-private"), name="private", anonymous=False),
            Feed("c-private", "conda", (upstream(channel.url, "up-c-private"),), anonymous=False),
        )
        async with house(tmp_path, origin, *feeds) as built:
            await built.add("owner", made("O"), ("private", "read"), ("c-private", "read"))
            for path in await paths(built):
                assert (await built.get(path, built.keys["owner"])).status == 200, path
            await built.settled()
            built.origin = other
            yield built


async def paths(built: House) -> list[str]:
    """Return an address of everything that the private feeds have."""
    owner = built.keys["owner"]
    page = await built.get("/pypi/private/simple/secret/?format=application/vnd.pypi.simple.v1%2Bjson", owner)
    file = urljoin("/pypi/private/simple/secret/", page.json()["files"][0]["url"])
    shards = shard_digests(await built.get(f"/conda/c-private/linux-64/{SHARD_INDEX}", owner))
    return [
        "/pypi/private/simple/secret/", "/pypi/private/pypi/secret/json", file, f"{file}.metadata",
        f"/conda/c-private/{PACKAGE}", "/conda/c-private/linux-64/repodata.json",
        f"/conda/c-private/linux-64/{SHARD_INDEX}", "/conda/c-private/linux-64/repodata.json.zst",
        f"/conda/c-private/linux-64/{shards['secret']}.msgpack.zst",
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_nothing_is_told_of_what_is_held_whatever_is_asked(private: House, method: str) -> None:
    for path in await paths(private):
        held = await private.get(path, private.keys["owner"])
        digest = hashlib.sha256(held.body).hexdigest()
        await private.settled()
        private.origin.forget()
        for key, status in ((None, 401), (BAD[0], 401), (private.keys["stranger"], 404)):
            told: set[tuple[int, str, bytes]] = set()
            for conditions in CONDITIONS:
                fields = {name: line.replace("{digest}", digest) for name, line in conditions.items()}
                got = await private.send(method, path, fields | ({"X-ApiKey": key} if key else {}))
                told.add((got.status, _shape(got), got.body))
                assert "etag" not in got.headers
                assert "accept-ranges" not in got.headers
            assert {each[0] for each in told} == {status}, (path, key)
            assert len(told) == 1, (path, key)
            private.clock.advance(61)
        assert private.origin.requests == []


def _shape(got: Got) -> str:
    return str(
        sorted((name, line) for name, line in got.headers.items() if name not in ("date", "x-request-id"))
    )


async def test_a_blob_of_a_closed_feed_is_in_no_other_feed(private: House) -> None:
    for path in await paths(private):
        held = await private.get(path, private.keys["owner"])
        if "/simple/" in path or "repodata" in path:
            continue
        digest = hashlib.sha256(held.body).hexdigest()
        elsewhere = [
            path.replace("/private/", "/open/").replace("/c-private/", "/c-open/"),
            f"/pypi/open/files/{digest}/{FILE}", f"/pypi/open/files/{digest}/{FILE}.metadata",
            f"/conda/c-open/linux-64/{digest}.msgpack.zst", f"/conda/c-open/linux-64/{path.rpartition('/')[2]}",
        ]  # fmt: skip
        for other in elsewhere:
            for key in (None, private.keys["owner"], private.keys["admin"]):
                got = await private.get(other, key, If_None_Match=f'"{digest}"')
                assert got.status == 404, (other, key)
                assert digest not in str(got.headers)


async def test_a_closed_feeds_name_is_not_asked_of_its_origin_by_strangers(private: House) -> None:
    private.origin.forget()
    for name in ("secret", "never-asked-before"):
        for key in (None, BAD[0], private.keys["stranger"], private.keys["nothing"]):
            await private.get(f"/pypi/private/simple/{name}/", key)
            await private.get(f"/conda/c-private/noarch/{name}-1-0.conda", key)
            await private.get(f"/api/v1/feeds/private/packages/{name}", key)
            await private.get(f"/api/v1/feeds/private/explain?spec={name}", key)
    await private.settled()
    assert private.origin.requests == []
