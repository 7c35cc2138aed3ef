"""Index forms: negotiated codings, a strong tag for each, 304 without the bytes (pypi.md 4 and 16.1; D15)."""

import gzip
import hashlib
from pathlib import Path
from typing import Any

import pytest
import zstandard

from proxy.model.digest import Sha256
from proxy.web.encoding import Coding
from proxy.web.outbound import Cache, Document
from proxy.web.variants import Variants
from tests.support.raw_http import Raw, ask
from tests.web.stand import get, standing

PAGE = b'{"files": [' + b'{"filename": "x-1.0.tar.gz"}, ' * 500 + b"{}]}"
DIGEST = Sha256(hashlib.sha256(PAGE).hexdigest())


def page(body: bytes | Path = PAGE, size: int = len(PAGE), **changes: Any) -> Document:
    return Document(
        digest=DIGEST, body=body, size=size, content_type="application/json", vary="Accept", **changes
    )


CODINGS = pytest.mark.parametrize(
    ("accepted", "coding"), [("gzip", "gzip"), ("gzip, zstd", "zstd"), ("identity", None), ("gzip;q=0", None)]
)


@CODINGS
@pytest.mark.parametrize("is_file", [False, True])
async def test_document_is_coded_as_the_client_likes(
    accepted: str, coding: str | None, is_file: bool, tmp_path: Path
) -> None:
    (tmp_path / "page").write_bytes(PAGE)
    document = page(tmp_path / "page") if is_file else page()
    async with standing(get("/p", document)) as stand, Raw(stand.port) as raw:
        for _ in range(2):
            reply = await raw.ask("GET", "/p", f"Accept-Encoding: {accepted}")
            assert reply.header("content-encoding") == coding
            assert _decoded(reply.body, coding) == PAGE
            assert reply.header("vary") == "Accept, Accept-Encoding"
            assert reply.header("etag") == f'"{DIGEST}-{coding}"' if coding else f'"{DIGEST}"'
            assert reply.header("content-type") == "application/json"
            assert reply.header("cache-control") == "private, max-age=0, must-revalidate"


@CODINGS
async def test_tag_of_the_same_coding_is_not_modified(accepted: str, coding: str | None) -> None:
    tag = f'"{DIGEST}-{coding}"' if coding else f'"{DIGEST}"'
    async with standing(get("/p", page())) as stand:
        header = f"Accept-Encoding: {accepted}"
        reply = await ask(stand.port, "GET", "/p", header, f"If-None-Match: {tag}")
        other = await ask(stand.port, "GET", "/p", header, 'If-None-Match: "another"')
    assert (reply.status, reply.header("etag"), reply.header("vary")) == (304, tag, "Accept, Accept-Encoding")
    assert other.status == 200


async def test_tag_of_one_coding_does_not_hold_for_another() -> None:
    async with standing(get("/p", page())) as stand:
        reply = await ask(stand.port, "GET", "/p", "Accept-Encoding: gzip", f'If-None-Match: "{DIGEST}-zstd"')
    assert reply.status == 200


async def test_head_tells_the_length_of_the_coding() -> None:
    async with standing(get("/p", page())) as stand, Raw(stand.port) as raw:
        head = await raw.ask("HEAD", "/p", "Accept-Encoding: gzip")
        got = await raw.ask("GET", "/p", "Accept-Encoding: gzip")
    assert head.header("content-length") == got.header("content-length") == str(len(got.body))


async def test_range_counts_in_the_bytes_of_the_coding() -> None:
    async with standing(get("/p", page())) as stand, Raw(stand.port) as raw:
        whole = await raw.ask("GET", "/p", "Accept-Encoding: gzip")
        part = await raw.ask("GET", "/p", "Accept-Encoding: gzip", "Range: bytes=10-")
    assert (part.status, part.body) == (206, whole.body[10:])


async def test_small_document_is_not_worth_coding() -> None:
    async with standing(get("/p", page(b"{}", size=2))) as stand:
        reply = await ask(stand.port, "GET", "/p", "Accept-Encoding: gzip")
    assert (reply.body, reply.header("content-encoding")) == (b"{}", None)


async def test_stale_document_says_so_with_its_age() -> None:
    async with standing(get("/p", page(cache=Cache.STALE, age_s=90))) as stand:
        reply = await ask(stand.port, "GET", "/p")
        lines = await stand.lines()
    assert (reply.header("cache-status"), reply.header("age")) == ("feedgate; hit; fwd=stale", "90")
    assert lines[0]["cache"] == "stale"


async def test_large_document_is_sent_piece_by_piece_and_whole() -> None:
    big = PAGE * 60
    document = page(big, size=len(big))
    async with standing(get("/p", document)) as stand, Raw(stand.port) as raw:
        assert (await raw.ask("GET", "/p")).body == big
        assert (await raw.ask("GET", "/p")).body == big


async def test_variant_is_made_once_and_forgotten_past_the_bound() -> None:
    variants = Variants(max_bytes=3000)
    made = [
        await variants.make(Sha256(f"{n:064x}"), Coding.GZIP, b"x" * 100_000 + bytes([n])) for n in range(40)
    ]
    assert 0 < variants.held_bytes <= 3000
    assert variants.peek(Sha256(f"{0:064x}"), Coding.GZIP) is None
    assert variants.peek(Sha256(f"{39:064x}"), Coding.GZIP) is made[39]


def _decoded(body: bytes, coding: str | None) -> bytes:
    match coding:
        case "gzip":
            return gzip.decompress(body)
        case "zstd":
            return zstandard.ZstdDecompressor().decompress(body)
        case _:
            return body
