import asyncio
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.pypi.wheel_metadata import NoMetadata, metadata_from_file, metadata_from_ranges

WHEEL = "foo-1.0-py3-none-any.whl"
METADATA = b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n\nText with \xc3\xa9.\n" * 3
MEMBER = "foo-1.0.dist-info/METADATA"


def wheel(
    members: dict[str, bytes] | None = None,
    *,
    method: int = zipfile.ZIP_DEFLATED,
    comment: bytes = b"",
    padding: int = 0,
    last: bool = True,
) -> bytes:
    """Return a wheel; `padding` bytes of incompressible code stand in front of the metadata, or behind it."""
    file = io.BytesIO()
    code = {
        "foo/data.bin": bytes(zlib.crc32(bytes([n & 255, n >> 8 & 255])) & 255 for n in range(256))
        * (padding // 256)
    }
    named = members if members is not None else {MEMBER: METADATA}
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in {**code, **named}.items() if last else {**named, **code}.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_STORED if name in code else method)
        archive.comment = comment
    return file.getvalue()


class Origin:
    """Serves ranges of a wheel and remembers them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.asked: list[tuple[int, int]] = []

    async def read(self, start: int, stop: int) -> bytes:
        assert 0 <= start <= stop <= len(self._data)
        self.asked.append((start, stop))
        return self._data[start:stop]


def from_file(data: bytes, filename: str = WHEEL) -> bytes:
    return metadata_from_file(filename, io.BytesIO(data), len(data))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("comment", [b"", b"a comment with PK\x05\x06 in it", b"x" * 65_535])
async def test_the_exact_bytes_come_out_of_a_small_wheel_in_one_read(method: int, comment: bytes) -> None:
    data = wheel(method=method, comment=comment)
    origin = Origin(data)
    assert await metadata_from_ranges(WHEEL, len(data), origin.read) == METADATA
    assert len(origin.asked) <= 3
    assert len(origin.asked) == 1 or len(comment) == 65_535
    assert from_file(data) == METADATA


async def test_a_large_wheel_costs_its_tail_and_the_member() -> None:
    data = wheel(padding=1024 * 1024, last=False)
    origin = Origin(data)
    assert await metadata_from_ranges(WHEEL, len(data), origin.read) == METADATA
    assert len(origin.asked) == 2
    assert sum(stop - start for start, stop in origin.asked) < 70_000


async def test_nothing_that_came_is_looked_at_on_the_loop() -> None:
    data = wheel({MEMBER: METADATA, **{f"foo/module_number_{number:05}.py": b"" for number in range(6000)}})
    offloaded: list[int] = []

    async def offload(function: Callable[..., Any], *args: Any) -> Any:
        offloaded.append(len(args[-1]))
        return await asyncio.to_thread(function, *args)

    origin = Origin(data)
    assert await metadata_from_ranges(WHEEL, len(data), origin.read, offload) == METADATA
    assert offloaded == [stop - start for start, stop in origin.asked]


async def test_a_directory_that_starts_before_the_tail_is_fetched_in_one_more_read() -> None:
    members = {f"foo/module_number_{number:05}.py": b"" for number in range(4000)}
    data = wheel({MEMBER: METADATA, **members})
    origin = Origin(data)
    assert await metadata_from_ranges(WHEEL, len(data), origin.read) == METADATA
    assert len(origin.asked) == 3


async def test_a_local_header_longer_than_the_directory_says_costs_one_more_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo(MEMBER)
        info.extra = struct.pack("<2H", 0xCAFE, 3000) + bytes(3000)
        archive.writestr(info, METADATA)
        archive.writestr("foo/data.bin", bytes(200_000))
    assert from_file(file.getvalue()) == METADATA


def test_a_wheel_with_64_bit_records_is_read() -> None:
    data = as_zip64(wheel())
    assert zipfile.ZipFile(io.BytesIO(data)).read(MEMBER) == METADATA
    assert from_file(data) == METADATA


def as_zip64(data: bytes, *, entries: int | None = None, record_at: int = 0) -> bytes:
    """Return the wheel with a 64-bit end record and saturated short fields."""
    end = data.rindex(b"PK\x05\x06")
    _, _, _, here, _, size, start, _ = struct.unpack_from("<4s4H2LH", data, end)
    count = here if entries is None else entries
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end + record_at, 1)
    short = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:end] + record + locator + short


def test_a_member_with_64_bit_sizes_is_read() -> None:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(MEMBER, "w", force_zip64=True) as member,
    ):
        member.write(METADATA)
    data = bytearray(file.getvalue())
    entry = data.rindex(b"PK\x01\x02")
    name_bytes, extra_bytes = struct.unpack_from("<2H", data, entry + 28)
    compressed, size = struct.unpack_from("<2L", data, entry + 20)
    (offset,) = struct.unpack_from("<L", data, entry + 42)
    assert extra_bytes == 0
    extra = struct.pack("<2H3Q", 1, 24, size, compressed, offset)
    struct.pack_into("<2L", data, entry + 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<L", data, entry + 42, 0xFFFFFFFF)
    struct.pack_into("<H", data, entry + 30, len(extra))
    data[entry + 46 + name_bytes : entry + 46 + name_bytes] = extra
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<L", data, end + 12, end - entry)
    assert from_file(bytes(data)) == METADATA


@pytest.mark.parametrize(
    ("filename", "folder"),
    [
        ("Foo_Bar-1.0-py3-none-any.whl", "foo.bar-1.0"),
        ("foo_bar-1.0-py3-none-any.whl", "foo-bar-1.0.0"),
        ("foo-1.0+cu118-py3-none-any.whl", "foo-1.0+cu118"),
        ("foo-1.0+cu118-py3-none-any.whl", "foo-1.0"),
        ("foo-1.0-py3-none-any.whl", "foo-1.0+cpu"),
        ("foo-1.0-py3-none-any.whl", "foo-1.1"),
        ("foo_bar-1.0-py3-none-any.whl", "foo-bar-1.0-1"),
        ("foo-1.0_1-py3-none-any.whl", "foo-1.0_1"),
        ("foo-1.0-cp313-cp313-linux_x86_64-fast.whl", "foo-1.0"),
    ],
)
def test_the_folder_is_compared_by_normalized_name(filename: str, folder: str) -> None:
    assert from_file(wheel({f"{folder}.dist-info/METADATA": METADATA}), filename) == METADATA


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"foo-1.0.dist-info/metadata": METADATA},
        {"bar-1.0.dist-info/METADATA": METADATA},
        {"foo-bar-1.0.dist-info/METADATA": METADATA},
        {"foo.dist-info/METADATA": METADATA},
        {"sub/foo-1.0.dist-info/METADATA": METADATA},
        {"/foo-1.0.dist-info/METADATA": METADATA},
        {MEMBER: METADATA, "foo-1.0.0.dist-info/METADATA": METADATA},
        {MEMBER: METADATA, "bar-1.0.dist-info/METADATA": METADATA},
        {MEMBER: bytes(10 * 1024**2 + 1)},
    ],
)
def test_a_wheel_without_exactly_one_fitting_metadata_is_refused(members: dict[str, bytes]) -> None:
    with pytest.raises(NoMetadata):
        from_file(wheel(members))


def test_a_vendored_dist_info_deeper_down_is_no_matter() -> None:
    assert from_file(wheel({MEMBER: METADATA, "foo/_vendor/bar-1.0.dist-info/METADATA": b"x"})) == METADATA


def test_duplicate_entries_are_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(MEMBER, METADATA)
        archive.writestr(MEMBER, b"Name: other\n")
    with pytest.raises(NoMetadata, match="2 entries"):
        from_file(file.getvalue())


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(method: int) -> None:
    with pytest.raises(NoMetadata, match="packed"):
        from_file(wheel(method=method))


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    data = bytearray(wheel({MEMBER: bytes(300 * 1024**2 // 64)}))
    entry = data.rindex(b"PK\x01\x02")
    struct.pack_into("<L", data, entry + 24, 1000)
    with pytest.raises(NoMetadata, match="size"):
        from_file(bytes(data))


def patched(offset_of: bytes, offset: int, layout: str, value: int) -> bytes:
    data = bytearray(wheel(padding=1024))
    struct.pack_into(layout, data, data.rindex(offset_of) + offset, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("record", "offset", "layout", "value"),
    [
        (b"PK\x05\x06", 4, "<H", 1),
        (b"PK\x05\x06", 6, "<H", 1),
        (b"PK\x05\x06", 8, "<H", 7),
        (b"PK\x05\x06", 10, "<H", 7),
        (b"PK\x05\x06", 12, "<L", 10),
        (b"PK\x05\x06", 16, "<L", 10),
        (b"PK\x05\x06", 16, "<L", 0xFFFFFFFE),
        (b"PK\x05\x06", 16, "<L", 0xFFFFFFFF),
        (b"PK\x05\x06", 20, "<H", 5),
        (b"PK\x01\x02", 0, "<L", 0),
        (b"PK\x01\x02", 8, "<H", 1),
        (b"PK\x01\x02", 10, "<H", 0),
        (b"PK\x01\x02", 16, "<L", 1),
        (b"PK\x01\x02", 20, "<L", 0),
        (b"PK\x01\x02", 20, "<L", 20_000),
        (b"PK\x01\x02", 24, "<L", 5),
        (b"PK\x01\x02", 28, "<H", 60_000),
        (b"PK\x01\x02", 30, "<H", 1),
        (b"PK\x01\x02", 34, "<H", 3),
        (b"PK\x01\x02", 42, "<L", 0),
        (b"PK\x01\x02", 42, "<L", 0xFFFFFFF0),
        (b"PK\x03\x04", 0, "<L", 0),
        (b"PK\x03\x04", 8, "<H", 0),
        (b"PK\x03\x04", 26, "<H", 4),
        (b"PK\x03\x04", 28, "<H", 9_999),
        (b"PK\x03\x04", 30, "<H", 0),
    ],
)
def test_forged_records_are_refused(record: bytes, offset: int, layout: str, value: int) -> None:
    with pytest.raises(NoMetadata):
        from_file(patched(record, offset, layout, value))


@pytest.mark.parametrize("damage", [{"entries": 9}, {"record_at": 4}, {"record_at": -30}])
def test_forged_64_bit_records_are_refused(damage: dict[str, int]) -> None:
    with pytest.raises(NoMetadata):
        from_file(as_zip64(wheel(), **damage))


def test_a_64_bit_record_that_disagrees_with_the_short_one_is_refused() -> None:
    data = bytearray(as_zip64(wheel()))
    struct.pack_into("<2H", data, data.rindex(b"PK\x05\x06") + 8, 9, 9)
    with pytest.raises(NoMetadata, match="disagree"):
        from_file(bytes(data))


def test_a_second_archive_hidden_before_the_end_record_is_refused() -> None:
    # Readers that trust offsets see the first directory, readers that look backwards the second.
    one, other = wheel(), wheel({MEMBER: b"Name: other\n"})
    with pytest.raises(NoMetadata):
        from_file(one + other)
    end = other.rindex(b"PK\x05\x06")
    with pytest.raises(NoMetadata):
        from_file(other[:end] + b"hidden" + other[end:])


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"<html>not found</html>", b"PK\x05\x06" + bytes(17), bytes(100_000)]
)
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(NoMetadata):
        from_file(data)


async def test_a_read_that_gives_too_little_or_too_much_is_refused() -> None:
    data = wheel()

    async def short(start: int, stop: int) -> bytes:
        return data[start : stop - 1]

    async def long(start: int, stop: int) -> bytes:
        return data[start:stop] + b"x"

    for read in (short, long):
        with pytest.raises(NoMetadata, match="gave"):
            await metadata_from_ranges(WHEEL, len(data), read)


async def test_an_error_of_the_origin_passes_through() -> None:
    async def read(start: int, stop: int) -> bytes:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        await metadata_from_ranges(WHEEL, 100, read)


@settings(deadline=None)
@given(st.data())
def test_damage_gives_the_right_bytes_or_none(data: st.DataObject) -> None:
    whole = wheel(padding=512)
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + data.draw(st.integers(0, 8)) :]
    try:
        assert from_file(damaged) == METADATA
    except NoMetadata as err:
        assert str(err)
