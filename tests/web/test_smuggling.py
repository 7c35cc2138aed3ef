"""Ambiguous requests are refused, with and without aiohttp's C parser, by the same answer (E11)."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.raw_http import ask, exchange
from tests.web.smuggling import BROKEN_BODIES, CORPUS

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module", params=["compiled", "python"])
def parser(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def child(parser: str) -> AsyncIterator[int]:
    """Run the echo door in a process of its own, since the parser is chosen at import."""
    environment = dict(os.environ, AIOHTTP_NO_EXTENSIONS="1") if parser == "python" else dict(os.environ)
    environment["PYTHONPATH"] = str(ROOT)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.web.echo_server",
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


async def test_ambiguous_requests_are_refused_and_their_connections_closed(parser: str) -> None:
    async with child(parser) as port:
        for name, data in CORPUS.items():
            told = await exchange(port, data)
            assert told.startswith(b"HTTP/1.1 4"), f"{name}: {told[:80]!r}"
            assert told.count(b"HTTP/1.1 ") == 1, f"{name}: more than one answer"
            assert b"\r\nConnection: close\r\n" in told, name
            assert b"\r\nContent-Type: application/problem+json\r\n" in told, name
            assert b"\r\nServer:" not in told, name
        assert (await ask(port, "POST", "/e", "Content-Length: 2", body=b"ok")).body == b"ok"


async def test_broken_bodies_are_never_taken_as_whole(parser: str) -> None:
    async with child(parser) as port:
        for name, body in BROKEN_BODIES.items():
            head = b"POST /e HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            told = await exchange(port, head + body)
            assert not told.startswith(b"HTTP/1.1 2"), f"{name}: {told[:80]!r}"
            assert told.count(b"HTTP/1.1 ") <= 1, f"{name}: more than one answer"
        assert (await ask(port, "POST", "/e", "Content-Length: 2", body=b"ok")).body == b"ok"
