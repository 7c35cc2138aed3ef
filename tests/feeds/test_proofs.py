"""A blob counts for an upstream that has shown that it has the bytes; listing their digest shows nothing (law 5)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from proxy.config.settings import Auth, Feed, Upstream
from proxy.model.redact import Secret
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare
from tests.support.faults import Fault
from tests.support.gateway import Gateway, Got, feed, until, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.projects import File
from tests.support.wheels import Built, wheel

KEY = "admin-key-0123456789"
WHEEL = "secret-1.0-py3-none-any.whl"

BUILT = wheel("secret", "1.0", payload=300_000)
PATH = File(BUILT).path
PROBLEM = "application/problem+json"
ANSWERS: dict[str, dict[str, Any]] = {
    "GET": {},
    "HEAD": {},
    "range": {"Range": "bytes=5-99"},
    "tail": {"Range": "bytes=-100"},
    "rest": {"Range": "bytes=100-"},
}


@pytest.fixture
async def good() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.fixture
async def thief() -> AsyncIterator[Origin]:
    """The origin of an open feed that lists what it does not have."""
    async with Origin() as running:
        yield running


def page(built: Built = BUILT, **facts: Any) -> bytes:
    file = {
        "filename": WHEEL,
        "url": PATH,
        "hashes": {"sha256": built.sha256},
        "size": len(built.data),
        **facts,
    }
    return orjson.dumps({"meta": {"api-version": "1.1"}, "name": "secret", "files": [file]})


def lists(origin: Origin, **facts: Any) -> str:
    """Let an origin list the closed feed's file; return its index URL."""
    origin.add("/simple/secret/", page(**facts), content_type=JSON)
    return f"{origin.url}/simple/"


def closed(index: FakeIndex) -> Feed:
    return feed(upstream(index.url, "closed"), name="closed", anonymous=False)


def opened(url: str, name: str = "open", **changes: Any) -> Feed:
    return feed(upstream(url, name, json_api=None, ttl_s=0.0), name=name, **changes)


async def get(gateway: Gateway, of: str = "open", path: str = PATH, **headers: Any) -> Got:
    return await gateway.get(f"/pypi/{of}/packages{path}", Authorization=f"Bearer {KEY}", **headers)


async def hold(gateway: Gateway, of: str = "closed") -> None:
    """Have the closed feed hold its file and the METADATA."""
    assert (await get(gateway, of)).body == BUILT.data
    assert (await get(gateway, of, f"{PATH}.metadata")).body == BUILT.metadata


def told(got: Got) -> tuple[Any, ...]:
    """Return everything of an answer that may tell something."""
    fields = {name: value for name, value in got.headers.items() if name not in ("date", "x-request-id")}
    return got.status, got.reason, fields, got.body.replace(got.headers["x-request-id"].encode(), b"")


async def asked(gateway: Gateway, of: str = "open") -> dict[str, tuple[Any, ...]]:
    """Return what a client is told who asks in every way."""
    found = {}
    for way, headers in ANSWERS.items():
        path = f"/pypi/{of}/packages{PATH}"
        try:
            found[way] = told(await gateway.get(path, method="HEAD" if way == "HEAD" else "GET", **headers))
        except aiohttp.ClientPayloadError:
            found[way] = ("cut off",)
        while gateway.app.base.flights.current():
            await asyncio.sleep(0.01)
    found["metadata"] = told(await gateway.get(f"{path}.metadata"))
    return found


@pytest.mark.parametrize("facts", [{}, {"core-metadata": {"sha256": hashlib.sha256(BUILT.metadata or b"").hexdigest()}},
                                   {"size": None}])  # fmt: skip
