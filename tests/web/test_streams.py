"""Answers that are still arriving: complete or visibly not, never a part for the whole (law 4; C03, C05)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.model.problem import Problem
from proxy.web.outbound import Open, StreamAnswer
from tests.support.raw_http import Raw, ask
from tests.web.stand import get, standing


def opening(*chunks: bytes, error: Exception | None = None) -> Open:
    async def read(start: int, stop: int | None) -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk
        if error is not None:
            raise error

    return read


async def test_problem_before_the_first_byte_is_answered_as_one() -> None:
    wrong = Problem("digest-mismatch", "the origin sent other bytes")
    answer = StreamAnswer(open=opening(error=wrong), size=100)
    async with standing(get("/f", answer)) as stand, Raw(stand.port) as raw:
        reply = await raw.ask("GET", "/f")
        assert (reply.status, reply.reason) == (502, "The origin sent wrong bytes")
        assert (await raw.ask("GET", "/f")).status == 502


@pytest.mark.parametrize(
    "error",
    [Problem("digest-mismatch", "the origin sent other bytes"), OSError("disk"), TimeoutError(), EOFError()],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("size", [100, None])
async def test_failure_midway_never_looks_complete(error: Exception, size: int | None) -> None:
    answer = StreamAnswer(open=opening(b"x" * 60, error=error), size=size)
    async with standing(get("/f", answer)) as stand:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await ask(stand.port, "GET", "/f")
        (line,) = await stand.lines()
    assert (line["status"], line["end"]) == (200, "aborted")


@pytest.mark.parametrize("sent", [99, 101])
async def test_stream_of_another_length_than_announced_is_aborted(sent: int) -> None:
    answer = StreamAnswer(open=opening(b"x" * 50, b"x" * (sent - 50)), size=100)
    async with standing(get("/f", answer)) as stand:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await ask(stand.port, "GET", "/f")


async def test_stream_of_unknown_length_comes_in_chunks() -> None:
    answer = StreamAnswer(open=opening(b"abc", b"", b"d" * 100_000), size=None)
    async with standing(get("/f", answer)) as stand, Raw(stand.port) as raw:
        for _ in range(2):
            reply = await raw.ask("GET", "/f", "Range: bytes=0-1")
            assert (reply.status, reply.body) == (200, b"abc" + b"d" * 100_000)
            assert reply.header("transfer-encoding") == "chunked"


async def test_stream_of_unknown_length_ends_with_the_connection_of_http_1_0() -> None:
    answer = StreamAnswer(open=opening(b"abc", b"def"), size=None)
    async with standing(get("/f", answer)) as stand, Raw(stand.port) as raw:
        await raw.send(b"GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (await raw.read_to_end()).partition(b"\r\n\r\n")[2] == b"abcdef"


async def test_head_opens_no_stream() -> None:
    opened: list[int] = []

    async def read(start: int, stop: int | None) -> AsyncIterator[bytes]:
        opened.append(start)
        yield b""

    async with standing(get("/f", StreamAnswer(open=read, size=100))) as stand:
        reply = await ask(stand.port, "HEAD", "/f")
    assert (reply.status, reply.header("content-length"), opened) == (200, "100", [])


async def test_range_opens_just_that_part() -> None:
    opened: list[tuple[int, int | None]] = []

    async def read(start: int, stop: int | None) -> AsyncIterator[bytes]:
        opened.append((start, stop))
        yield b"y" * ((stop or 100) - start)

    async with standing(get("/f", StreamAnswer(open=read, size=100))) as stand:
        await ask(stand.port, "GET", "/f", "Range: bytes=-10")
        await ask(stand.port, "GET", "/f")
    assert opened == [(90, 100), (0, None)]


async def test_stream_is_closed_when_its_client_leaves() -> None:
    started, closed = asyncio.Event(), asyncio.Event()

    async def read(start: int, stop: int | None) -> AsyncIterator[bytes]:
        try:
            yield b"x"
            started.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with standing(get("/f", StreamAnswer(open=read, size=100))) as stand:
        async with Raw(stand.port) as raw:
            await raw.send(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
            await started.wait()
        async with asyncio.timeout(5):
            await closed.wait()
        await asyncio.sleep(0)
        (line,) = await stand.lines()
    assert line["end"] == "left"
