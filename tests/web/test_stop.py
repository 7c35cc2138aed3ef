"""Stopping: answers finish, idle clients are let go, what does not end in time is ended (B-cases, contract 1)."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.web.inbound import Inbound
from proxy.web.outbound import BlobAnswer, Bytes, Outbound, StreamAnswer
from proxy.web.routes import Route
from tests.support.raw_http import Raw
from tests.web.stand import file_blob, get, standing

HELLO = Bytes(body=b"hello", content_type="text/plain")


async def test_running_answer_is_finished_and_its_connection_closed() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(inbound: Inbound) -> Outbound:
        asked.set()
        await go_on.wait()
        return HELLO

    async with standing(Route(("GET",), "/f", wait)) as stand, Raw(stand.port) as raw:
        await raw.send(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        stopping = asyncio.create_task(stand.server.stop())
        await asyncio.sleep(0.05)
        go_on.set()
        reply = await raw.read()
        assert (reply.body, reply.header("connection")) == (b"hello", "close")
        assert await raw.read_to_end() == b""
        await stopping


async def test_idle_connections_do_not_delay_the_stop() -> None:
    async with standing(get("/f", HELLO), stop_timeout_s=20) as stand, Raw(stand.port) as raw:
        assert (await raw.ask("GET", "/f")).status == 200
        async with asyncio.timeout(5):
            await stand.server.stop()
        assert await raw.read_to_end() == b""


async def test_stopped_server_takes_no_connection() -> None:
    async with standing(get("/f", HELLO)) as stand:
        await stand.server.stop()
        with pytest.raises(ConnectionRefusedError):
            async with Raw(stand.port):
                pass


async def test_stream_is_finished_within_the_time() -> None:
    async def read(start: int, stop: int | None) -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0.03)
            yield b"x" * 10

    async with standing(get("/f", StreamAnswer(open=read, size=50))) as stand, Raw(stand.port) as raw:
        await raw.send(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
        await raw.reader.readuntil(b"xxxxxxxxxx")
        stopping = asyncio.create_task(stand.server.stop())
        assert await raw.read_to_end() == b"x" * 40
        await stopping


@pytest.mark.parametrize("kind", ["handler", "stream", "file"])
async def test_what_does_not_end_in_time_is_aborted(kind: str, tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def forever(inbound: Inbound) -> Outbound:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return HELLO

    async def read(start: int, stop: int | None) -> AsyncIterator[bytes]:
        try:
            yield b"x" * 10
            await asyncio.Event().wait()
        finally:
            ended.set()

    big = await asyncio.to_thread(file_blob, tmp_path, b"x" * 16 * 1024**2)
    routes = {
        "handler": Route(("GET",), "/f", forever),
        "stream": get("/f", StreamAnswer(open=read, size=50)),
        "file": get("/f", BlobAnswer(blob=big)),
    }
    async with (
        standing(routes[kind], stop_timeout_s=0.2) as stand,
        Raw(stand.port, receive_buffer=4096) as raw,
    ):
        raw.stop_reading()
        await raw.send(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await stand.server.stop()
        assert not stand.server.connections
        assert kind == "file" or ended.is_set()


async def test_address_in_use_is_an_oserror() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            async with standing(port=taken.getsockname()[1]):
                pass


async def test_request_whose_work_was_cancelled_is_told_to_ask_again() -> None:
    """As at a reload: what the handler waits for ends, the handler itself was not cancelled."""
    asked = asyncio.Event()
    work = asyncio.create_task(asyncio.Event().wait())

    async def wait(inbound: Inbound) -> Outbound:
        asked.set()
        await work
        return HELLO

    async with standing(Route(("GET",), "/f", wait), get("/g", HELLO)) as stand, Raw(stand.port) as raw:
        await raw.send(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        work.cancel()
        reply = await raw.read()
        assert (reply.status, reply.header("retry-after")) == (503, "2")
        assert (await raw.ask("GET", "/g")).body == b"hello"
        lines = await stand.lines()
    assert [line["status"] for line in lines] == [503, 200]


async def test_request_that_the_stop_cancels_is_cut_off() -> None:
    asked = asyncio.Event()

    async def wait(inbound: Inbound) -> Outbound:
        asked.set()
        await asyncio.Event().wait()
        return HELLO

    async with standing(Route(("GET",), "/f", wait), stop_timeout_s=0.1) as stand, Raw(stand.port) as raw:
        await raw.send(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        await stand.server.stop()
        assert await raw.read_to_end() == b""
