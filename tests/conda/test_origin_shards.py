import hashlib
from typing import Any

import msgspec
import pytest
import zstandard

from proxy.conda.ingest import wanted_shards
from proxy.conda.origin_shards import BadShards, parse_index, parse_shard
from proxy.conda.shard_render import index_of
from tests.conda.made import Made, index, make, make_from_shards, record, sections_in, sections_of
from tests.conda.sets import committed, committed_folder

WHEN = "2026-11-20T00:00:00Z"


def zst(value: Any) -> bytes:
    return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(value))


def shard(**sections: Any) -> tuple[bytes, bytes]:
    data = zst({"packages": {}, "packages.conda": {}} | sections)
    return data, hashlib.sha256(data).digest()


def from_made(made: Made, previous: Made | None = None) -> Made:
    """Ingest what another one of us serves."""
    parsed = parse_index(index_of(made.shards, "linux-64", WHEN))
    return make_from_shards(parsed, lambda name: made.shards.parts(name)[0], previous=previous)


def test_a_real_sharded_channel_has_the_records_of_its_repodata() -> None:
    folder = committed_folder("conda/conda_format_repo/linux-64")
    parsed = parse_index((folder / "repodata_shards.msgpack.zst").read_bytes())
    made = make_from_shards(
        parsed, lambda name: (folder / f"{parsed.digests[name].hex()}.msgpack.zst").read_bytes()
    )
    document = committed("conda/conda_format_repo/linux-64/repodata.json")
    assert sections_of(made.repodata()) == sections_of(make(document).repodata())
    assert sections_in(made.shards) == sections_of(make(document).repodata())
    assert made.report.dropped == 0


def test_both_roads_make_the_same_snapshot_of_sorted_records() -> None:
    document = index(*(dict(sorted(record("a", str(number)).items())) for number in range(5)))
    made = make(document)
    assert from_made(made).repodata() == made.repodata()
    assert from_made(made).shards.entries["a"].digest == made.shards.entries["a"].digest


def test_only_changed_shards_are_wanted_and_the_rest_is_copied() -> None:
    first = from_made(make(index(record("a"), record("b"))))
    changed = make(index(record("a"), record("b"), record("b", "2.0"), record("c")))
    parsed = parse_index(index_of(changed.shards, "linux-64", WHEN))
    assert wanted_shards(None, parsed) == ["a", "b", "c"]
    assert wanted_shards(first.snapshot, parsed) == ["b", "c"]
    asked: list[str] = []

    def shard_of(name: str) -> bytes:
        asked.append(name)
        return changed.shards.parts(name)[0]

    second = make_from_shards(parsed, shard_of, previous=first)
    assert asked == ["b", "c"]
    assert second.repodata() == changed.repodata()
    assert wanted_shards(second.snapshot, parsed) == []


def test_a_name_that_the_index_no_longer_has_is_gone() -> None:
    first = from_made(make(index(record("a"), record("b"))))
    second = from_made(make(index(record("b"))), first)
    assert list(second.snapshot) == ["b"]
    assert list(second.shards.entries) == ["b"]


@pytest.mark.parametrize("bad", [None, b"", b"other bytes"])
def test_a_shard_that_did_not_come_or_is_another_one_leaves_the_name_as_it_was(bad: bytes | None) -> None:
    first = from_made(make(index(record("a"), record("b"))))
    changed = make(index(record("a", "2.0"), record("b", "2.0")))
    parsed = parse_index(index_of(changed.shards, "linux-64", WHEN))
    second = make_from_shards(
        parsed, lambda name: bad if name == "a" else changed.shards.parts(name)[0], previous=first
    )
    assert list(sections_of(second.repodata())["packages.conda"]) == ["a-1.0-0.conda", "b-2.0-0.conda"]
    assert wanted_shards(second.snapshot, parsed) == ["a"]
    assert second.report.dropped == 1


def test_a_shard_s_bytes_are_checked_before_they_are_read() -> None:
    data, digest = shard()
    parse_shard(data, digest)
    with pytest.raises(BadShards, match="digest"):
        parse_shard(data + b"x", digest)


