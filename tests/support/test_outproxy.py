"""The fake outbound proxy forwards, tunnels, asks for its password, and records."""

import ssl

import aiohttp
import pytest
import trustme
from yarl import URL

from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy


async def test_plain_request_is_forwarded_without_the_proxys_credentials() -> None:
    async with (
        Origin() as origin,
        OutboundProxy(user="u", password="p", hosts={"far.test": ("127.0.0.1", origin.port)}) as proxy,
        aiohttp.ClientSession() as client,
    ):
        origin.add("/a", b"body")
        mine = {"Proxy-Authorization": aiohttp.encode_basic_auth("u", "p")}
        async with client.get("http://far.test/a?q=1", proxy=proxy.url, headers=mine) as answer:
            assert await answer.read() == b"body"
        assert proxy.requests[0].target == "http://far.test/a?q=1"
        assert origin.requests[0].target == "/a?q=1"
        assert "proxy-authorization" not in origin.requests[0].headers


async def test_wrong_password_is_407_and_nothing_is_forwarded() -> None:
    async with (
        Origin() as origin,
        OutboundProxy(user="u", password="p") as proxy,
        aiohttp.ClientSession() as client,
    ):
        async with client.get(origin.add("/a", b"body"), proxy=proxy.url) as answer:
            assert answer.status == 407
        assert origin.requests == []


async def test_tunnel_carries_tls_to_the_origin() -> None:
    ca = trustme.CA()
    server, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    ca.issue_cert("far.test").configure_cert(server)
    ca.configure_trust(trusted)
    async with (
        Origin(tls=server) as origin,
        OutboundProxy(hosts={"far.test": ("127.0.0.1", origin.port)}) as proxy,
        aiohttp.ClientSession() as client,
    ):
        origin.add("/a", b"body")
        async with client.get(URL("https://far.test/a"), proxy=proxy.url, ssl=trusted) as answer:
            assert await answer.read() == b"body"
        assert proxy.requests[0].target == "CONNECT far.test:443"


async def test_answer_in_place_of_a_tunnel_fails_the_client() -> None:
    async with OutboundProxy() as proxy, aiohttp.ClientSession() as client:
        proxy.instead = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlogin"
        with pytest.raises((aiohttp.ClientError, OSError)):
            await client.get("https://127.0.0.1:1/", proxy=proxy.url)
