import bz2
import io
import os

import pytest
import zstandard

from proxy.conda.reading import BadStream, Packing, read

TEXT = b'{"packages":{}}' + b" " * 5000
ZST = zstandard.ZstdCompressor().compress(TEXT)
BZ2 = bz2.compress(TEXT)
LIMIT = 1024**2


def unpack(data: bytes, packing: Packing, limit: int = LIMIT) -> bytes:
    return bytes(read(io.BytesIO(data), packing, max_output=limit))


@pytest.mark.parametrize(("data", "packing"), [(ZST, Packing.ZST), (BZ2, Packing.BZ2), (TEXT, Packing.PLAIN)])
def test_what_was_packed_comes_out(data: bytes, packing: Packing) -> None:
    assert unpack(data, packing) == TEXT


@pytest.mark.parametrize(("data", "packing"), [(ZST, Packing.ZST), (BZ2, Packing.BZ2)])
def test_all_frames_are_read(data: bytes, packing: Packing) -> None:
    assert unpack(data * 3, packing) == TEXT * 3


@pytest.mark.parametrize(("data", "packing"), [(ZST, Packing.ZST), (BZ2, Packing.BZ2)])
def test_a_stream_that_ends_early_is_refused(data: bytes, packing: Packing) -> None:
    for cut in (1, 5, len(data) // 2):
        with pytest.raises(BadStream):
            unpack(data[:-cut], packing)
        with pytest.raises(BadStream):
            unpack(data + data[:-cut], packing)


@pytest.mark.parametrize("packing", [Packing.ZST, Packing.BZ2])
@pytest.mark.parametrize("data", [b"", b"<html>sign in</html>", TEXT, b"\x00" * 100])
def test_other_bytes_are_refused(data: bytes, packing: Packing) -> None:
    with pytest.raises(BadStream):
        unpack(data, packing)


def test_bytes_after_the_last_frame_are_refused() -> None:
    with pytest.raises(BadStream):
        unpack(ZST + b"garbage", Packing.ZST)
    with pytest.raises(BadStream):
        unpack(BZ2 + b"garbage", Packing.BZ2)


def test_a_bomb_is_refused_before_it_has_grown() -> None:
    zeros = bytes(64 * 1024**2)
    for data, packing in (
        (zstandard.ZstdCompressor(level=1).compress(zeros), Packing.ZST),
        (bz2.compress(zeros[: 16 * 1024**2]), Packing.BZ2),
    ):
        with pytest.raises(BadStream, match="more than 1048576 bytes"):
            unpack(data, packing)
    with pytest.raises(BadStream, match="more than 1048576 bytes"):
        unpack(zeros[: 2 * LIMIT], Packing.PLAIN)


def test_the_limit_counts_all_frames() -> None:
    with pytest.raises(BadStream, match="more than"):
        unpack(ZST * 3, Packing.ZST, len(TEXT) * 2)


def test_a_window_that_needs_too_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, compression_level=1)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(BadStream):
        unpack(packer.compress(os.urandom(1000)) + packer.flush(), Packing.ZST)


def test_a_frame_that_does_not_state_its_size_is_read() -> None:
    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    assert unpack(packer.compress(TEXT) + packer.flush(), Packing.ZST) == TEXT


def test_a_flipped_bit_is_found_where_the_frame_has_a_checksum() -> None:
    data = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(os.urandom(2000)))
    data[1000] ^= 1
    with pytest.raises(BadStream):
        unpack(bytes(data), Packing.ZST)