@pytest.mark.parametrize(
    "value",
    [[], None, {"packages": []}, {"packages": {1: {}}}],
)
def test_what_is_no_shard_is_refused(value: object) -> None:
    data = zst(value)
    with pytest.raises(BadShards):
        parse_shard(data, hashlib.sha256(data).digest())


@pytest.mark.parametrize(
    "value",
    [
        [], {}, {"info": {}, "shards": []}, {"info": {}, "shards": {"a": "text"}}, {"info": {}, "shards": {"a": b"no"}},
        {"info": {}, "shards": {}, "version": 2}, {"info": {"shards_base_url": 3}, "shards": {}}, {"shards": {}},
    ],
)  # fmt: skip
def test_what_is_no_index_is_refused(value: object) -> None:
    with pytest.raises(BadShards):
        parse_index(zst(value))


@pytest.mark.parametrize("data", [b"", b"<html>", zstandard.ZstdCompressor().compress(b"x"), zst({})[:-2]])
def test_what_is_no_zstd_of_msgpack_is_refused(data: bytes) -> None:
    with pytest.raises(BadShards):
        parse_index(data)


def tower(levels: int) -> Any:
    inner: Any = 1
    for _ in range(levels):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "bad",
    [
        1, None, [], {"name": 5}, record("a", "2.0", license=5, build_number="x"), record("a", "2.0", later=tower(200)),
        {1: 2}, {"name": "a", "x": msgspec.msgpack.Ext(5, b"x")}, record("a", "2.0", size=2**63),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_costs_no_other_of_its_shard(bad: object) -> None:
    data, digest = shard(
        **{
            "packages.conda": {"a-1.0-0.conda": record("a"), "a-2.0-0.conda": bad},
            "removed": [1, "a-0.1-0.conda"],
        }
    )
    parsed = parse_index(zst({"info": {}, "shards": {"a": digest}, "version": 1}))
    made = make_from_shards(parsed, lambda _: data)
    served = sections_of(made.repodata())["packages.conda"]
    assert served["a-1.0-0.conda"] == record("a")
    assert sections_in(made.shards)["packages.conda"] == served
    if "a-2.0-0.conda" not in served:
        assert list(made.snapshot.top.dropped["a"]) == ["a-2.0-0.conda"]


def test_the_extension_says_where_a_file_of_a_shard_belongs() -> None:
    data, digest = shard(**{"packages.conda": {"a-1.0-0.tar.bz2": record("a")}})
    parsed = parse_index(zst({"info": {}, "shards": {"a": digest}, "version": 1}))
    made = make_from_shards(parsed, lambda _: data)
    assert list(sections_of(made.repodata())["packages"]) == ["a-1.0-0.tar.bz2"]


def test_records_of_another_name_in_a_shard_are_dropped() -> None:
    data, digest = shard(**{"packages.conda": {"b-1.0-0.conda": record("b"), "a-1.0-0.conda": record("a")}})
    parsed = parse_index(zst({"info": {}, "shards": {"a": digest}, "version": 1}))
    made = make_from_shards(parsed, lambda _: data)
    assert list(sections_of(made.repodata())["packages.conda"]) == ["a-1.0-0.conda"]
    assert [file for file, _ in made.report.reasons] == ["b-1.0-0.conda"]


@pytest.mark.parametrize(
    ("base", "wanted"),
    [
        ("", "http://o/c/linux-64/HEX.msgpack.zst"),
        ("./shards/", "http://o/c/linux-64/shards/HEX.msgpack.zst"),
        ("shards", "http://o/c/linux-64/shards/HEX.msgpack.zst"),
        ("/s/", "http://o/s/HEX.msgpack.zst"),
        ("http://p/q", "http://p/q/HEX.msgpack.zst"),
    ],
)
def test_shards_lie_where_the_index_says(base: str, wanted: str) -> None:
    parsed = parse_index(
        zst({"info": {"shards_base_url": base}, "shards": {"a": b"\x01" * 32}, "version": 1})
    )
    assert parsed.url("http://o/c/linux-64/repodata_shards.msgpack.zst", "a") == wanted.replace(
        "HEX", "01" * 32
    )


def test_names_that_are_none_are_left_out_of_an_index() -> None:
    parsed = parse_index(zst({"info": {}, "shards": {"../a": b"1" * 32, "b": b"2" * 32}, "version": 1}))
    assert list(parsed.digests) == ["b"]