@pytest.mark.parametrize("fault", [Fault(), Fault(status=404), Fault(status=503), Fault(flip_at=7)])
async def test_bytes_that_an_index_only_lists_are_not_sent_and_nothing_tells_whether_they_are_held(
    good: Origin, thief: Origin, tmp_path: Path, facts: dict[str, Any], fault: Fault
) -> None:
    index = FakeIndex(good)
    index.add(BUILT)
    url = lists(thief, **facts)
    if fault.flip_at is not None:
        thief.add(PATH, BUILT.data)
    thief.always(PATH, fault)
    answers = []
    for is_held in (False, True):
        async with Gateway(tmp_path / str(is_held), closed(index), opened(url), admin_key=KEY) as gateway:
            if is_held:
                await hold(gateway)
            thief.forget()
            answers.append(await asked(gateway))
            assert thief.hits(PATH) > 0
    assert answers[0] == answers[1]
    for way, answer in answers[1].items():
        # Sizes and digests of the index are no secret, and a short range of the origin's own bytes is its own word.
        is_own = fault.flip_at is not None and way in ("range", "tail")
        assert answer[0] != 200 or way == "HEAD", way
        assert answer[0] == "cut off" or is_own or answer[2]["content-type"] == PROBLEM or way == "HEAD", way


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_an_upstream_that_has_the_bytes_is_asked_once_and_then_they_count(
    good: Origin, thief: Origin, tmp_path: Path, is_restarted: bool
) -> None:
    index = FakeIndex(good)
    index.add(BUILT)
    url = lists(thief)
    thief.add(PATH, BUILT.data)
    async with Gateway(tmp_path, closed(index), opened(url), admin_key=KEY) as gateway:
        await hold(gateway)
        first = await get(gateway)
        assert (first.status, first.body, thief.hits(PATH, method="GET")) == (200, BUILT.data, 1)
        if is_restarted:
            await gateway.restart()
        again = await get(gateway)
        assert (again.status, again.body, thief.hits(PATH, method="GET")) == (200, BUILT.data, 1)
        assert "hit" in again.cache


async def test_what_a_feed_fetched_itself_it_serves_offline_and_without_its_origin(
    good: Origin, thief: Origin, tmp_path: Path
) -> None:
    thief.add(PATH, BUILT.data)
    one, other = opened(lists(thief), "one"), opened(lists(good), "other")
    async with Gateway(tmp_path, one, other, admin_key=KEY) as gateway:
        assert (await get(gateway, "one")).body == BUILT.data
        await get(gateway, "other")
        await thief.off()
        await good.off()
        await gateway.restart()
        assert (await get(gateway, "one")).body == BUILT.data
        gateway.reload(opened(f"{thief.url}/simple/", "one", offline=True), other)
        assert (await get(gateway, "one")).body == BUILT.data
        assert (await get(gateway, "other")).status == 503


async def test_lost_proofs_cost_one_fetch(good: Origin, tmp_path: Path) -> None:
    index = FakeIndex(good)
    index.add(BUILT)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        assert (await get(gateway, "pypi")).body == BUILT.data
        await gateway.stop()
        proofs = gateway.settings.server.cache_dir / "proofs.sqlite"
        await asyncio.to_thread(proofs.write_bytes, b"not a database at all" * 1000)
        await gateway.start()
        good.forget()
        for _ in range(2):
            assert (await get(gateway, "pypi")).body == BUILT.data
        assert good.hits(PATH) == 1


async def test_equal_upstreams_of_two_feeds_share_what_one_has_shown_and_others_do_not(
    good: Origin, tmp_path: Path
) -> None:
    index = FakeIndex(good)
    index.add(BUILT)
    equal = feed(upstream(index.url, "second"), name="second")
    stranger = feed(upstream(index.url, "third", auth=None), name="third")
    async with Gateway(
        tmp_path, feed(upstream(index.url, "first"), name="first"), equal, stranger
    ) as gateway:
        for name, hits in (("first", 1), ("second", 1), ("third", 2), ("first", 2), ("third", 2)):
            assert (await get(gateway, name)).body == BUILT.data
            assert good.hits(PATH) == hits, name


async def test_a_changed_password_leaves_what_a_feed_fetched_itself(good: Origin, tmp_path: Path) -> None:
    index = FakeIndex(good)
    index.add(BUILT)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        assert (await get(gateway, "pypi")).body == BUILT.data
        gateway.reload(feed(upstream(index.url, auth=Auth("basic", "reader", Secret("another-word-1")))))
        assert (await get(gateway, "pypi")).body == BUILT.data
        assert good.hits(PATH) == 1


async def test_a_feed_of_a_feed_counts_what_the_origin_behind_both_has_shown(
    good: Origin, thief: Origin, tmp_path: Path
) -> None:
    index = FakeIndex(good)
    index.add(BUILT)
    inner = feed(upstream(index.url, "inner"), name="inner")
    outer = feed(Upstream(id="outer", feed="inner"), name="outer")
    async with Gateway(tmp_path, inner, outer, opened(lists(thief), "lister"), admin_key=KEY) as gateway:
        assert (await get(gateway, "outer")).body == BUILT.data
        assert (await get(gateway, "inner")).body == BUILT.data
        assert good.hits(PATH) == 1
        chained = feed(Upstream(id="chained", feed="lister"), name="chained")
        gateway.reload(inner, outer, opened(lists(thief), "lister"), chained)
        assert (await get(gateway, "chained")).status == 404
        assert (await get(gateway, "chained", f"{PATH}.metadata")).status == 404


