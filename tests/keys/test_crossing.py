"""One law: permission is the asked feed's. Nothing of a closed feed crosses into an open one: no name, byte or effect.

Closed feeds of both kinds have canaries for everything that could be told of them: name, alias, policy, the upstream's
id and address. Open feeds stand in front of them, by `feed = ...` and by `curated_from`, and one beside them. All that
there is to ask of the open feeds is asked, without a key and with the key of their manager, while all is well and in
every kind of trouble; then status line, fields and body are searched.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from proxy.config.settings import Feed, Upstream
from proxy.model.actor import LOCAL, Grant
from proxy.model.key import Key
from proxy.policy.settings import Policy
from tests.keys.house import ADMIN, made
from tests.keys.test_table import paths
from tests.support.channel import FakeChannel
from tests.support.channel import Shape as ChannelShape
from tests.support.conda_packages import bare
from tests.support.faults import Fault
from tests.support.gateway import Gateway, Got, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

CLOSED = {"pypi": "zqclosed", "conda": "zqcclosed"}
NAMES = ("zqclosed", "zqcclosed", "zqalias", "zqcalias", "zqpolicy", "zqup")
FRONTS = {"pypi": ("front", "chosen", "beside"), "conda": ("c-front", "c-chosen", "c-beside")}
OPEN = (*FRONTS["pypi"], *FRONTS["conda"])
MANAGER, PROMOTER = made("M"), made("P")
BLOCKED = "evil-1.0-py3-none-any.whl"
SHOWN = ("demo-1.0-py3-none-any.whl", "later-1.0-py3-none-any.whl", "gone-1.0-py3-none-any.whl")


@dataclass
class Place:
    """The server, the closed feeds' origin and what is on it."""

    gateway: Gateway
    origin: Origin
    index: FakeIndex
    channel: FakeChannel
    session: aiohttp.ClientSession
    #: The origin of the open feeds that stand beside, and what is on it.
    own: Origin
    beside: tuple[FakeIndex, FakeChannel]
    #: So many questions at once.
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))

    @property
    def canaries(self) -> tuple[bytes, ...]:
        port = self.origin.url.rpartition(":")[2]
        return (*(name.encode() for name in NAMES), f":{port}".encode())

    async def ask(self, method: str, path: str, key: str | None, body: object = None) -> Got:
        headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
        if method not in ("GET", "HEAD"):
            headers |= {"Content_Type": "application/json", "If_Match": "*"}
        data = orjson.dumps(body if body is not None else {}) if method not in ("GET", "HEAD") else None
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            self.turns,
            self.session.request(
                method, f"{self.gateway.url}{path}", headers=fields, data=data, allow_redirects=False
            ) as answer,
        ):
            return Got(answer.status, dict(answer.headers), await answer.read(), answer.reason or "")

    def crossings(self, got: Got, asked: str) -> list[bytes]:
        """Return the canaries in an answer that were not in the question."""
        text = b"\n".join([got.reason.encode(), repr(got.headers).encode(), got.body]).lower()
        return [canary for canary in self.canaries if canary in text and canary.decode() not in asked]

    def file_path(self, filename: str) -> str:
        return f"packages{self.index.file_path(filename)}"


def settings(index: FakeIndex, channel: FakeChannel, own: tuple[FakeIndex, FakeChannel]) -> list[Feed]:
    closed: dict[str, Any] = {"anonymous": False, "policy": "zqpolicy"}
    return [
        feed(upstream(index.url, "zqup-0123456789ab"), name="zqclosed", aliases=("zqalias",), **closed),
        Feed("zqcclosed", "conda", (upstream(channel.url, "zqup-ba9876543210"),), aliases=("zqcalias",), **closed),
        feed(Upstream("front-up", feed="zqclosed"), name="front"),
        Feed("chosen", "pypi", curated_from=("zqclosed",), fetch="lazy"),
        feed(upstream(own[0].url, "beside-up"), name="beside"),
        Feed("c-front", "conda", (Upstream("c-front-up", feed="zqcclosed"),)),
        Feed("c-chosen", "conda", curated_from=("zqcclosed",), fetch="lazy"),
        Feed("c-beside", "conda", (upstream(own[1].url, "c-beside-up"),)),
    ]  # fmt: skip


