"""The fake origin does what its switches say; other tests rest on it."""

import asyncio
import gzip
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
import trustme

from tests.support.answers import Pattern, Resource
from tests.support.faults import SILENT, Fault, failing
from tests.support.origin import Origin

BODY = bytes(range(256)) * 40


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        auto_decompress=False, timeout=aiohttp.ClientTimeout(total=20)
    ) as session:
        yield session


async def raw(origin: Origin, path: str = "/a", *fields: str) -> bytes:
    """Return everything the origin sends to one request until it closes or falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", origin.port)
    head = "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "Host: x", *fields))
    writer.write(f"{head}\r\n".encode())
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_get_and_head_agree_and_requests_are_kept(
    origin: Origin, client: aiohttp.ClientSession
) -> None:
    url = origin.add("/a", BODY, content_type="text/x", etag='"1"')
    async with client.get(url, headers={"X-Mine": "Yes"}) as answer:
        assert await answer.read() == BODY
        got = dict(answer.headers)
    async with client.head(url) as answer:
        assert await answer.read() == b""
        assert {k: v for k, v in answer.headers.items() if k != "Date"} == {
            k: v for k, v in got.items() if k != "Date"
        }
    assert (origin.hits("/a"), origin.hits("/a", method="HEAD"), origin.hits("/b")) == (2, 1, 0)
    assert origin.requests[0].headers["x-mine"] == "Yes"
    assert origin.connections == 1


@pytest.mark.parametrize(
    ("asked", "status", "told", "expected"),
    [
        ("bytes=0-9", 206, "bytes 0-9/10240", BODY[:10]),
        ("bytes=10230-", 206, "bytes 10230-10239/10240", BODY[-10:]),
        ("bytes=-10", 206, "bytes 10230-10239/10240", BODY[-10:]),
        ("bytes=5-99999", 206, "bytes 5-10239/10240", BODY[5:]),
        ("bytes=10240-", 416, "bytes */10240", b""),
        ("bytes=-0", 416, "bytes */10240", b""),
        ("bytes=0-1,4-5", 200, None, BODY),
    ],
)
async def test_ranges(
    origin: Origin, client: aiohttp.ClientSession, asked: str, status: int, told: str | None, expected: bytes
) -> None:
    url = origin.add("/a", BODY)
    async with client.get(url, headers={"Range": asked}) as answer:
        assert (answer.status, answer.headers.get("Content-Range")) == (status, told)
        assert await answer.read() == expected


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": '"1"'}, 304),
        ({"If-None-Match": '"0", W/"1"'}, 304),
        ({"If-None-Match": '"0"'}, 200),
        ({"If-Modified-Since": "Mon, 02 Nov 2026 09:00:00 GMT"}, 304),
        ({"If-Modified-Since": "Mon, 02 Nov 2020 09:00:00 GMT"}, 200),
        ({"If-None-Match": '"0"', "If-Modified-Since": "Mon, 02 Nov 2026 09:00:00 GMT"}, 200),
        ({"Range": "bytes=0-0", "If-Range": '"1"'}, 206),
        ({"Range": "bytes=0-0", "If-Range": '"0"'}, 200),
    ],
)
async def test_conditions(
    origin: Origin, client: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    url = origin.add("/a", BODY, etag='"1"', last_modified="Mon, 02 Nov 2026 09:00:00 GMT")
    async with client.get(url, headers=headers) as answer:
        assert answer.status == status


async def test_script_is_used_up_and_retry_after_told(origin: Origin, client: aiohttp.ClientSession) -> None:
    url = origin.add("/a", BODY, faults=failing(503, 1, retry_after="7"))
    origin.script("*", Fault(status=500))
    statuses = []
    for _ in range(3):
        async with client.get(url) as answer:
            statuses.append((answer.status, answer.headers.get("Retry-After")))
    assert statuses == [(503, "7"), (500, None), (200, None)]


async def test_reset_and_truncation_break_the_body(origin: Origin, client: aiohttp.ClientSession) -> None:
    for fault in (Fault(reset_at=100), Fault(truncate_at=100), Fault(refuse=True)):
        url = origin.add("/a", BODY, faults=fault)
        with pytest.raises(aiohttp.ClientError):
            async with client.get(url) as answer:
                await answer.read()


async def test_close_delimited_body_has_no_length(origin: Origin) -> None:
    origin.add("/a", BODY, faults=Fault(close_delimited=True, truncate_at=100))
    head, _, body = (await raw(origin)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200") and b"content-length" not in head.lower()
    assert body == BODY[:100]


async def test_framing_lies_are_sent_as_told(origin: Origin) -> None:
    origin.add("/a", b"abc", faults=Fault(length="-3", second_length="7", close=True))
    head = (await raw(origin)).partition(b"\r\n\r\n")[0]
    assert b"Content-Length: -3" in head and b"Content-Length: 7" in head
    origin.add("/a", b"abc", faults=Fault(length_and_chunked=True, close=True))
    head, _, body = (await raw(origin)).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head and b"Content-Length: 3" in head
    assert body == b"3\r\nabc\r\n0\r\n\r\n"


async def test_stray_bytes_follow_at_once_or_later(origin: Origin) -> None:
    origin.add("/a", b"abc", faults=Fault(trailing=b"STRAY", close=True))
    assert (await raw(origin)).endswith(b"abcSTRAY")
    origin.add("/a", b"abc", faults=Fault(trailing=b"STRAY", trailing_after_s=0.05, close=True))
    assert (await raw(origin)).endswith(b"abcSTRAY")


async def test_silence_lasts_until_the_client_leaves(origin: Origin) -> None:
    origin.add("/a", BODY, faults=SILENT)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(raw(origin), 0.1)
    assert origin.hits("/a") == 1


async def test_flipped_bit_keeps_the_length(origin: Origin, client: aiohttp.ClientSession) -> None:
    async with client.get(origin.add("/a", BODY, faults=Fault(flip_at=-1))) as answer:
        got = await answer.read()
    assert len(got) == len(BODY) and got[:-1] == BODY[:-1] and got[-1] == BODY[-1] ^ 1


async def test_encoding_is_applied_and_named(origin: Origin, client: aiohttp.ClientSession) -> None:
    async with client.get(origin.add("/a", BODY, faults=Fault(encoding="gzip"))) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await answer.read()) == BODY


async def test_alternate_bodies_take_turns(origin: Origin, client: aiohttp.ClientSession) -> None:
    url = origin.alternate("/a", Resource(b"new"), Resource(b"old"))
    got = []
    for _ in range(3):
        async with client.get(url) as answer:
            got.append(await answer.read())
    assert got == [b"new", b"old", b"new"]


async def test_off_refuses_and_on_comes_back_at_the_same_port(
    origin: Origin, client: aiohttp.ClientSession
) -> None:
    url = origin.add("/a", BODY)
    async with client.get(url) as answer:
        await answer.read()
    await origin.off()
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.get(url)
    await origin.on()
    async with client.get(url) as answer:
        assert await answer.read() == BODY


async def until(condition: Callable[[], bool]) -> None:
    """Return once it holds; what it waits for comes through the kernel, not through the loop."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_peak_counts_what_was_in_flight_at_once(origin: Origin, client: aiohttp.ClientSession) -> None:
    url = origin.add("/a", BODY, faults=SILENT)
    asking = [asyncio.create_task(client.get(url)) for _ in range(5)]
    await until(lambda: origin.active("/a") == 5)
    for task in asking:
        task.cancel()
    await until(lambda: origin.active() == 0)
    assert origin.peak("/a") == origin.peak() == 5


