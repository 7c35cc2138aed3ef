import hashlib
from typing import Any

import msgspec
import zstandard

from proxy.conda.block import Block
from proxy.conda.pack import digest_of
from proxy.conda.record import joined
from proxy.conda.shard_render import by_digest, index_of
from proxy.conda.shards import packed, plain_shard_of, render_index, render_shard
from proxy.conda.shown import Shown
from tests.conda.made import decoded_shards, index, make, record

BLOCK = Block(
    "a",
    joined({"a-1.0-0.tar.bz2": msgspec.json.encode(record("a"))}),
    joined({"a-1.0-0.conda": msgspec.json.encode(record("a", legacy_bz2_md5="c" * 32))}),
    ("a-0.9-0.conda",),
)


def unpacked(data: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data))
    return decoded


def test_a_shard_has_both_sections_and_hashes_as_bytes() -> None:
    shard = unpacked(render_shard(BLOCK))
    assert shard.keys() == {"packages", "packages.conda", "removed"}
    found = shard["packages.conda"]["a-1.0-0.conda"]
    assert (found["md5"], found["sha256"], found["legacy_bz2_md5"]) == (
        b"\xaa" * 16,
        b"\xbb" * 32,
        b"\xcc" * 16,
    )
    assert found["version"] == "1.0"
    assert shard["removed"] == ["a-0.9-0.conda"]


def test_a_shard_of_one_section_has_the_other_one_empty() -> None:
    assert unpacked(render_shard(Block("a", BLOCK.tar)))["packages.conda"] == {}
    assert unpacked(render_shard(Block("a", b"", BLOCK.conda)))["packages"] == {}


def test_the_same_records_make_the_same_bytes_alone_or_in_a_batch_with_any_number_of_threads() -> None:
    alone = render_shard(BLOCK)
    plain = [plain_shard_of(BLOCK), plain_shard_of(Block("b", BLOCK.tar))]
    assert packed(plain * 50, threads=2)[::2] == [alone] * 50
    assert packed(plain)[0] == alone
    assert packed([]) == []


def test_the_index_names_the_digests_of_the_shards_and_leads_nowhere_else() -> None:
    made = make(index(record("a"), record("b")))
    decoded = unpacked(index_of(made.shards, "linux-64", "2026-11-20T00:00:00Z"))
    assert decoded["version"] == 1
    assert decoded["info"] == {
        "base_url": "", "shards_base_url": "", "subdir": "linux-64", "created_at": "2026-11-20T00:00:00Z",
    }  # fmt: skip
    for name, digest in decoded["shards"].items():
        (data,) = made.shards.parts(name)
        assert hashlib.sha256(data).digest() == digest
        assert by_digest(made.shards)[hashlib.sha256(data).hexdigest()] == name


def test_the_index_is_the_same_for_the_same_snapshot() -> None:
    digests = {"b": b"2" * 32, "a": b"1" * 32}
    assert render_index("noarch", digests, "x") == render_index("noarch", dict(sorted(digests.items())), "x")


def test_an_ingest_and_a_rendering_of_the_same_block_make_the_same_shard() -> None:
    made = make(index(record("a"), record("a", "2.0"), removed=["a-0.1-0.conda"]))
    block = Shown("a", made.snapshot).block()
    assert made.shards.parts("a") == (render_shard(block),)
    assert made.shards.entries["a"].source == digest_of(block.parts())


def test_names_without_records_have_no_shard() -> None:
    made = make(index(record("a"), removed=["gone-1.0-0.conda"]))
    assert list(made.shards.entries) == ["a"]
    assert list(made.snapshot) == ["a", "gone"]
    assert len(list(decoded_shards(made.shards))) == 1