@pytest.mark.parametrize("fetch", ["eager", "lazy"])
async def test_a_curated_feed_gets_its_bytes_from_where_they_were_approved(
    good: Origin, thief: Origin, tmp_path: Path, fetch: str
) -> None:
    index = FakeIndex(good)
    index.add(BUILT)
    feeds = (
        closed(index), opened(lists(thief)),
        Feed("vaulted", "pypi", curated_from=("closed",), anonymous=False),
        Feed("fooled", "pypi", curated_from=("open",), fetch=fetch),
    )  # fmt: skip
    async with Gateway(tmp_path, *feeds, admin_key=KEY) as gateway:

        async def promote(source: str, target: str) -> Any:
            body = orjson.dumps({"from": source, "specs": ["secret"]})
            path = f"/api/v1/feeds/{target}/promotions"
            fields = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            got = await gateway.get(path, method="POST", body=body, **fields)
            assert got.status == 201, got.body
            return got.json()["artifacts"][0]["bytes"]

        async def approvals(target: str) -> Got:
            return await gateway.get(f"/api/v1/feeds/{target}/approvals", Authorization=f"Bearer {KEY}")

        await promote("closed", "vaulted")
        await until(lambda: approvals("vaulted"), lambda got: got.json()["items"][0]["bytes"] == "held")
        assert await promote("open", "fooled") == "pending"
        for _ in range(2):
            refused = await get(gateway, "fooled")
            assert (refused.status, refused.json()["type"]) == (502, "urn:feedgate:pinned-unavailable")
            assert (await get(gateway, "fooled", f"{PATH}.metadata")).status != 200
            assert (await approvals("fooled")).json()["items"][0]["bytes"] != "held"
            await gateway.restart()
        # Its own feed has it for good, whatever is lost and gone.
        await good.off()
        await gateway.restart_without_cache()
        assert (await get(gateway, "vaulted")).body == BUILT.data
        assert (await get(gateway, "fooled")).status != 200
        thief.add(PATH, BUILT.data)
        thief.heal()
        got = await until(lambda: get(gateway, "fooled"), lambda got: got.status == 200)
        assert got.body == BUILT.data


async def test_a_conda_index_that_lists_another_channels_digest_gets_none_of_its_bytes(
    good: Origin, thief: Origin, tmp_path: Path
) -> None:
    secret = bare("secret", data=hashlib.shake_256(b"secret").digest(40_000))
    own, fake = FakeChannel(good), FakeChannel(thief)
    own.add(secret)
    fake.add(secret)
    feeds = (
        Feed("closed", "conda", (upstream(own.url, "closed"),), anonymous=False),
        Feed("open", "conda", (upstream(fake.url, "open"),)),
    )
    thief.always(fake.path("linux-64", secret.file), Fault(status=404))
    async with Gateway(tmp_path, *feeds, admin_key=KEY) as gateway:
        path = f"linux-64/{secret.file}"
        got = await gateway.get(f"/conda/closed/{path}", Authorization=f"Bearer {KEY}")
        assert got.body == secret.data
        assert (await gateway.get(f"/conda/open/{path}")).status == 404
        assert (await gateway.get(f"/conda/open/{path}", Range="bytes=0-99")).status == 404
        thief.heal()
        for _ in range(2):
            assert (await gateway.get(f"/conda/open/{path}")).body == secret.data


# -- another feed's origin decides nothing (S6) ------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Fault(silent=True), Fault(delay_s=20.0), Fault(rate=100.0), Fault(status=500), Fault(flip_at=3)]
)
async def test_another_feeds_origin_neither_starves_nor_cuts_a_good_feed(
    good: Origin, thief: Origin, tmp_path: Path, fault: Fault
) -> None:
    index = FakeIndex(good)
    index.add(BUILT)
    thief.add(PATH, BUILT.data, faults=fault)
    feeds = feed(upstream(index.url, "good"), name="good"), opened(lists(thief), "slow")
    async with Gateway(tmp_path, *feeds) as gateway:
        waiting = asyncio.create_task(get(gateway, "slow"))
        while not thief.hits(PATH):
            await asyncio.sleep(0.01)
        async with asyncio.timeout(10):
            got = await get(gateway, "good")
        assert (got.status, got.body) == (200, BUILT.data)
        assert not waiting.done() or fault.status or fault.flip_at is not None
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