async def test_endless_chunks_end_with_the_client(origin: Origin, client: aiohttp.ClientSession) -> None:
    async with client.get(origin.add("/a", b"", faults=Fault(endless=True))) as answer:
        assert len(await answer.content.readexactly(1 << 18)) == 1 << 18
    await until(lambda: origin.aborted("/a") > 0)
    assert origin.aborted("/a") == 1


async def test_large_pattern_is_the_same_in_whole_and_in_parts() -> None:
    body = Pattern(3_000_000)
    assert hashlib.sha256(body[:]).hexdigest() == body.sha256()
    assert body[1_048_000:1_049_000] == body[:][1_048_000:1_049_000]
    assert len(body[:]) == len(body)


async def test_tls_is_spoken_with_the_given_context() -> None:
    ca = trustme.CA()
    server, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    ca.issue_cert("127.0.0.1").configure_cert(server)
    ca.configure_trust(trusted)
    async with Origin(tls=server) as origin, aiohttp.ClientSession() as client:
        answer = await client.get(origin.add("/a", BODY), ssl=trusted)
        assert await answer.read() == BODY


async def test_request_is_in_flight_until_its_answer_is_whole(
    origin: Origin, client: aiohttp.ClientSession
) -> None:
    """Who drops the connection for what came behind the answer, and asks again, has one request in flight."""
    origin.add("/f", b"x", faults=Fault(trailing=b"HTTP/1.1 200 OK", trailing_after_s=0.2))
    for _ in range(3):
        async with client.get(f"{origin.url}/f", headers={"Connection": "keep-alive"}) as answer:
            assert await answer.read() == b"x"
            answer.close()
    assert (origin.hits("/f"), origin.peak("/f"), origin.active("/f")) == (3, 1, 0)
