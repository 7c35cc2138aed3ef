"""R11: a client that ends its side of the connection after its request gets its answer (RFC 9112, 9.6)."""

import asyncio

import pytest

from proxy.web.inbound import Inbound
from proxy.web.outbound import Bytes, Outbound, StreamAnswer
from proxy.web.routes import Route
from tests.support.raw_http import Raw
from tests.web.stand import get, standing

BODY = b"hello"


def small(_: Inbound) -> Outbound:
    return Bytes(body=BODY, content_type="text/plain")


def slow() -> Route:
    async def answer(_: Inbound) -> Outbound:
        await asyncio.sleep(0.1)
        return Bytes(body=BODY, content_type="text/plain")

    return Route(("GET",), "/slow", answer)


def streamed() -> Route:
    async def pieces(start: int, stop: int | None):  # type: ignore[no-untyped-def]
        for _ in range(5):
            await asyncio.sleep(0.02)
            yield BODY

    async def answer(_: Inbound) -> Outbound:
        return StreamAnswer(open=pieces, size=5 * len(BODY))

    return Route(("GET",), "/stream", answer)


def posted() -> Route:
    async def answer(inbound: Inbound) -> Outbound:
        return Bytes(body=await inbound.read_body(1000), content_type="text/plain")

    return Route(("POST",), "/echo", answer)


@pytest.mark.parametrize("path", ["/small", "/slow", "/stream"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_who_half_closes_is_answered(path: str, version: str) -> None:
    async with standing(get("/small", small), slow(), streamed()) as stand, Raw(stand.port) as raw:
        await raw.send(f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        raw.writer.write_eof()
        answer = await raw.read_to_end()
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(BODY) == (5 if path == "/stream" else 1)
        assert b"Connection: close\r\n" in answer


async def test_all_that_was_pipelined_is_answered_in_order() -> None:
    async with standing(get("/small", small), slow(), streamed()) as stand, Raw(stand.port) as raw:
        asked = ("/slow", "/small", "/stream", "/nope", "/small")
        await raw.send(b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in asked))
        raw.writer.write_eof()
        answers = (await raw.read_to_end()).split(b"HTTP/1.1 ")[1:]
        assert [int(answer[:3]) for answer in answers] == [200, 200, 200, 404, 200]
        assert [b"Connection: close\r\n" in answer for answer in answers] == [False] * 4 + [True]


async def test_a_body_counts_only_if_it_is_whole() -> None:
    async with standing(posted()) as stand:
        for sent, status in ((b"12345", 200), (b"123", 400)):
            async with Raw(stand.port) as raw:
                await raw.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n" + sent)
                raw.writer.write_eof()
                answer = await raw.read_to_end()
                assert int(answer.split(b" ")[1]) == status, answer


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /small HTTP/1.1\r\nHost: x\r\n"])
async def test_who_has_asked_nothing_yet_is_let_go_at_once(sent: bytes) -> None:
    async with standing(get("/small", small)) as stand, Raw(stand.port) as raw:
        await raw.send(sent)
        raw.writer.write_eof()
        async with asyncio.timeout(5):
            assert await raw.read_to_end() == b""


async def test_a_client_that_is_gone_is_noticed_when_it_is_answered() -> None:
    async with standing(streamed()) as stand:
        async with Raw(stand.port) as raw:
            await raw.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(5):
            while stand.metrics.connections:
                await asyncio.sleep(0.02)
