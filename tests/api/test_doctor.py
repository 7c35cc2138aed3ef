"""`GET /api/v1/feeds/{f}/doctor` and the chain in a feed's detail: who may have them, and what they say."""

import asyncio
from pathlib import Path
from typing import Any

from proxy.config.settings import Route
from proxy.model.redact import Secret, SecretUrl
from tests.api.reading import problem
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy

KEY = "admin-key-0123456789"
ADMIN = f"Bearer {KEY}"


def through(proxy: OutboundProxy, password: str) -> Route:
    return Route(
        "corp", use_environment=False, proxy=SecretUrl(proxy.url), username="me", password=Secret(password)
    )


def outcomes(told: dict[str, Any]) -> dict[str, str]:
    return {each["name"].rpartition(", ")[2]: each["outcome"] for each in told["findings"]}


async def test_it_walks_every_hop_and_says_what_is_wrong(tmp_path: Path, index: FakeIndex) -> None:
    async with OutboundProxy(user="me", password="right-canary") as proxy:
        good = feed(
            upstream(index.url, "good", route=through(proxy, "right-canary")), name="good", aliases=("fine",)
        )
        bad = feed(upstream(index.url, "bad", route=through(proxy, "wrong-canary")), name="bad")
        async with Gateway(tmp_path, good, bad, admin_key=KEY) as gateway:
            for name in ("good", "fine"):
                told = (await gateway.get(f"/api/v1/feeds/{name}/doctor", Authorization=ADMIN)).json()
                assert (told["ok"], told["feed"]) == (True, "good")
                assert set(outcomes(told).values()) == {"ok"}
            answer = await gateway.get("/api/v1/feeds/bad/doctor", Authorization=ADMIN)
            assert b"canary" not in answer.body
            told = answer.json()
            assert (answer.status, told["ok"]) == (200, False)
            assert outcomes(told)["proxy authentication"] == "failed"
            assert "refused the user me or the password (407); check" in told["findings"][-1]["detail"]


async def test_it_is_for_those_who_manage_the_feed(tmp_path: Path, origin: Origin, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url)), admin_key=KEY) as gateway:
        await problem(gateway, "/api/v1/feeds/pypi/doctor", 401, "unauthorized", "the right manage")
        assert origin.hits() == 0
        assert (await gateway.get("/api/v1/feeds/nope/doctor", Authorization=ADMIN)).status == 404


async def test_those_who_ask_at_once_share_one_look(tmp_path: Path, origin: Origin, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url)), admin_key=KEY) as gateway:
        answers = await asyncio.gather(
            *(gateway.get("/api/v1/feeds/pypi/doctor", Authorization=ADMIN) for _ in range(8))
        )
        assert {answer.status for answer in answers} == {200}
        assert origin.hits() < 8


async def test_offline_feed_is_told_and_not_asked(tmp_path: Path, origin: Origin, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url), offline=True), admin_key=KEY) as gateway:
        told = (await gateway.get("/api/v1/feeds/pypi/doctor", Authorization=ADMIN)).json()
        assert (told["ok"], origin.hits()) == (True, 0)
        assert "offline" in told["findings"][0]["detail"]


async def test_detail_of_a_feed_tells_the_chain_of_each_upstream(tmp_path: Path, index: FakeIndex) -> None:
    environ = {"http_proxy": "http://envuser:pw-canary@p.example:8"}
    route = Route(
        "inline",
        use_environment=False,
        proxy=SecretUrl("http://o.example:9"),
        username="me",
        password=Secret("pw-canary"),
    )
    ups = upstream(index.url, "one", route=route), upstream("http://b.example/simple/", "two", route=Route())
    async with Gateway(tmp_path, feed(*ups), environ=environ, admin_key=KEY) as gateway:
        answer = await gateway.get("/api/v1/feeds/pypi", Authorization=ADMIN)
        assert b"canary" not in answer.body
        chains = [each["chain"] for each in answer.json()["upstreams"]]
        assert [chain["route"]["value"] for chain in chains] == ["inline", "environment"]
        first, second = (chain["legs"][0] for chain in chains)
        assert (first["proxy"], first["user"]) == ("http://o.example:9", "me")
        assert second == {
            "origin": "http://b.example", "proxy": "http://p.example:8", "user": "envuser",
            "because": "environment http_proxy",
        }  # fmt: skip
        readers = (await gateway.get("/api/v1/feeds/pypi")).json()["upstreams"]
        assert [each["chain"]["legs"][0]["user"] for each in readers] == [None, None]
