import io
import json

import pytest
import zstandard

from proxy.conda.pack import BadPack, open_pack
from proxy.conda.repodata import pieces, write
from proxy.conda.shard_pack import ShardPacker
from proxy.conda.shard_render import pack_shards
from proxy.conda.shown import Shown
from proxy.conda.snapshot import open_snapshot
from tests.conda.inline import Inline
from tests.conda.made import Made, index, make, reader, record, sections_in, sections_of, text_of


def big() -> Made:
    return make(index(*(record(f"n{number:05}", sha256=f"{number:064x}") for number in range(5000))))


def zst(shown: list[Shown]) -> bytes:
    out = io.BytesIO()
    write(pieces("linux-64", shown), zst=out)
    return out.getvalue()


def shards(shown: list[Shown], previous: Made | None = None) -> bytes:
    out = io.BytesIO()
    pack_shards(ShardPacker(out, Inline(), previous.shards if previous else None), shown)
    return out.getvalue()


def test_an_empty_channel_has_all_parts() -> None:
    assert json.loads(text_of("noarch", [])) == {
        "info": {"subdir": "noarch"}, "packages": {}, "packages.conda": {}, "removed": [], "repodata_version": 1,
    }  # fmt: skip


def test_the_zst_is_one_frame_with_the_same_bytes_every_time() -> None:
    made = big()
    packed = zst(made.shown())
    frame = zstandard.ZstdDecompressor().decompressobj()
    assert frame.decompress(packed) == made.repodata()
    assert frame.eof
    assert not frame.unused_data
    assert zst(made.shown()) == packed


def test_both_forms_are_written_in_one_go() -> None:
    made = big()
    plain, packed = io.BytesIO(), io.BytesIO()
    assert write(pieces("linux-64", made.shown()), plain, packed) == len(made.repodata())
    assert plain.getvalue() == made.repodata()
    assert packed.getvalue() == zst(made.shown())


def test_relations_are_told() -> None:
    text = b"".join(pieces("linux-64", [], {"base": ["../other"]}))
    assert json.loads(text)["info"] == {"subdir": "linux-64", "channel_relations": {"base": ["../other"]}}


def test_filtered_shards_say_what_the_filtered_repodata_says() -> None:
    made = make(index(record("a"), record("a", "2.0"), record("b"), record("c")))
    shown = made.shown({"a": {"a-2.0-0.conda"}, "b": set(), "c": {"c-1.0-0.conda"}})
    data = shards(shown, made)
    pack = open_pack(reader(data), len(data))
    assert list(pack.entries) == ["a", "c"]
    assert sections_in(pack) == sections_of(text_of("linux-64", shown))
    assert pack.parts("c") == made.shards.parts("c")
    assert shards(shown) == data


def test_a_stamp_reaches_every_form() -> None:
    made = make(index(record("a"), record("b", indexed_timestamp=5)))
    shown = [Shown(name, made.snapshot, stamps={f"{name}-1.0-0.conda": 1234567890123}) for name in ("a", "b")]
    found = sections_of(text_of("linux-64", shown))
    assert found["packages.conda"]["a-1.0-0.conda"]["indexed_timestamp"] == 1234567890123
    assert found["packages.conda"]["b-1.0-0.conda"]["indexed_timestamp"] == 5
    data = shards(shown)
    assert sections_in(open_pack(reader(data), len(data))) == found


def test_names_of_two_upstreams_stand_in_one_document() -> None:
    one, two = make(index(record("a"))), make(index(record("a", "9"), record("b")))
    text = text_of("linux-64", [Shown("a", one.snapshot), Shown("b", two.snapshot)])
    assert list(sections_of(text)["packages.conda"]) == ["a-1.0-0.conda", "b-1.0-0.conda"]


def test_a_document_is_not_made_from_damaged_bytes() -> None:
    made = make(index(record("a"), record("b")))
    data = bytearray(made.data)
    data[data.index(b"1.0", 200)] ^= 1
    snapshot = open_snapshot(reader(bytes(data)), len(data))
    with pytest.raises(BadPack):
        text_of("linux-64", [Shown(name, snapshot) for name in snapshot])
