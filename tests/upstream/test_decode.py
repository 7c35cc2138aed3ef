"""A15: content codings and bombs. The output is capped by size, by ratio and by window, and must have an end."""

import contextlib
import gzip
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.decode import RATIO_FLOOR_BYTES, decode
from proxy.upstream.errors import BadAnswer
from tests.support.faults import Fault
from tests.support.origin import Origin
from tests.upstream.conftest import Dial

MIB = 1024**2
TEXT = b"<a href='x'>numpy</a>\n" * 5000


def zstd(data: bytes, level: int = 3) -> bytes:
    return zstandard.ZstdCompressor(level).compress(data)


def unsized(data: bytes) -> bytes:
    """Compress without stating the size in the frame."""
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(data) + stream.flush()


def bare_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("coding", "raw"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("X-GZIP", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", bare_deflate(TEXT)),
        ("zstd", zstd(TEXT)),
        ("zstd", unsized(TEXT)),
        ("zstd", zstd(TEXT[:100]) + unsized(TEXT[100:])),
        ("zstd", zstd(TEXT[:100]) + zstd(b"") + zstd(TEXT[100:])),
    ],
)
def test_every_member_and_frame_is_decoded(coding: str, raw: bytes) -> None:
    assert decode(raw, coding, max_bytes=MIB) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize("damage", ["cut", "empty", "tail", "noise"])
def test_damage_is_never_taken_for_a_document(coding: str, damage: str) -> None:
    whole = {"gzip": gzip.compress(TEXT), "deflate": zlib.compress(TEXT), "zstd": zstd(TEXT)}[coding]
    raw = {"cut": whole[:-3], "empty": b"", "tail": whole + b"<html>", "noise": b"<html>login</html>"}[damage]
    with pytest.raises(BadAnswer):
        decode(raw, coding, max_bytes=MIB)


@pytest.mark.parametrize("coding", ["br", "compress", "gzip, br", "zstd;q=1", "\x00"])
def test_coding_that_was_not_asked_for_is_refused(coding: str) -> None:
    with pytest.raises(BadAnswer, match="not asked for"):
        decode(TEXT, coding, max_bytes=MIB)


def bombs() -> list[tuple[str, bytes]]:
    zeros = bytes(64 * MIB)
    return [
        ("gzip", gzip.compress(zeros)),
        ("zstd", zstd(zeros, level=19)),
        ("deflate", zlib.compress(zeros)),
    ]


@pytest.mark.parametrize(("coding", "raw"), bombs(), ids=["gzip", "zstd", "deflate"])
def test_bomb_is_refused_by_size_and_by_ratio(coding: str, raw: bytes) -> None:
    for limit in (MIB, 1024 * MIB):
        with pytest.raises(BadAnswer, match="grows beyond"):
            decode(raw, coding, max_bytes=limit)


def test_small_document_may_be_compressed_as_well_as_it_likes() -> None:
    data = bytes(RATIO_FLOOR_BYTES)
    assert decode(zstd(data), "zstd", max_bytes=1024 * MIB) == data


def test_frame_that_wants_a_huge_window_is_refused() -> None:
    options = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=options).compressobj()
    with pytest.raises(BadAnswer):
        decode(stream.compress(TEXT) + stream.flush(), "zstd", max_bytes=MIB)


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "zstd"]))
def test_any_bytes_are_decoded_or_refused(raw: bytes, coding: str) -> None:
    with contextlib.suppress(BadAnswer):
        assert len(decode(raw, coding, max_bytes=MIB)) <= MIB


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=5))
def test_frames_round_trip(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    assert decode(b"".join(map(gzip.compress, parts)), "gzip", max_bytes=MIB) == whole
    assert decode(b"".join(map(zstd, parts)), "zstd", max_bytes=MIB) == whole


async def test_bomb_of_an_origin_is_refused(dial: Dial) -> None:
    async with Origin() as origin:
        for coding, raw in bombs():
            origin.add(f"/{coding}", b"", faults=Fault(encoding=coding, encoded=raw))
            with pytest.raises(BadAnswer, match="grows beyond"):
                await dial(origin.url).document(coding, accept="*/*")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(extra_headers=20_000),
        Fault(headers=[("X-Long", "x" * 100_000)]),
        Fault(headers=[("X" * 100_000, "x")]),
        Fault(raw=b"HTTP/1.1 200 " + b"x" * 200_000 + b"\r\n\r\n"),
    ],
    ids=["20k fields", "long value", "long name", "long reason"],
)
async def test_header_bomb_is_refused(dial: Dial, fault: Fault) -> None:
    async with Origin() as origin:
        origin.add("/f", b"x", faults=fault)
        remote = dial(origin.url)
        with pytest.raises(BadAnswer):
            await remote.document("f", accept="*/*")
        with pytest.raises(BadAnswer):
            await remote.open("f")
