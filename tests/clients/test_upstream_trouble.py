"""Checklist 7: what goes wrong at the origin, with a stored page and without one."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.clients import Clients
from tests.support.clock import FakeClock
from tests.support.faults import HONEST, SILENT, Fault
from tests.support.gateway import Gateway, Got, feed, until, upstream
from tests.support.index import HTML, JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

PAGE = "/pypi/pypi/simple/demo/"
WHEEL = "demo-1.0-py3-none-any.whl"


def said(body: bytes, content_type: str = JSON) -> Fault:
    return Fault(status=200, body=body, content_type=content_type)


FUTURE = b'{"meta":{"api-version":"2.0"},"name":"demo","files":[]}'
OTHER = b'{"meta":{"api-version":"1.4"},"name":"other","files":[]}'

#: trouble -> (fault, what a client without a stored page is answered)
TROUBLES: dict[str, tuple[Fault, int]] = {
    "500": (Fault(status=500), 503),
    "429": (Fault(status=429), 503),
    "silence": (SILENT, 503),
    "reset": (Fault(refuse=True), 503),
    "half a page": (Fault(truncate_at=100), 503),
    "no HTTP": (Fault(raw=b"SSH-2.0-OpenSSH_9.6\r\n"), 502),
    "401": (Fault(status=401), 502),
    "not JSON": (said(b"<html>maintenance</html>"), 502),
    "half JSON": (said(b'{"meta":{"api-version":"1.4"},"files":['), 502),
    "a JSON array": (said(b"[]"), 502),
    "a login page": (said(b"<html><form>password</form></html>", "text/html"), 502),
    "another type": (said(b"{}", "application/json"), 502),
    "another major version": (said(FUTURE), 502),
    "another project": (said(OTHER), 502),
}


def filled(origin: Origin) -> FakeIndex:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0"))
    return index


def turned(gateway: Gateway, clock: FakeClock) -> Callable[[], Awaitable[Got]]:
    """Return a way to ask for the page again, each time after ten minutes."""

    async def ask() -> Got:
        clock.advance(601)
        return await gateway.get(PAGE, Accept=JSON)

    return ask


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_with_a_stored_page_nobody_notices_and_without_one_the_trouble_is_named(
    origin: Origin, tmp_path: Path, trouble: str
) -> None:
    fault, status = TROUBLES[trouble]
    index, clock = filled(origin), FakeClock()
    settings = feed(upstream(index.url, read_timeout_s=0.3, json_api=None))
    async with Gateway(tmp_path / "stored", settings, clock=clock) as gateway:
        page = await gateway.get(PAGE, Accept=JSON)
        file = "/pypi/pypi/" + page.json()["files"][0]["url"].removeprefix("../../")
        index.bump("demo")
        origin.always(index.page_path("demo"), fault)
        origin.forget()
        clock.advance(601)
        await until(lambda: gateway.get(PAGE, Accept=JSON), lambda _: not origin.active())
        for _ in range(2):
            stale = await gateway.get(PAGE, Accept=JSON)
            assert (stale.status, stale.body) == (200, page.body)
            assert "hit; fwd=stale" in stale.cache
            assert int(stale.headers["age"]) >= 601
        assert (await gateway.get(file)).status == 200
        assert origin.hits(index.page_path("demo")) == 1, "the origin is left alone for a while"
        origin.always(index.page_path("demo"), HONEST)
        index.add(wheel("demo", "2.0"))
        await until(turned(gateway, clock), lambda got: b"2.0" in got.body)
    origin.always(index.page_path("demo"), fault)
    async with Gateway(tmp_path / "bare", settings) as gateway:
        answer = await gateway.get(PAGE, Accept=JSON)
        assert (answer.status, "retry-after" in answer.headers) == (status, status == 503)
        assert answer.headers["content-type"] == "application/problem+json"
        origin.always(index.page_path("demo"), HONEST)


async def test_clients_install_while_the_origin_is_down(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index, clock = filled(origin), FakeClock()
    async with Gateway(tmp_path, feed(upstream(index.url)), clock=clock) as gateway:
        assert (await clients.install(gateway.index(), "demo")).versions == {"demo": "1.0"}
        await origin.off()
        clock.advance(86400)
        there = clients.elsewhere("second")
        assert (await there.install(gateway.index(), "demo")).versions == {"demo": "1.0"}
        assert list((await there.download(gateway.index(), "demo")).files) == [WHEEL]
        clock.advance(7 * 86400)
        ran = await clients.elsewhere("third").compile(gateway.index(), "demo")
        assert "503" in ran.text, "a copy is used for stale_if_error, not for ever"


OLD = {
    "json": (JSON, b'{"meta":{"api-version":"1.4","_last-serial":900},"name":"demo","files":[]}', {}),
    "json header": (
        JSON,
        b'{"meta":{"api-version":"1.4"},"name":"demo","files":[]}',
        {"X-PyPI-Last-Serial": "900"},
    ),
    "html header": (
        HTML,
        b"<!DOCTYPE html><html><head><title>Links for demo</title></head><body></body></html>",
        {"X-PyPI-Last-Serial": "900"},
    ),
}


@pytest.mark.parametrize("old", OLD)
async def test_an_older_serial_never_replaces_a_newer_page(
    origin: Origin, clients: Clients, tmp_path: Path, old: str
) -> None:
    content_type, body, headers = OLD[old]
    index, clock = filled(origin), FakeClock()
    async with Gateway(tmp_path, feed(upstream(index.url)), clock=clock) as gateway:
        page = await gateway.get(PAGE, Accept=JSON)
        origin.add(index.page_path("demo"), body, content_type=content_type, headers=headers)
        for _ in range(2):
            origin.forget()
            await until(
                turned(gateway, clock),
                lambda got: origin.hits(index.page_path("demo")) > 0 and "hit; fwd=stale" not in got.cache,
            )
            assert (await gateway.get(PAGE, Accept=JSON)).body == page.body
        assert (await clients.compile(gateway.index(), "demo")).out == "demo==1.0\n"