@pytest.fixture
async def place(tmp_path: Path, origin: Origin) -> AsyncIterator[Place]:
    async with Origin() as own:
        index = FakeIndex(origin)
        channel = FakeChannel(origin, ChannelShape(run_exports=True, channeldata=True))
        for name in ("demo", "evil", "later", "gone"):
            index.add(wheel(name, "1.0"))
            channel.add(bare(name), bare(name, subdir="noarch"))
        beside = FakeIndex(own), FakeChannel(own)
        beside[0].add(wheel("demo", "2.0"))
        beside[1].add(bare("demo"))
        policies = [Policy("zqpolicy", block=("evil",))]
        feeds = settings(index, channel, beside)
        async with (
            Gateway(tmp_path, *feeds, admin_key=ADMIN, policies=policies) as gateway,
            aiohttp.ClientSession(auto_decompress=False) as session,
        ):
            keys = gateway.app.base.keys
            grants = tuple(Grant(name, ("manage",)) for name in OPEN)
            await keys.create(Key("manager", "manager", grants), MANAGER, LOCAL)
            reads = tuple(Grant(name, ("read",)) for name in CLOSED.values())
            await keys.create(Key("promoter", "promoter", (*grants, *reads)), PROMOTER, LOCAL)
            yield Place(gateway, origin, index, channel, session, own, beside)


def questions(place: Place, name: str) -> Iterator[tuple[str, str, object]]:
    """Yield method, path and body of all that there is to ask of a feed."""
    for route in place.gateway.app.routes:
        if "{feed}" in route.pattern:
            for method in route.allowed:
                if method != "HEAD" and method != "DELETE":
                    yield method, paths(route.pattern, name, MANAGER), None
    api = f"/api/v1/feeds/{name}"
    for query in ("demo", "evil", "later", "gone", "absent", "*e*"):
        yield "GET", f"{api}/explain?spec={query}", None
        yield "GET", f"{api}/packages/{query}", None
    for state in ("allowed", "hidden", "approved"):
        yield "GET", f"{api}/packages?state={state}", None
    yield "POST", f"{api}/policy-trial", {"policy": {"block": ["demo"]}}
    for source in ("absent", "beside"):
        yield "POST", f"{api}/promotions", {"from": source, "specs": ["demo"], "dry_run": True}
    if name in FRONTS["pypi"]:
        for project in ("demo", "evil", "later", "gone", "absent"):
            yield "GET", f"/pypi/{name}/simple/{project}/", None
            yield "GET", f"/pypi/{name}/pypi/{project}/json", None
            yield (
                "GET",
                f"/pypi/{name}/integrity/{project}/1.0/{project}-1.0-py3-none-any.whl/provenance",
                None,
            )
        for file in (*SHOWN, BLOCKED):
            yield "GET", f"/pypi/{name}/{place.file_path(file)}", None
            yield "HEAD", f"/pypi/{name}/{place.file_path(file)}", None
            yield "GET", f"/pypi/{name}/{place.file_path(file)}.metadata", None
            yield "GET", f"{api}/explain?artifact={file}", None
        return
    for file in (
        "repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst", "current_repodata.json",
        "run_exports.json", "run_exports.json.zst", "shards/" + "0" * 64 + ".msgpack.zst", "patch_instructions.json",
        *(f"{each}-1.0-0.conda" for each in ("demo", "evil", "later", "gone", "absent")),
    ):  # fmt: skip
        for subdir in ("linux-64", "noarch", "win-64"):
            yield "GET", f"/conda/{name}/{subdir}/{file}", None
        yield "GET", f"/t/{MANAGER}/conda/{name}/linux-64/{file}", None
        yield "GET", f"{api}/explain?artifact=linux-64/{file}", None
    yield "GET", f"/conda/{name}/channeldata.json", None
    yield "GET", f"/conda/{name}/notices.json", None


EVERYWHERE = (
    "/", "/healthz", "/readyz", "/metrics", "/api/v1/feeds", "/api/v1/policies", "/api/v1/policies/zqpolicy",
    "/api/v1/routes", "/api/v1/keys", "/api/v1/audit", "/api/v1/openapi.json",
)  # fmt: skip


async def walk(place: Place, names: tuple[str, ...] = OPEN) -> dict[str, set[int]]:
    """Ask everything; return the statuses by path. Fails where anything crosses."""
    told: dict[str, set[int]] = {}
    found: list[tuple[str, str, list[bytes], bytes]] = []
    for key in (None, MANAGER):
        asked = [question for name in names for question in questions(place, name)]
        asked += [("GET", path, None) for path in EVERYWHERE]
        answers = await asyncio.gather(*(place.ask(method, path, key, body) for method, path, body in asked))
        for (method, path, _), got in zip(asked, answers, strict=True):
            told.setdefault(path, set()).add(got.status)
            if crossed := place.crossings(got, path):
                found.append((method, path, crossed, got.body[:300]))
    assert not found, "\n".join(map(repr, found))
    return told


