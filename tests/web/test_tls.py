"""The door behind TLS: the same answers, without sendfile."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from proxy.web.outbound import BlobAnswer, Bytes
from tests.support.raw_http import LIMIT_S, Raw
from tests.web.stand import file_blob, get, small_blob, standing

DATA = bytes(range(251)) * 8000


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> Iterator[dict[str, Any]]:
    issued = authority.issue_cert("localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    yield {"tls_cert": cert, "tls_key": key}


@pytest.fixture
def client(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_files_and_small_blobs_arrive_whole_and_in_part(
    certificate: dict[str, Any], client: ssl.SSLContext, tmp_path: Path
) -> None:
    file = await asyncio.to_thread(file_blob, tmp_path, DATA)
    routes = (get("/file", BlobAnswer(blob=file)), get("/small", BlobAnswer(blob=small_blob(b"12345"))))
    async with standing(*routes, **certificate) as stand, Raw(stand.port, client) as raw:
        assert stand.server.url == f"https://127.0.0.1:{stand.port}"
        for _ in range(2):
            assert (await raw.ask("GET", "/file")).body == DATA
            assert (await raw.ask("GET", "/small")).body == b"12345"
        assert (await raw.ask("GET", "/file", "Range: bytes=-100000")).body == DATA[-100000:]


async def test_client_that_never_reads_is_cut_off_behind_tls(
    certificate: dict[str, Any], client: ssl.SSLContext, tmp_path: Path
) -> None:
    file = await asyncio.to_thread(file_blob, tmp_path, DATA * 8)
    routes = (get("/file", BlobAnswer(blob=file)),)
    async with (
        standing(*routes, write_timeout_s=0.3, **certificate) as stand,
        Raw(stand.port, client, receive_buffer=4096) as raw,
    ):
        raw.stop_reading()
        await raw.send(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(LIMIT_S):
            while not stand.metrics.cut_connections["client"]:
                await asyncio.sleep(0.05)


async def test_plain_client_on_the_tls_port_hurts_nobody(
    certificate: dict[str, Any], client: ssl.SSLContext
) -> None:
    async with standing(get("/f", Bytes(body=b"hello", content_type="text/plain")), **certificate) as stand:
        async with Raw(stand.port) as plain:
            await plain.send(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not (await plain.read_to_end()).startswith(b"HTTP/1.1 2")
        async with Raw(stand.port, client) as raw:
            assert (await raw.ask("GET", "/f")).status == 200


async def test_unusable_certificate_is_told_at_the_start(certificate: dict[str, Any]) -> None:
    certificate["tls_key"].write_text("nonsense")
    with pytest.raises(ssl.SSLError):
        async with standing(**certificate):
            pass
