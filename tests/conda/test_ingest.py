from proxy.conda.pack import diff
from proxy.conda.shown import Shown
from tests.conda.made import index, make, record, sections_in, sections_of, text_of


def test_only_names_that_changed_are_fresh() -> None:
    first = make(index(record("a"), record("b"), record("c")))
    second = make(index(record("a"), record("b", license="GPL"), record("d")), previous=first)
    found = diff(first.snapshot.pack, second.snapshot.pack)
    assert (found.changed, found.added, found.removed) == (["b"], ["d"], ["c"])
    assert second.report.records == 2
    assert second.report.names == 3


def test_a_next_snapshot_has_the_bytes_of_a_first_one() -> None:
    first = make(index(record("a"), record("b"), record("c", "9", depends=None)))
    document = index(record("a"), record("b", "2.0"), record("c", "9", depends=None))
    again, fresh = make(document, previous=first), make(document)
    assert again.data == fresh.data
    assert again.shard_data == fresh.shard_data


def test_a_mended_name_that_did_not_change_is_copied() -> None:
    document = index(record("a", depends=None))
    first = make(document)
    second = make(document, previous=first)
    assert (first.report.records, first.report.edited) == (1, 1)
    assert (second.report.records, second.report.names) == (0, 1)
    assert second.data == first.data


def test_nothing_is_copied_from_a_snapshot_of_another_subdir() -> None:
    first = make(index(record("a", subdir=...)), "noarch")
    second = make(index(record("a", subdir=...)), "linux-64", previous=first)
    assert second.report.records == 1


def test_shards_are_copied_for_blocks_that_did_not_change() -> None:
    first = make(index(record("a"), record("b")))
    second = make(index(record("a"), record("b", "2.0")), previous=first)
    assert second.shards.parts("a") == first.shards.parts("a")
    assert sections_in(second.shards) == sections_of(second.repodata())


def test_shards_are_made_where_the_pack_before_has_none() -> None:
    first = make(index(record("a"), record("b")))
    empty = make(b"{}")
    without = type(first)(first.snapshot, empty.shards, first.report, first.data, empty.shard_data)
    assert make(index(record("a"), record("b")), previous=without).shard_data == first.shard_data


def test_removed_files_of_a_name_are_told_with_it() -> None:
    made = make(index(record("a"), removed=["a-0.1-0.conda", "z-1-0.tar.bz2", "a-0.1-0.conda", "nonsense"]))
    assert Shown("a", made.snapshot).removed() == ("a-0.1-0.conda",)
    assert b'"removed":["a-0.1-0.conda","z-1-0.tar.bz2"]' in made.repodata()
    assert made.report.dropped == 1


def test_a_filter_shows_what_it_keeps_in_every_form() -> None:
    made = make(index(record("a"), record("a", "2.0"), record("b"), removed=["a-1.0-0.conda"]))
    text = text_of("linux-64", made.shown({"a": {"a-2.0-0.conda"}}))
    assert list(sections_of(text)["packages.conda"]) == ["a-2.0-0.conda"]
    assert b"a-1.0-0" not in text
    assert b'"b-1.0' not in text


def test_a_report_tells_the_first_reasons_and_counts_all() -> None:
    made = make({"packages": {f"a-{number}-0.tar.bz2": {} for number in range(1500)}})
    assert made.report.dropped == 1500
    assert len(made.report.reasons) == 1000
    assert len(made.snapshot) == 0


def test_what_was_left_out_is_told_with_its_name_for_as_long_as_it_is_listed() -> None:
    bad = index(record("a"), record("b"), record("b", "2.0", depends=3), record("b", "3.0", depends=[3]))
    first = make(bad)
    assert first.snapshot.top.dropped.keys() == {"b"}
    assert first.snapshot.top.dropped["b"].keys() == {"b-2.0-0.conda", "b-3.0-0.conda"}
    copied = make({**bad, "info": {"later": 1}}, previous=first)
    assert copied.report.dropped == 0
    assert copied.snapshot.top.dropped == first.snapshot.top.dropped
    assert make(index(record("a"), record("b")), previous=copied).snapshot.top.dropped == {}


def test_what_cannot_be_assigned_to_a_name_is_told_as_well() -> None:
    made = make({"packages": {"no file": {}, "a-1.0-0.tar.bz2": record("a")}})
    assert made.snapshot.top.dropped == {"": {"no file": "not the name of a package file"}}


def test_of_too_many_that_were_left_out_the_first_are_told() -> None:
    made = make({"packages": {f"a{number}-1-0.tar.bz2": {} for number in range(2500)}})
    assert made.report.dropped == 2500
    assert len(made.snapshot.top.dropped_files) == 2000
