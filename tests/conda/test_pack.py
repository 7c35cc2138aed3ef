import io
from collections.abc import Mapping

import pytest

from proxy.conda.pack import BadPack, Pack, diff, open_pack
from proxy.conda.pack_writer import PackWriter
from tests.conda.made import reader

PARTS = {"a": (b"one", b"two"), "b": (b"", b""), "c": (b"x" * 5000, b"")}


def packed(names: Mapping[str, tuple[bytes, ...]], meta: bytes = b"m") -> bytes:
    out = io.BytesIO()
    writer = PackWriter(out, meta)
    for name, parts in names.items():
        writer.add(name, parts, source=name.encode() * 32)
    writer.finish()
    return out.getvalue()


def opened(data: bytes) -> Pack:
    return open_pack(reader(data), len(data))


def test_what_was_added_is_read_with_one_read() -> None:
    data = packed(PARTS)
    reads: list[tuple[int, int]] = []

    def read(offset: int, length: int) -> bytes:
        reads.append((offset, length))
        return data[offset : offset + length]

    pack = open_pack(read, len(data))
    assert pack.meta == b"m"
    assert list(pack.entries) == ["a", "b", "c"]
    for name, parts in PARTS.items():
        reads.clear()
        assert pack.parts(name) == parts
        assert len(reads) == 1
        assert pack.entries[name].source == name.encode() * 32
    assert pack.part("a", 1) == b"two"


def test_the_same_names_make_the_same_bytes() -> None:
    assert packed(PARTS) == packed(PARTS)


def test_a_pack_of_nothing_is_a_pack() -> None:
    assert not opened(packed({})).entries


def test_a_pack_that_was_cut_short_is_refused() -> None:
    data = packed(PARTS)
    for length in (0, 1, 8, 60, len(data) // 2, len(data) - 1):
        with pytest.raises(BadPack):
            opened(data[:length])


def test_other_bytes_are_refused() -> None:
    data = packed(PARTS)
    for other in (b"", b"<html>" * 100, bytes(1000), data + b"x", b"x" + data, data[:8] + data):
        with pytest.raises(BadPack):
            opened(other)


def test_a_flipped_bit_anywhere_is_found() -> None:
    data = packed({"a": (b"one", b"two"), "b": (b"three", b"")})
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 4
        with pytest.raises(BadPack):
            pack = opened(bytes(damaged))
            for name in pack.entries:
                pack.parts(name)


def test_names_are_written_in_ascending_order() -> None:
    writer = PackWriter(io.BytesIO(), b"")
    writer.add("b", (b"",), source=b"")
    for name in ("a", "b"):
        with pytest.raises(ValueError, match="ascending"):
            writer.add(name, (b"",), source=b"")


def test_a_next_pack_copies_and_adds() -> None:
    old = opened(packed(PARTS))
    out = io.BytesIO()
    writer = PackWriter(out, b"n")
    writer.copy(old, "a")
    writer.copy(old, "b", source=b"other")
    writer.add("bb", (b"new", b""), source=b"s")
    writer.copy(old, "c")
    writer.finish()
    new = opened(out.getvalue())
    assert {name: new.parts(name) for name in new.entries} == PARTS | {"bb": (b"new", b"")}
    assert new.entries["b"].source == b"other"
    assert new.entries["c"].source == b"c" * 32
    assert packed({name: new.parts(name) for name in ("a", "b", "c")}) == packed(PARTS)


def test_packs_are_compared_by_their_names_digests() -> None:
    old = opened(packed(PARTS))
    new = opened(packed({"a": (b"one", b"TWO"), "c": PARTS["c"], "d": (b"", b"")}))
    found = diff(old, new)
    assert (found.changed, found.added, found.removed) == (["a"], ["d"], ["b"])
    assert diff(None, new).added == ["a", "c", "d"]
    assert diff(new, new) == diff(old, old)


def test_the_digest_of_a_pack_says_what_it_holds() -> None:
    assert opened(packed(PARTS)).digest == opened(packed(PARTS)).digest
    assert opened(packed(PARTS)).digest != opened(packed(PARTS | {"d": (b"", b"")})).digest


def test_a_file_that_shrinks_under_a_copy_is_an_error() -> None:
    data = packed({"a": (b"x" * 100, b"")})
    pack = opened(data)
    short = Pack(pack.entries, b"", b"", len(data), reader(data[:50]))
    writer = PackWriter(io.BytesIO(), b"")
    writer.copy(short, "a")
    with pytest.raises(EOFError):
        writer.finish()


def test_a_pack_may_be_appended_to_another_in_its_file() -> None:
    first = packed(PARTS)
    old = opened(first)
    tail = io.BytesIO()
    writer = PackWriter(tail, b"n", old)
    writer.copy(old, "a")
    writer.add("b", (b"new", b""), source=b"s")
    writer.copy(old, "c", source=b"other")
    writer.finish()
    both = first + tail.getvalue()
    new = opened(both)
    assert {name: new.parts(name) for name in new.entries} == PARTS | {"b": (b"new", b"")}
    assert new.entries["c"].source == b"other"
    assert len(tail.getvalue()) < 500
    assert {name: open_pack(reader(both), len(first)).parts(name) for name in PARTS} == PARTS
    assert diff(old, new).changed == ["b"]


def test_what_a_killed_writer_appended_is_not_seen() -> None:
    first = packed(PARTS)
    torn = first + b"half of a name"
    assert open_pack(reader(torn), len(first)).parts("a") == PARTS["a"]
    with pytest.raises(BadPack):
        opened(torn)


def test_waste_grows_with_what_is_replaced() -> None:
    data = packed(PARTS)
    assert opened(data).waste < 0.1
    for number in range(5):
        base = opened(data)
        tail = io.BytesIO()
        writer = PackWriter(tail, b"", base)
        writer.add("c", (bytes([number]) * 5000, b""), source=b"")
        writer.finish()
        data += tail.getvalue()
    assert opened(data).waste > 0.75
