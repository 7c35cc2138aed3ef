"""A06: bytes that nobody asked for never become an answer (reliability, section 0, item 6)."""

import asyncio
from pathlib import Path

import pytest

from proxy.config.settings import Auth
from proxy.model.redact import Secret
from proxy.upstream.errors import UpstreamError
from proxy.upstream.remote import Remote
from tests.support.faults import HONEST, Fault
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.upstream.authorities import new_ca, saved, served, through
from tests.upstream.conftest import Dial

MARKER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Type: text/html\r\n\r\nPOISON"
HONEST_PAGE = b"the honest page"


async def read(remote: Remote, url: str) -> bytes:
    async with await remote.open(url) as stream:
        return b"".join([chunk async for chunk in stream.chunks()])


@pytest.mark.parametrize("is_page", [True, False])
async def test_bytes_behind_an_answer_are_never_given_out(dial: Dial, is_page: bool) -> None:
    async with Origin() as origin:
        origin.add("/a", HONEST_PAGE, faults=Fault(trailing=MARKER))
        origin.add("/b", HONEST_PAGE)
        remote = dial(origin.url)
        for url in ("a", "b", "a", "b"):
            try:
                got = (await remote.document(url, accept="*/*")).body if is_page else await read(remote, url)
            except UpstreamError:
                continue
            assert got == HONEST_PAGE


async def test_bytes_that_came_while_a_connection_was_pooled_are_never_given_out(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a", HONEST_PAGE, faults=[Fault(trailing=MARKER, trailing_after_s=0.3), HONEST])
        remote = dial(origin.url)
        assert await read(remote, "a") == HONEST_PAGE
        await asyncio.sleep(0.5)  # the marker arrives while the connection is idle
        assert await read(remote, "a") == HONEST_PAGE
        first, second = origin.requests
        assert first.connection != second.connection


async def test_bytes_that_came_through_an_idle_tunnel_are_never_given_out(dial: Dial, tmp_path: Path) -> None:
    """The same behind an outbound proxy, for pages too: over TLS they share connections."""
    authority = new_ca()
    async with Origin(tls=served(authority)) as origin, OutboundProxy() as proxy:
        origin.add("/a", HONEST_PAGE, faults=[HONEST, Fault(trailing=MARKER, trailing_after_s=0.3), HONEST])
        remote = dial(origin.url, route=through(proxy, None, "", saved(tmp_path, "ca.pem", authority)))
        for _ in range(2):
            assert (await remote.document("a", accept="*/*")).body == HONEST_PAGE
        await asyncio.sleep(0.5)  # the marker arrives while the tunnel is idle
        assert (await remote.document("a", accept="*/*")).body == HONEST_PAGE
    first, second, third = (request.connection for request in origin.requests)
    assert (first == second, second == third) == (True, False)
    assert len(proxy.requests) == 2


async def test_clean_pooled_connection_is_used_again_for_artifacts(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a", HONEST_PAGE)
        remote = dial(origin.url)
        await read(remote, "a")
        await read(remote, "a")
        assert origin.requests[0].connection == origin.requests[1].connection


@pytest.mark.parametrize("auth", [None, Auth("bearer", secret=Secret("t"))])
async def test_page_without_tls_uses_each_connection_once(dial: Dial, auth: Auth | None) -> None:
    async with Origin() as origin:
        origin.add("/a", HONEST_PAGE)
        remote = dial(origin.url, auth=auth)
        for _ in range(2):
            await remote.document("a", accept="*/*")
        assert origin.requests[0].connection != origin.requests[1].connection
        assert origin.requests[0].headers["connection"] == "close"
