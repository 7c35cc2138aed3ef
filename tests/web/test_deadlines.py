"""Clients that are slow, silent, greedy or many (C05-C08): bounded in memory and in time, nobody else waits."""

import asyncio
import itertools
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from proxy.web.deadlines import Limits
from proxy.web.inbound import Inbound
from proxy.web.outbound import BlobAnswer, Bytes, Document, Outbound, StreamAnswer
from proxy.web.routes import Route
from proxy.web.sending import PIECE_BYTES
from tests.support.raw_http import LIMIT_S, Raw, ask
from tests.web.stand import Stand, file_blob, get, small_blob, standing

ROOT = Path(__file__).parent.parent.parent
HELLO = Bytes(body=b"hello", content_type="text/plain")
BIG = 16 * 1024**2


async def endless(start: int, stop: int | None) -> AsyncIterator[bytes]:
    for _ in itertools.repeat(None):
        yield b"x" * 256 * 1024
        await asyncio.sleep(0)


async def ends(raw: Raw) -> None:
    """Wait until the server has ended the connection, by closing or by aborting."""
    async with asyncio.timeout(LIMIT_S):
        try:
            while await raw.reader.read(2**16):
                pass
        except ConnectionError:
            return


async def drip(raw: Raw, data: bytes) -> None:
    """Send one byte now and then until the server has had enough."""
    try:
        for at in range(len(data)):
            await raw.send(data[at : at + 1])
            await asyncio.sleep(0.03)
    except ConnectionError:
        return


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n"])
async def test_head_that_does_not_end_ends_the_connection(start: bytes) -> None:
    async with standing(get("/f", HELLO), header_timeout_s=0.2) as stand, Raw(stand.port) as raw:
        await raw.send(start)
        await ends(raw)
        assert stand.metrics.cut_connections["head"] == 1
        assert (await ask(stand.port, "GET", "/f")).status == 200


async def test_dripping_a_head_does_not_prolong_it() -> None:
    async with standing(get("/f", HELLO), header_timeout_s=0.3) as stand, Raw(stand.port) as raw:
        dripping = asyncio.create_task(drip(raw, b"GET /f HTTP/1.1\r\nHost: x\r\nX-A: " + b"b" * 2000))
        await ends(raw)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        assert stand.metrics.cut_connections["head"] == 1


async def test_second_head_has_its_own_deadline() -> None:
    async with standing(get("/f", HELLO), header_timeout_s=0.2) as stand, Raw(stand.port) as raw:
        assert (await raw.ask("GET", "/f")).status == 200
        await raw.send(b"GET /f HT")
        await ends(raw)
        assert stand.metrics.cut_connections["head"] == 1


async def test_idle_connection_is_closed_in_its_own_time() -> None:
    async with (
        standing(get("/f", HELLO), header_timeout_s=0.1, idle_timeout_s=0.6) as stand,
        Raw(stand.port) as raw,
    ):
        assert (await raw.ask("GET", "/f")).status == 200
        await asyncio.sleep(0.3)
        assert (await raw.ask("GET", "/f")).status == 200
        await ends(raw)
        assert not stand.metrics.cut_connections


async def test_body_that_nobody_reads_is_not_waited_for_long() -> None:
    route = Route(("POST",), "/f", _hello)
    async with standing(route, body_timeout_s=0.2) as stand, Raw(stand.port) as raw:
        reply = await raw.ask("POST", "/f", "Content-Length: 100000", body=b"x")
        assert (reply.status, reply.header("connection")) == (200, "close")
        await ends(raw)


async def _hello(inbound: Inbound) -> Outbound:
    return HELLO


def _big(kind: str, folder: Path) -> Outbound:
    match kind:
        case "stream":
            return StreamAnswer(open=endless, size=None)
        case "file":
            return BlobAnswer(blob=file_blob(folder, b"x" * BIG))
        case _:
            return Document(
                digest=small_blob(b"").digest, body=b"x" * BIG, size=BIG, content_type="text/plain"
            )


KINDS = pytest.mark.parametrize("kind", ["stream", "file", "document"])