async def settle(place: Place) -> None:
    """Have the open feeds' indexes made, so that later troubles are those of files."""
    for path in (
        "/pypi/front/simple/", "/pypi/front/simple/demo/", "/pypi/front/simple/later/", "/pypi/front/simple/gone/",
        "/conda/c-front/linux-64/repodata.json", "/conda/c-front/noarch/repodata.json",
    ):  # fmt: skip
        for _ in range(100):
            if (await place.ask("GET", path, None)).status == 200:
                break
            await asyncio.sleep(0.05)


async def approve(place: Place) -> None:
    """Approve what the closed feeds show, with the key of somebody who may read them."""
    for target, source, more in (
        ("chosen", "zqclosed", {"specs": ["demo", "later", "gone"]}),
        ("c-chosen", "zqcclosed", {"specs": ["demo", "later", "gone"], "platforms": ["linux-64"]}),
    ):
        order = {"from": source, **more}
        got = await place.ask("POST", f"/api/v1/feeds/{target}/promotions", PROMOTER, order)
        assert got.status == 201, got.body


async def test_nothing_crosses_while_all_is_well(place: Place) -> None:
    await settle(place)
    await approve(place)
    told = await walk(place)
    # The walk saw what there is to see: files, and refusals of the policy behind.
    assert told[f"/pypi/front/{place.file_path(SHOWN[0])}"] == {200}
    assert told[f"/pypi/front/{place.file_path(BLOCKED)}"] == {403}
    assert told["/conda/c-front/linux-64/demo-1.0-0.conda"] == {200}
    assert told["/conda/c-front/linux-64/evil-1.0-0.conda"] == {403}
    assert told["/api/v1/policies/zqpolicy"] == {404}


@pytest.mark.parametrize(
    "fault",
    [Fault(status=503), Fault(status=404), Fault(status=401), Fault(status=500), Fault(refuse=True)],
    ids=["503", "404", "401", "500", "refused"],
)  # fmt: skip
async def test_nothing_crosses_while_the_origin_behind_fails(place: Place, fault: Fault) -> None:
    await settle(place)
    await approve(place)
    place.origin.always("*", fault)
    await walk(place)


async def test_nothing_crosses_where_nothing_was_ever_fetched(place: Place) -> None:
    place.origin.always("*", Fault(status=503))
    await walk(place)


async def test_nothing_crosses_where_the_origin_behind_sends_wrong_bytes(place: Place) -> None:
    await settle(place)
    await approve(place)
    for path, hosted in list(place.index.hosted.items()):
        wrong = replace(hosted.built, data=b"X" * len(hosted.built.data))
        place.index.hosted[path] = replace(hosted, built=wrong)
    for file, data in list(place.channel.hosted.items()):
        place.channel.hosted[file] = b"X" * len(data)
    await walk(place)


async def test_nothing_crosses_while_the_feed_behind_is_offline(place: Place) -> None:
    await approve(place)
    changed = [
        replace(each, offline=True) if each.name in CLOSED.values() else each
        for each in place.gateway.settings.feeds.values()
    ]
    place.gateway.reload(*changed)
    await walk(place)


async def test_nothing_crosses_by_a_revoked_approval(place: Place) -> None:
    await approve(place)
    for name in ("chosen", "c-chosen"):
        path = f"/api/v1/feeds/{name}/approvals"
        for item in (await place.ask("GET", path, PROMOTER)).json()["items"][:1]:
            await place.ask("DELETE", f"{path}/{item['id']}", PROMOTER, {"reason": "x"})
    await walk(place, ("chosen", "c-chosen"))


async def test_nothing_crosses_by_approved_bytes_that_do_not_arrive(place: Place) -> None:
    changed = [
        replace(each, fetch="eager") if each.name in ("chosen", "c-chosen") else each
        for each in place.gateway.settings.feeds.values()
    ]
    place.gateway.reload(*changed)
    for path in (place.index.file_path(SHOWN[0]), place.channel.path("linux-64", "demo-1.0-0.conda")):
        place.origin.always(path, Fault(status=503))
    await approve(place)
    for name in ("chosen", "c-chosen"):
        failed: list[str] = []
        async with asyncio.timeout(20):
            while not failed:
                told = (await place.ask("GET", f"/api/v1/feeds/{name}/approvals", PROMOTER)).json()["items"]
                failed = [item["failure"] for item in told if item["failure"]]
                await asyncio.sleep(0.05)
        assert "127.0.0.1:" in failed[0]
    await walk(place, ("chosen", "c-chosen"))


