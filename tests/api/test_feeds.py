"""`/api/v1/feeds` and the snippets: what there is, where, and how the upstreams do."""

from pathlib import Path

import pytest

from proxy.config.settings import Auth, Feed
from proxy.model.redact import Secret, SecretUrl
from tests.api.reading import items, problem
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin


def conda(name: str, url: str) -> Feed:
    return Feed(name, "conda", (upstream(url, f"{name}-origin"),))


async def test_feeds_of_both_kinds_are_listed_with_what_clients_are_given(
    tmp_path: Path, index: FakeIndex
) -> None:
    pypi = feed(upstream(index.url), aliases=("main",))
    async with Gateway(tmp_path, pypi, conda("forge", "http://127.0.0.1:9/chan/")) as gateway:
        answer = await gateway.get("/api/v1/feeds")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json()["next"] is None
        first, second = answer.json()["items"]
        assert (first["name"], first["kind"], first["aliases"]) == ("pypi", "pypi", ["main"])
        assert first["url"] == gateway.index()
        assert first["offline"] is False
        assert second["url"] == f"{gateway.url}/conda/forge/"
        assert first["upstreams"][0]["urls"] == [index.url]
        assert (await gateway.get("/api/v1/feeds", method="HEAD")).status == 200


async def test_feeds_come_in_pages(tmp_path: Path, index: FakeIndex) -> None:
    feeds = [feed(upstream(index.url), name=name) for name in ("one", "two", "three")]
    async with Gateway(tmp_path, *feeds) as gateway:
        seen = [[each["name"] for each in page] for page in await items(gateway, "/api/v1/feeds", limit=2)]
        assert seen == [["one", "two"], ["three"]]


async def test_a_feed_is_found_by_its_alias_and_told_with_its_settings(
    tmp_path: Path, index: FakeIndex
) -> None:
    async with Gateway(
        tmp_path, feed(upstream(index.url), aliases=("main",), reserved=("corp-*",))
    ) as gateway:
        told = (await gateway.get("/api/v1/feeds/main")).json()
        assert told["name"] == "pypi"
        assert told["settings"]["reserved"] == ["corp-*"]
        assert "no policy" in told["policy"]


async def test_an_unknown_feed_is_a_problem(tmp_path: Path, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        for path in ("", "/snippets", "/packages", "/packages/demo"):
            await problem(gateway, f"/api/v1/feeds/nope{path}", 404, "unknown", "there is no feed nope")
        assert (await gateway.get("/api/v1/feeds", method="POST")).status == 401
        assert (await gateway.get("/api/v1/feeds", method="PATCH")).status == 405


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=", "limit=-1", "cursor=gone"])
async def test_a_wrong_limit_or_cursor_is_refused(tmp_path: Path, index: FakeIndex, query: str) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await problem(gateway, f"/api/v1/feeds?{query}", 422, "unprocessable", query.partition("=")[0])


async def test_an_upstreams_health_is_told_in_words(tmp_path: Path, origin: Origin, index: FakeIndex) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:

        async def health() -> dict[str, str]:
            found: dict[str, str] = (await gateway.get("/api/v1/feeds/pypi")).json()["upstreams"][0]["health"]
            return found

        assert (await health())["state"] == "unasked"
        assert (await gateway.get("/pypi/pypi/simple/demo/")).status == 200
        assert (await health())["state"] == "answering"
        origin.always(index.page_path("leaf"), Fault(status=500))
        assert (await gateway.get("/pypi/pypi/simple/leaf/")).status == 503
        failing = await health()
        assert failing["state"] == "failing"
        assert "500" in failing["detail"]
        for number in range(5):
            origin.always(index.page_path(f"leaf{number}"), Fault(status=500))
            await gateway.get(f"/pypi/pypi/simple/leaf{number}/")
        assert (await health())["state"] == "resting"


async def test_nothing_told_of_an_upstream_holds_a_secret(tmp_path: Path, origin: Origin) -> None:
    url = f"http://user:hunter2@127.0.0.1:{origin.url.rpartition(':')[2]}/t/hunter2token/simple/?key=hunter2"
    secret = upstream(url, auth=Auth("bearer", secret=Secret("hunter2")))
    async with Gateway(tmp_path, feed(secret)) as gateway:
        await gateway.get("/pypi/pypi/simple/demo/")
        for path in ("/api/v1/feeds", "/api/v1/feeds/pypi", "/api/v1/feeds/pypi/snippets"):
            answer = await gateway.get(path)
            assert (answer.status, b"hunter2" in answer.body) == (200, False)
        assert SecretUrl(url).reveal() == url


async def test_snippets_name_the_servers_own_address(tmp_path: Path, index: FakeIndex) -> None:
    async with Gateway(
        tmp_path, feed(upstream(index.url)), conda("forge", "http://127.0.0.1:9/chan/")
    ) as gateway:
        told = (await gateway.get("/api/v1/feeds/pypi/snippets")).json()
        assert [each["client"] for each in told["items"]][:2] == ["pip", "pip.conf"]
        assert gateway.index() in told["items"][0]["text"]
        assert "extra-index-url" in told["warning"]
        told = (await gateway.get("/api/v1/feeds/forge/snippets?limit=1")).json()
        assert f"conda config --add channels {gateway.url}/conda/forge/" in told["items"][0]["text"]
        assert told["next"] == "conda"
