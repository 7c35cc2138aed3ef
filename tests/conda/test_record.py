from typing import Any

import msgspec

from proxy.conda.block import Block, parse_block
from proxy.conda.record import as_ms, facts, joined, stamped
from tests.conda.made import record


def raw(**changes: Any) -> bytes:
    return msgspec.json.encode(record("a", **changes))


def test_timestamps_in_seconds_and_milliseconds_mean_the_same() -> None:
    assert facts(raw(timestamp=1_600_000_000)).timestamp_ms == 1_600_000_000_000
    assert facts(raw(timestamp=1_600_000_000_000)).timestamp_ms == 1_600_000_000_000
    assert facts(raw(indexed_timestamp=1_700_000_000)).indexed_ms == 1_700_000_000_000


def test_no_timestamp_and_zero_are_none() -> None:
    assert facts(raw(timestamp=...)).timestamp_ms is None
    assert as_ms(0) is None
    assert as_ms(-5) is None


def test_noarch_true_is_noarch() -> None:
    assert facts(raw(noarch=True)).is_noarch
    assert facts(raw(noarch="python")).is_noarch
    assert not facts(raw(noarch=None)).is_noarch
    assert not facts(raw()).is_noarch


def test_features_are_read_from_a_string_or_a_list() -> None:
    assert facts(raw(track_features="a b,c")).features == {"a", "b", "c"}
    assert facts(raw(track_features=["a"])).features == {"a"}
    assert facts(raw()).features == frozenset()


def test_a_stamp_is_added_only_where_there_is_none() -> None:
    plain = raw(timestamp=1)
    assert facts(stamped(plain, 77)).indexed_timestamp == 77
    assert stamped(plain, 77).startswith(plain[:-1])
    earlier = raw(indexed_timestamp=5)
    assert stamped(earlier, 77) == earlier


def test_a_narrowed_block_has_only_what_is_kept() -> None:
    files = {
        file: msgspec.json.encode(record("a", build=str(number)))
        for number, file in enumerate(("a-1.0-0", "a-1.0-1"))
    }
    block = Block(
        "a",
        joined({f"{stem}.tar.bz2": each for stem, each in files.items()}),
        joined({f"{stem}.conda": each for stem, each in files.items()}),
        ("a-0.9-0.conda", "a-1.0-0.conda"),
    )
    narrowed = block.narrowed({"a-1.0-1.tar.bz2"})
    assert [each.file for each in narrowed.records()] == ["a-1.0-1.tar.bz2"]
    assert [each.section for each in narrowed.records()] == ["packages"]
    assert narrowed.facts().keys() == {"a-1.0-1.tar.bz2"}


def test_a_hidden_file_is_not_listed_as_removed_and_one_without_record_stays() -> None:
    block = Block("a", b"", joined({"a-1.0-0.conda": raw()}), ("a-0.9-0.conda", "a-1.0-0.conda"))
    assert block.narrowed(()).removed == ("a-0.9-0.conda",)
    assert block.narrowed({"a-1.0-0.conda"}).removed == ("a-0.9-0.conda", "a-1.0-0.conda")


def test_a_block_is_stored_in_parts() -> None:
    block = Block("a", b"", joined({"a-1.0-0.conda": raw()}), ("a-0.9-0.conda",))
    assert parse_block("a", block.parts()) == block
    assert parse_block("b", Block("b").parts()).is_empty
