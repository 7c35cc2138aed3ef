"""A18: two ways to one origin at once share nothing: no connection, no TLS session, no cookie, no credential.

Both proxies and the origin keep a log of who came on which connection; that is what is judged.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from proxy.config.settings import Auth, Feed, Route, Upstream
from proxy.model.redact import Secret, SecretUrl
from tests.faults.turned_clock import TurnedClock
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import PUBLIC, FakeIndex
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.support.wheels import wheel
from tests.upstream.authorities import new_ca, saved, served

HOST = "index.example"
CA = new_ca("Public")
USERS = {"one": "pw-one", "two": "pw-two"}
AUTHS = {"one": Auth("basic", "reader", Secret("for-one")), "two": Auth("bearer", secret=Secret("for-two"))}


@dataclass
class Ways:
    """An origin, and two proxies that lead to it; the users one and two may pass both."""

    folder: Path
    origin: Origin
    tls: ssl.SSLContext | None
    proxies: tuple[OutboundProxy, OutboundProxy]

    def upstream(self, user: str, number: int, below: str) -> Upstream:
        """Return the user's upstream, through the proxy of that number."""
        route = Route(
            user, use_environment=False, proxy=SecretUrl(self.proxies[number].url), username=user,
            password=Secret(USERS[user]), ca_files=(saved(self.folder, "ca.pem", CA),),
        )  # fmt: skip
        url = f"{'https' if self.tls else 'http'}://{HOST}{below}"
        return upstream(url, user, route=route, auth=AUTHS[user], allow_private=False, json_api=None)


@pytest.fixture(params=["http", "https"])
async def ways(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ways]:
    tls = served(CA, HOST) if request.param == "https" else None
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(Origin(tls=tls))
        hosts = {HOST: ("127.0.0.1", origin.port)}
        first = await stack.enter_async_context(OutboundProxy(users=USERS, hosts=hosts))
        second = await stack.enter_async_context(OutboundProxy(users=USERS, hosts=hosts))
        origin.always("*", Fault(headers=(("Set-Cookie", "session=of-the-origin; Path=/"),)))
        FakeChannel(origin).add(bare("python"), bare("pandas"))
        FakeIndex(origin, replace(PUBLIC, links="root")).add(wheel("demo", "1.0"), wheel("leaf", "1.0"))
        yield Ways(tmp_path, origin, tls, (first, second))


def judge(ways: Ways, second: int) -> None:
    """Look into the logs."""
    seen = [{user for user, _ in proxy.log} for proxy in ways.proxies]
    assert seen == ([{"one", "two"}, set()] if second == 0 else [{"one"}, {"two"}])
    for proxy in ways.proxies:
        assert all(len(users) == 1 for users in proxy.users_by_connection.values())
    by_connection: dict[int, set[str]] = {}
    for request in ways.origin.requests:
        by_connection.setdefault(request.connection, set()).add(request.headers["authorization"])
        assert not {"cookie", "proxy-authorization"} & set(request.headers)
    assert all(len(credentials) == 1 for credentials in by_connection.values())
    kinds = {credentials.pop().partition(" ")[0] for credentials in by_connection.values()}
    assert kinds == {"Basic", "Bearer"}


PROXIES = pytest.mark.parametrize("second", [0, 1], ids=["one proxy with two users", "two proxies"])


@PROXIES
@pytest.mark.parametrize("one_feed", [True, False], ids=["two upstreams", "two feeds"])
async def test_two_ways_to_one_channel_share_nothing(ways: Ways, one_feed: bool, second: int) -> None:
    one, two = ways.upstream("one", 0, "/chan/"), ways.upstream("two", second, "/chan/")
    feeds = [Feed("one", "conda", (one,)), Feed("two", "conda", (two,))]
    names = ("one", "two")
    if one_feed:
        feeds = [Feed("main", "conda", (replace(one, only=("python",)), replace(two, only=("pandas",))))]
        names = ("main", "main")
    async with Gateway(ways.folder, *feeds) as gateway:
        paths = [
            f"/conda/{names[0]}/linux-64/python-1.0-0.conda",
            f"/conda/{names[1]}/linux-64/pandas-1.0-0.conda",
        ]
        answers = await asyncio.gather(*(gateway.get(path) for path in paths * 5))
    assert {answer.status for answer in answers} == {200}
    judge(ways, second)


