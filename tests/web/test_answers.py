"""The one way out, for artifacts: memory, file and stream answer every request alike (E13, pypi.md 15)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.web.outbound import BlobAnswer, Outbound, StreamAnswer
from proxy.web.ranges import Part, Unsatisfiable, select_range
from tests.support.raw_http import Raw, Reply, ask
from tests.web.stand import file_blob, get, small_blob, standing

DATA = bytes(range(256)) * 40
TAG = f'"{small_blob(DATA).digest}"'
CHANGED = "Mon, 02 Nov 2026 09:00:00 GMT"

Source = Callable[[Path], Outbound]


def from_memory(folder: Path) -> Outbound:
    return BlobAnswer(blob=small_blob(DATA), last_modified=CHANGED)


def from_file(folder: Path) -> Outbound:
    return BlobAnswer(blob=file_blob(folder, DATA), last_modified=CHANGED)


def from_stream(folder: Path) -> Outbound:
    async def read(start: int, stop: int | None) -> AsyncIterator[bytes]:
        for at in range(start, len(DATA) if stop is None else stop, 1000):
            await asyncio.sleep(0)
            yield DATA[at : min(at + 1000, len(DATA) if stop is None else stop)]

    return StreamAnswer(open=read, size=len(DATA), etag=TAG.strip('"'), last_modified=CHANGED)


SOURCES = pytest.mark.parametrize("source", [from_memory, from_file, from_stream])


@SOURCES
@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-0", "bytes=0-", "bytes=10-19", "bytes=5000-9000", "bytes=-1", "bytes=-10000", "bytes=-999999",
        "bytes=10239-", "bytes=10240-", "bytes=10239-99999", "bytes=-0", "bytes=5-2", "bytes=0-1,3-4", "chunks=1-2",
        "bytes=" + ",".join(f"{n}-{n + 100}" for n in range(1000)),
    ],
)  # fmt: skip
async def test_range_is_answered_as_the_oracle_says(source: Source, tmp_path: Path, header: str) -> None:
    async with standing(get("/f", source(tmp_path))) as stand:
        reply = await ask(stand.port, "GET", "/f", f"Range: {header}")
    match select_range(header, len(DATA)):
        case Part(start, stop):
            assert (reply.status, reply.body) == (206, DATA[start:stop])
            assert reply.header("content-range") == f"bytes {start}-{stop - 1}/{len(DATA)}"
            assert reply.header("etag") == TAG
        case Unsatisfiable():
            assert reply.status == 416
            assert reply.header("content-range") == f"bytes */{len(DATA)}"
        case _:
            assert (reply.status, reply.body) == (200, DATA)


@SOURCES
@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (TAG, 206),
        (CHANGED, 206),
        ('"another"', 200),
        (f"W/{TAG}", 200),
        ("Mon, 02 Nov 2026 08:00:00 GMT", 200),
    ],
)
async def test_resumed_download_never_mixes_two_files(
    source: Source, tmp_path: Path, condition: str, status: int
) -> None:
    async with standing(get("/f", source(tmp_path))) as stand:
        reply = await ask(stand.port, "GET", "/f", "Range: bytes=100-", f"If-Range: {condition}")
    assert (reply.status, reply.body) == (status, DATA[100:] if status == 206 else DATA)


@SOURCES
async def test_artifact_has_the_headers_that_clients_rely_on(source: Source, tmp_path: Path) -> None:
    async with standing(get("/f", source(tmp_path))) as stand:
        reply = await ask(stand.port, "GET", "/f", "Accept-Encoding: gzip, zstd")
    assert (reply.status, reply.reason, reply.version, reply.body) == (200, "OK", "HTTP/1.1", DATA)
    headers = reply.headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-length"] == str(len(DATA))
    assert headers["etag"] == TAG
    assert headers["accept-ranges"] == "bytes"
    assert headers["cache-control"] == "private, max-age=31536000, immutable"
    assert headers["last-modified"] == CHANGED
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["cache-status"].startswith("feedgate; ")
    assert headers["date"].endswith(" GMT")
    assert headers["x-request-id"]
    assert not {"content-encoding", "content-disposition", "server", "vary", "transfer-encoding"} & set(
        headers
    )


@SOURCES
@pytest.mark.parametrize("header", ["Accept: */*", "If-None-Match: W/" + TAG, "Range: bytes=0-9"])
async def test_head_has_the_headers_of_get(source: Source, tmp_path: Path, header: str) -> None:
    async with standing(get("/f", source(tmp_path))) as stand, Raw(stand.port) as raw:
        ranged = header.startswith("Range")
        got = await raw.ask("GET", "/f", *([] if ranged else [header]))
        head = await raw.ask("HEAD", "/f", header)
        again = await raw.ask("GET", "/f")
    assert head.status == got.status
    assert _lasting(head) == _lasting(got)
    assert again.body == DATA


@SOURCES
async def test_not_modified_repeats_what_a_cache_needs(source: Source, tmp_path: Path) -> None:
    async with standing(get("/f", source(tmp_path))) as stand, Raw(stand.port) as raw:
        reply = await raw.ask("GET", "/f", f"If-None-Match: {TAG}", "Range: bytes=0-1")
        assert (await raw.ask("GET", "/f")).status == 200
    assert (reply.status, reply.reason) == (304, "Not Modified")
    assert reply.header("etag") == TAG
    assert reply.header("cache-control") == "private, max-age=31536000, immutable"
    assert reply.header("content-type") is None


@SOURCES
async def test_failed_precondition_is_told(source: Source, tmp_path: Path) -> None:
    async with standing(get("/f", source(tmp_path))) as stand:
        reply = await ask(stand.port, "GET", "/f", 'If-Match: "other"')
    assert (reply.status, reply.header("content-type")) == (412, "application/problem+json")


async def test_large_file_arrives_whole_and_in_part(tmp_path: Path) -> None:
    data = bytes(range(251)) * 40_000
    async with (
        standing(get("/f", BlobAnswer(blob=await asyncio.to_thread(file_blob, tmp_path, data)))) as stand,
        Raw(stand.port) as raw,
    ):
        assert (await raw.ask("GET", "/f")).body == data
        assert (await raw.ask("GET", "/f", "Range: bytes=1000000-")).body == data[1_000_000:]
        assert (await raw.ask("GET", "/f")).body == data


async def test_empty_file_is_sent_empty(tmp_path: Path) -> None:
    async with (
        standing(get("/f", BlobAnswer(blob=file_blob(tmp_path, b"")))) as stand,
        Raw(stand.port) as raw,
    ):
        reply = await raw.ask("GET", "/f")
        assert (reply.status, reply.body, reply.header("content-length")) == (200, b"", "0")
        assert (await raw.ask("GET", "/f", "Range: bytes=0-")).status == 416


async def test_blob_that_vanished_is_busy_and_the_connection_goes_on(tmp_path: Path) -> None:
    blob = file_blob(tmp_path, DATA)
    await asyncio.to_thread(blob.path.unlink)
    async with standing(get("/f", BlobAnswer(blob=blob))) as stand, Raw(stand.port) as raw:
        reply = await raw.ask("GET", "/f")
        assert (reply.status, reply.header("retry-after")) == (503, "5")
        assert (await raw.ask("GET", "/f")).status == 503


async def test_sibling_file_is_never_served_in_place_of_a_blob(tmp_path: Path) -> None:
    blob = file_blob(tmp_path, DATA)
    for suffix in (".gz", ".br", ".zst"):
        await asyncio.to_thread(Path(f"{blob.path}{suffix}").write_bytes, b"planted")
    async with standing(get("/f", BlobAnswer(blob=blob))) as stand:
        reply = await ask(stand.port, "GET", "/f", "Accept-Encoding: gzip, br, zstd")
    assert reply.body == DATA


async def test_http_1_0_client_is_answered_and_left() -> None:
    async with standing(get("/f", BlobAnswer(blob=small_blob(DATA)))) as stand, Raw(stand.port) as raw:
        await raw.send(b"GET /f HTTP/1.0\r\n\r\n")
        reply = await raw.read()
        assert (reply.status, reply.body, reply.header("connection")) == (200, DATA, "close")
        assert await raw.read_to_end() == b""


async def test_http_1_0_client_may_keep_its_connection() -> None:
    async with standing(get("/f", BlobAnswer(blob=small_blob(DATA)))) as stand, Raw(stand.port) as raw:
        for _ in range(2):
            await raw.send(b"GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            reply = await raw.read()
            assert (reply.body, reply.header("connection")) == (DATA, "keep-alive")


async def test_connection_close_is_obeyed_and_told() -> None:
    async with standing(get("/f", BlobAnswer(blob=small_blob(DATA)))) as stand, Raw(stand.port) as raw:
        reply = await raw.ask("GET", "/f", "Connection: close")
        assert reply.header("connection") == "close"
        assert await raw.read_to_end() == b""


def _lasting(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.fields if name not in {"date", "x-request-id"}}


async def test_offer_to_switch_protocols_is_declined() -> None:
    async with standing(get("/f", BlobAnswer(blob=small_blob(DATA)))) as stand, Raw(stand.port) as raw:
        for upgrade in ("websocket", "h2c", "tcp"):
            reply = await raw.ask("GET", "/f", f"Upgrade: {upgrade}", "Connection: upgrade")
            assert (reply.status, reply.body) == (200, DATA)


@pytest.mark.parametrize("target", ["x:443", "/f"])
async def test_nobody_tunnels_through_this_server(target: str) -> None:
    async with standing(get("/f", BlobAnswer(blob=small_blob(DATA)))) as stand:
        assert (await ask(stand.port, "CONNECT", target)).status in {400, 405}
