"""Checklist 2, table 6.1: what each client makes of the answers that a feed gives on a project page."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.apps import App
from tests.support.clients import Clients, Ran
from tests.support.faults import Fault
from tests.support.gateway import Gateway, eventually, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

Make = Callable[[FakeIndex, FakeIndex, Gateway], Awaitable[None]]


def assert_no_crash(ran: Ran) -> None:
    assert "Traceback" not in ran.text, ran.text


async def missing(first: FakeIndex, second: FakeIndex, gateway: Gateway) -> None:
    """404: nobody has the dependency."""
    assert (await gateway.get("/pypi/pypi/simple/leaf/")).status == 404


async def quarantined(first: FakeIndex, second: FakeIndex, gateway: Gateway) -> None:
    """200 without files."""
    second.add(wheel("leaf", "1.0"))
    second.quarantine("leaf", "malware")
    page = await gateway.get("/pypi/pypi/simple/leaf/", Accept=JSON)
    assert (page.status, page.json()["files"]) == (200, [])


async def held(first: FakeIndex, second: FakeIndex, gateway: Gateway) -> None:
    """404: the dependency would change its owner."""
    first.add(wheel("leaf", "1.0"))
    assert (await gateway.get("/pypi/pypi/simple/leaf/")).status == 200
    first.remove_project("leaf")
    second.add(wheel("leaf", "1.0"))
    page = await eventually(lambda: gateway.get("/pypi/pypi/simple/leaf/"), 404)
    assert page.json()["type"] == "urn:feedgate:held"


@pytest.mark.parametrize("make", [missing, quarantined, held])
async def test_every_resolver_backtracks_over_a_dependency_that_the_feed_does_not_offer(
    origin: Origin, clients: Clients, tmp_path: Path, make: Make
) -> None:
    async with Origin() as other:
        first, second = FakeIndex(origin), FakeIndex(other)
        second.add(wheel("demo", "2.0", requires=["leaf"]), wheel("demo", "1.0"))
        both = (
            upstream(first.url, "first", ttl_s=0.0, negative_ttl_s=0.0),
            upstream(second.url, "second", ttl_s=0.0, negative_ttl_s=0.0),
        )
        async with Gateway(tmp_path, feed(*both)) as gateway:
            await make(first, second, gateway)
            got = await clients.download(gateway.index(), "demo")
            assert got.ran.code == 0, got.ran.text
            assert list(got.files) == ["demo-1.0-py3-none-any.whl"]
            app = App.made(tmp_path / "app", gateway.index(), clients, "demo")
            for tool in ("uv", "poetry"):
                ran = await app.lock(tool)
                assert ran.code == 0, ran.text
                assert app.locked(tool) == {"demo": "1.0"}
            # PDM gives up on the first dependency without candidates, with every index there is.
            ran = await app.lock("pdm")
            assert "Unable to find candidates for leaf" in ran.text
            assert_no_crash(ran)


async def test_an_unknown_project_is_not_found_and_nothing_worse(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = FakeIndex(origin)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        ran = await clients.pip("download", "-i", gateway.index(), "-d", "got", "nobody")
        assert ran.code == 1
        assert "No matching distribution found for nobody" in ran.err
        app = App.made(tmp_path / "app", gateway.index(), clients, "nobody")
        told = {
            "uv": "not found in the package registry",
            "poetry": "doesn't match any",
            "pdm": "Unable to find",
        }
        for tool, words in told.items():
            ran = await app.lock(tool)
            assert ran.code != 0, tool
            assert words in " ".join(ran.text.split()), ran.text
            assert_no_crash(ran)


async def test_a_dead_origin_is_a_server_error_to_every_tool_and_not_a_missing_project(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = FakeIndex(origin)
    await origin.off()
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        page = await gateway.get("/pypi/pypi/simple/demo/")
        assert page.status == 503
        assert int(page.headers["retry-after"]) > 0
        assert page.json()["type"] == "urn:feedgate:origin-unavailable"
        ran = await clients.pip("download", "-vv", "-i", gateway.index(), "-d", "got", "demo")
        assert ran.code == 1
        assert "503" in ran.text, ran.text
        ran = await clients.compile(gateway.index(), "demo")
        assert ran.code != 0
        assert "503" in ran.text, ran.text
        app = App.made(tmp_path / "app", gateway.index(), clients, "demo")
        ran = await app.lock("pdm")
        assert ran.code != 0
        assert_no_crash(ran)


async def test_a_short_trouble_of_the_origin_is_over_when_clients_ask_again(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0"))
    trouble = Fault(status=503, retry_after="1")
    async with Gateway(tmp_path, feed(upstream(index.url, json_api=None))) as gateway:
        origin.script(index.page_path("demo"), trouble)
        got = await clients.download(gateway.index(), "--retries", "2", "demo")
        assert got.ran.code == 0, got.ran.text
    async with Gateway(tmp_path / "second", feed(upstream(index.url, json_api=None))) as gateway:
        origin.script(index.page_path("demo"), trouble)
        app = App.made(tmp_path / "app", gateway.index(), clients, "demo")
        ran = await app.lock("poetry")
        assert ran.code == 0, ran.text
        assert app.locked("poetry") == {"demo": "1.0"}


@pytest.mark.parametrize(
    ("status", "answered", "word"),
    [
        (401, 502, "upstream-auth"),
        (403, 502, "upstream-auth"),
        (404, 404, "unknown"),
        (406, 502, "origin-refused"),
        (407, 502, "upstream-auth"),
        (410, 404, "unknown"),
        (429, 503, "origin-unavailable"),
        (451, 502, "origin-refused"),
        (500, 503, "origin-unavailable"),
        (502, 503, "origin-unavailable"),
        (503, 503, "origin-unavailable"),
        (504, 503, "origin-unavailable"),
        (508, 508, "loop"),
    ],
)
async def test_a_status_of_the_origin_becomes_one_that_clients_can_use(
    origin: Origin, tmp_path: Path, status: int, answered: int, word: str
) -> None:
    index = FakeIndex(origin)
    origin.always("*", Fault(status=status))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        page = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        assert (page.status, page.json()["type"]) == (answered, f"urn:feedgate:{word}")
        assert ("retry-after" in page.headers) == (answered == 503)
        assert "www-authenticate" not in page.headers


async def test_an_origin_that_wants_credentials_makes_no_client_ask_for_them(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index = FakeIndex(origin)
    origin.always("*", Fault(status=401))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        ran = await clients.pip("download", "-vv", "-i", gateway.index(), "-d", "got", "demo")
        assert ran.code == 1
        assert "User for" not in ran.text
        ran = await clients.compile(gateway.index(), "demo")
        assert ran.code != 0
        assert "502" in ran.text
        assert "401" in ran.text, "uv shows the problem's detail"