@KINDS
async def test_client_that_never_reads_is_cut_off(kind: str, tmp_path: Path) -> None:
    answer = await asyncio.to_thread(_big, kind, tmp_path)
    async with standing(get("/f", answer), write_timeout_s=0.4) as stand, AsyncExitStack() as stack:
        for _ in range(16):
            raw = await stack.enter_async_context(Raw(stand.port, receive_buffer=4096))
            raw.stop_reading()
            await raw.send(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
        await _gone(stand)
        assert stand.metrics.cut_connections["client"] == 16
        assert {line["end"] for line in await stand.lines()} == {"stalled"}


@KINDS
async def test_client_that_never_reads_keeps_one_piece_in_memory(kind: str, tmp_path: Path) -> None:
    answer = await asyncio.to_thread(_big, kind, tmp_path)
    routes = (get("/f", answer), get("/small", HELLO))
    async with standing(*routes) as stand, AsyncExitStack() as stack:
        for _ in range(16):
            raw = await stack.enter_async_context(Raw(stand.port, receive_buffer=4096))
            raw.stop_reading()
            await raw.send(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(5):
            assert (await ask(stand.port, "GET", "/small")).status == 200
            await asyncio.sleep(0.05)
        kept = [one.wire.get_write_buffer_size() for one in stand.server.connections if one.wire]
        assert len(kept) >= 16
        assert max(kept) <= PIECE_BYTES + 1024


@pytest.mark.skipif(
    not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="this system does not bound unsent bytes"
)
async def test_little_of_a_stream_is_taken_in_for_a_client_that_never_reads() -> None:
    """Hundreds of them would else keep the server busy with filling the kernel's buffers, some MiB each."""
    taken = 0

    async def counted(start: int, stop: int | None) -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 64 * 1024
            yield b"x" * 64 * 1024

    answer = StreamAnswer(open=counted, size=None)
    async with (
        standing(get("/f", answer), get("/file", HELLO)) as stand,
        Raw(stand.port) as other,
        Raw(stand.port, receive_buffer=4096) as raw,
    ):
        raw.stop_reading()
        await raw.send(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
        before = -1
        while not taken or taken != before:
            before = taken
            for _ in range(20):
                assert (await other.ask("GET", "/file")).status == 200
        assert taken <= 1024 * 1024


@KINDS
async def test_slow_reader_that_goes_on_reading_is_not_cut_off(kind: str, tmp_path: Path) -> None:
    answer = await asyncio.to_thread(_big, kind, tmp_path)
    async with (
        standing(get("/f", answer), write_timeout_s=0.5) as stand,
        Raw(stand.port, receive_buffer=16384) as raw,
    ):
        await raw.send(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(30):
            assert await raw.reader.read(16384)
            await asyncio.sleep(0.04)
        assert not stand.metrics.cut_connections


async def test_pipelined_client_that_never_reads_is_held_up() -> None:
    asked = itertools.count()

    def count(inbound: Inbound) -> Outbound:
        next(asked)
        return BlobAnswer(blob=small_blob(b"x" * 60_000))

    async with standing(get("/f", count)) as stand, Raw(stand.port, receive_buffer=4096) as raw:
        raw.stop_reading()
        raw.writer.write(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n" * 5000)
        await asyncio.sleep(0.3)
        assert next(asked) < 1000
        (connection,) = stand.server.connections
        assert connection.wire is not None
        assert connection.wire.get_write_buffer_size() <= PIECE_BYTES + 1024


async def test_thousand_pipelined_requests_are_answered_in_order() -> None:
    def tell(inbound: Inbound) -> Outbound:
        return Bytes(body=inbound.params["n"].encode(), content_type="text/plain")

    async with standing(get("/f/{n}", tell)) as stand, Raw(stand.port) as raw:
        raw.writer.write(b"".join(b"GET /f/%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(1000)))
        assert [(await raw.read()).body for _ in range(1000)] == [b"%d" % n for n in range(1000)]


async def test_longest_idle_connections_go_first_near_the_limit() -> None:
    limits = Limits(header_s=10, write_s=10, connections=40)
    async with standing(get("/f", HELLO), limits=limits) as stand, AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(Raw(stand.port)) for _ in range(40)]
        for raw in opened:
            assert (await raw.ask("GET", "/f")).status == 200
        assert (await ask(stand.port, "GET", "/f")).status == 200
        await ends(opened[0])
        assert (await opened[-1].ask("GET", "/f")).status == 200
        assert stand.metrics.shed_connections == 32


async def test_server_without_descriptors_accepts_again_when_there_are_some() -> None:
    environment = dict(os.environ, PYTHONPATH=str(ROOT), ECHO_DESCRIPTORS="48")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.web.echo_server", cwd=ROOT, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        async with AsyncExitStack() as stack:
            for _ in range(80):
                raw = await stack.enter_async_context(Raw(port))
                await raw.send(b"GET /e HT")
        assert (await ask(port, "POST", "/e", "Content-Length: 2", body=b"ok")).body == b"ok"
    finally:
        process.terminate()
        await process.wait()


async def _gone(stand: Stand) -> None:
    async with asyncio.timeout(LIMIT_S):
        while stand.server.connections:
            await asyncio.sleep(0.05)