@PROXIES
async def test_two_ways_to_one_index_share_nothing(ways: Ways, second: int) -> None:
    one, two = ways.upstream("one", 0, "/simple/"), ways.upstream("two", second, "/simple/")
    async with Gateway(ways.folder, feed(one, name="one"), feed(two, name="two")) as gateway:
        pages = [f"/pypi/{name}/simple/{project}/" for name in USERS for project in ("demo", "leaf")]
        answers = await asyncio.gather(*(gateway.get(page) for page in pages * 3))
        links = [
            answer.body.partition(b'href="../../')[2].partition(b"#")[0].decode() for answer in answers[:4]
        ]
        feeds = ("one", "one", "two", "two")
        files = [gateway.get(f"/pypi/{name}/{link}") for name, link in zip(feeds, links, strict=True)]
        answers += await asyncio.gather(*files)
    assert {answer.status for answer in answers} == {200}
    judge(ways, second)


@PROXIES
@pytest.mark.parametrize("ways", ["https"], indirect=True)
async def test_tls_session_of_one_way_is_not_resumed_on_the_other(ways: Ways, second: int) -> None:
    """The origin gives out tickets, and counts who comes back with one."""
    one, two = ways.upstream("one", 0, "/simple/"), ways.upstream("two", second, "/simple/")
    async with Gateway(ways.folder, feed(one, name="one"), feed(two, name="two")) as gateway:
        for project in ("demo", "leaf"):
            for name in USERS:
                assert (await gateway.get(f"/pypi/{name}/simple/{project}/")).status == 200
                await ways.origin.drop_connections()
    assert ways.tls is not None
    stats = ways.tls.session_stats()
    assert (stats["accept_good"] >= 4, stats["hits"]) == (True, 0)


async def test_reload_moves_an_upstream_to_another_way_and_nothing_goes_the_old_one(ways: Ways) -> None:
    """The new user through the other proxy, on connections of its own, from the next request on."""
    async with Gateway(ways.folder, feed(ways.upstream("one", 0, "/simple/"))) as gateway:
        assert (await gateway.get("/pypi/pypi/simple/demo/")).status == 200
        before = len(ways.proxies[0].requests)
        moved = ways.upstream("two", 1, "/simple/")
        gateway.reload(feed(replace(moved, id="one")))
        assert (await gateway.get("/pypi/pypi/simple/leaf/")).status == 200
    assert len(ways.proxies[0].requests) == before
    judge(ways, 1)


async def dead(ways: Ways) -> None:
    await ways.proxies[0].refuse_connections()


async def locked(ways: Ways) -> None:
    ways.proxies[0].users["one"] = "another"
    await ways.proxies[0].drop_connections()


@pytest.mark.parametrize(
    ("happens", "status", "word"), [(dead, 503, "origin-unavailable"), (locked, 502, "proxy-auth")]
)
async def test_channel_behind_a_broken_way_stays_served_and_its_cold_files_tell_why(
    ways: Ways, happens: Callable[[Ways], Awaitable[None]], status: int, word: str
) -> None:
    """The index is stale and whole; a file that is held downloads, one that is not says which hop it was."""
    clock = TurnedClock()
    one = ways.upstream("one", 0, "/chan/")
    async with Gateway(ways.folder, Feed("main", "conda", (one,)), clock=clock) as gateway:
        index, held, cold = "repodata.json", "python-1.0-0.conda", "pandas-1.0-0.conda"
        for file in (index, held):
            assert (await gateway.get(f"/conda/main/linux-64/{file}")).status == 200
        await happens(ways)
        clock.advance(1000)
        stale = await gateway.get(f"/conda/main/linux-64/{index}")
        assert (stale.status, set(stale.json()["packages.conda"])) == (200, {held, cold})
        assert (await gateway.get(f"/conda/main/linux-64/{held}")).status == 200
        answer = await gateway.get(f"/conda/main/linux-64/{cold}")
        assert (answer.status, answer.json()["type"]) == (status, f"urn:feedgate:{word}")
        assert USERS["one"].encode() not in answer.body