async def test_who_may_read_the_feed_behind_is_told_its_policy(place: Place) -> None:
    """What is kept from others is not lost: the same questions, asked by those who may know."""
    for path in (
        f"/api/v1/feeds/front/explain?artifact={BLOCKED}",
        "/api/v1/feeds/c-front/explain?spec=evil",
    ):
        for key, policy in ((None, None), (MANAGER, None), (PROMOTER, "zqpolicy"), (ADMIN, "zqpolicy")):
            got = await place.ask("GET", path, key)
            item = got.json()["items"][0]
            assert (item["outcome"], item["rule"], item["policy"]) == ("block", "block", policy), (path, key)
    refused = (await place.ask("GET", f"/pypi/front/{place.file_path(BLOCKED)}", None)).json()
    assert (refused["feed"], refused["rule"], "policy" in refused) == ("front", "block", False)
    assert refused["explain"] == "/api/v1/feeds/front/explain?spec=evil"
    assert refused["detail"].startswith("blocked by block: ")


async def test_questions_about_a_closed_feed_are_answered_as_about_none(place: Place) -> None:
    """With every name that it has, without a key and with the key of other feeds; and its origin hears of nothing."""
    await settle(place)
    asked_before = len(place.origin.requests)
    absent = "absent"
    for name in ("zqclosed", "zqalias", "zqcclosed", "zqcalias"):
        for key in (None, MANAGER):
            for route in place.gateway.app.routes:
                if "{feed}" not in route.pattern:
                    continue
                for method in route.allowed:
                    answers = [
                        await place.ask(method, paths(route.pattern, each, MANAGER), key)
                        for each in (name, absent)
                    ]
                    seen = [
                        (got.status, got.reason, got.body.replace(each.encode(), b"NAME"))
                        for got, each in zip(answers, (name, absent), strict=True)
                    ]
                    assert seen[0] == seen[1], (method, route.pattern, name)
                    assert seen[0][0] in (401, 404), (method, route.pattern, name)
    assert len(place.origin.requests) == asked_before


async def test_no_byte_of_a_closed_feed_comes_through_one_that_lists_its_digests(place: Place) -> None:
    """The open feeds' origin lists the closed feeds' files and has none; whether they are held changes no answer."""
    index, channel = place.beside
    index.add(wheel("later", "1.0"))
    channel.add(bare("later"))
    file, package = "later-1.0-py3-none-any.whl", "later-1.0-0.conda"
    assert (
        index.projects["later"].files[0].built.sha256 == place.index.projects["later"].files[0].built.sha256
    )
    own = index.file_path(file)
    for path in (own, f"{own}.metadata", channel.path("linux-64", package)):
        place.own.always(path, Fault(status=404))
    questions = [
        (method, path, headers)
        for path in (f"/pypi/beside/packages{own}", f"/conda/c-beside/linux-64/{package}")
        for method in ("GET", "HEAD")
        for headers in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=-9"}, {"If-None-Match": "*"})
    ]
    questions.append(("GET", f"/pypi/beside/packages{own}.metadata", {}))

    async def asked() -> list[tuple[int, str, bytes]]:
        told = []
        for method, path, headers in questions:
            async with place.session.request(method, f"{place.gateway.url}{path}", headers=headers) as answer:
                told.append((answer.status, answer.headers.get("Cache-Status", ""), await answer.read()))
        return told

    for page in ("/pypi/beside/simple/later/", "/conda/c-beside/linux-64/repodata.json"):
        assert (await place.ask("GET", page, None)).status == 200
    before = await asked()
    for path in (
        f"/pypi/zqclosed/{place.file_path(file)}", f"/pypi/zqclosed/{place.file_path(file)}.metadata",
        f"/conda/zqcclosed/linux-64/{package}",
    ):  # fmt: skip
        assert (await place.ask("GET", path, PROMOTER)).status == 200
    after = await asked()
    # A HEAD says what the index lists: its size.
    got = [status for (method, *_), (status, *_) in zip(questions, after, strict=True) if method == "GET"]
    assert not {200, 206} & set(got)
    assert after == before


async def test_what_is_asked_of_an_open_feed_is_heard_by_no_closed_feeds_origin(place: Place) -> None:
    await settle(place)
    asked_before = len(place.origin.requests)
    told = await walk(place, ("beside", "c-beside"))
    assert told["/pypi/beside/simple/demo/"] == {200}
    assert len(place.origin.requests) == asked_before
