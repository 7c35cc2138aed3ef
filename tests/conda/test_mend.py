import json
from typing import Any

import msgspec
import pytest

from benchmarks.channel.defects import defects, dropped, kept
from tests.conda.made import index, make, record, sections_in, sections_of, text_of


def served(document: Any) -> dict[str, Any]:
    return sections_of(make(document).repodata())["packages.conda"]


def one(**changes: Any) -> dict[str, Any] | None:
    """Return what becomes of the record a-1.0-0.conda with some changes."""
    return served({"packages.conda": {"a-1.0-0.conda": _changed(changes)}}).get("a-1.0-0.conda")


def _changed(changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (record("a") | changes).items() if value is not ...}


DEFECTS = {"packages.conda": {each.file: each.record for each in defects("linux-64")}}


def test_of_every_kind_of_defect_the_right_ones_are_served() -> None:
    made = make(DEFECTS)
    names = {each["name"] for each in sections_of(made.repodata())["packages.conda"].values()}
    assert names == kept()
    assert {file.removesuffix("-1.0-0.conda") for file, _ in made.report.reasons} == dropped()


def test_a_record_that_needs_nothing_keeps_its_bytes() -> None:
    raw = b'{"version":"1.0","name":"a","build":"0","build_number":0,"depends":[],"size":1,"x":{"y":[1.5,"\xc3\xa9"]}}'
    made = make(b'{"packages.conda":{"a-1.0-0.conda":' + raw + b"}}")
    assert raw in made.repodata()
    assert made.report.edited == 0


@pytest.mark.parametrize("number", [b"1.50", b"1e2", b'"\\u00e9"', b"0.1000"])
def test_a_spelling_of_its_own_is_kept(number: bytes) -> None:
    raw = b'{"name":"a","version":"1.0","build":"0","build_number":0,"depends":[],"x":' + number + b"}"
    made = make(b'{"packages.conda":{"a-1.0-0.conda":' + raw + b"}}")
    assert raw in made.repodata()
    assert made.report.edited == 0


def test_a_key_that_stands_twice_in_a_record_drops_it() -> None:
    raw = b'{"name":"a","version":"1.0","build":"0","build_number":0,"depends":[],"name":"a"}'
    assert served(b'{"packages.conda":{"a-1.0-0.conda":' + raw + b"}}") == {}
    spaced = raw.replace(b',"name"', b', "name" ')
    assert served(b'{"packages.conda":{"a-1.0-0.conda":' + spaced + b"}}") == {}


@pytest.mark.parametrize(
    ("changes", "field", "wanted"),
    [
        ({"depends": ...}, "depends", []),
        ({"depends": None}, "depends", []),
        ({"constrains": None}, "constrains", []),
        ({"subdir": "win-64"}, "subdir", "linux-64"),
        ({"subdir": None}, "subdir", "linux-64"),
        ({"sha256": "AB" * 32}, "sha256", "ab" * 32),
        ({"sha256": "xyz"}, "sha256", None),
        ({"md5": 5}, "md5", None),
        ({"md5": "a" * 31}, "md5", None),
        ({"legacy_bz2_md5": "no"}, "legacy_bz2_md5", None),
        ({"license": ["MIT", "GPL"]}, "license", "MIT, GPL"),
        ({"license": {"a": 1}}, "license", None),
        ({"timestamp": "x"}, "timestamp", None),
        ({"timestamp": 1.5}, "timestamp", None),
        ({"timestamp": 1_600_000_000}, "timestamp", 1_600_000_000),
        ({"size": -1}, "size", None),
        ({"url": "https://elsewhere.invalid/"}, "url", None),
        ({"channel": "x"}, "channel", None),
        ({"fn": "x"}, "fn", None),
        ({"base_url": "x"}, "base_url", None),
        ({"name": "A"}, "name", "a"),
        ({"noarch": "Python"}, "noarch", "python"),
        ({"revoked": "yes"}, "revoked", True),
        ({"revoked": 0}, "revoked", False),
        ({"attestations_sha256": 5}, "attestations_sha256", None),
        ({"attestations_sha256": "AB" * 32}, "attestations_sha256", "ab" * 32),
        ({"run_exports": {"weak": "x"}}, "run_exports", None),
        ({"run_exports": {"weak": ["x"]}}, "run_exports", {"weak": ["x"]}),
        ({"purls": "pkg:x"}, "purls", None),
        ({"extra_depends": [1]}, "extra_depends", None),
        ({"flags": "x"}, "flags", None),
        ({"python_site_packages_path": 3}, "python_site_packages_path", None),
        ({"timestamp": 2**60}, "timestamp", None),
        ({"indexed_timestamp": 253_402_300_799_999}, "indexed_timestamp", None),
        ({"size": 2**70}, "size", None),
        ({"later": 2**70}, "later", None),
        ({"later": {"deep": [-(2**64)]}}, "later", None),
        ({"later": 2**64 - 1}, "later", 2**64 - 1),
        ({"depends": [" b >=1", "", "\tc"]}, "depends", ["b >=1", "c"]),
        ({"constrains": ["  b"]}, "constrains", ["b"]),
    ],
)
def test_a_field_is_mended(changes: dict[str, Any], field: str, wanted: object) -> None:
    mended = one(**changes)
    assert mended is not None
    assert mended.get(field) == wanted
    assert mended["version"] == "1.0"


def test_a_missing_subdir_is_no_defect() -> None:
    mended = one(subdir=...)
    assert mended is not None
    assert "subdir" not in mended


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "b"}, {"version": "1/1"}, {"build": "1/1"}, {"build": "*"}, {"name": 1},
        {"version": 1.0}, {"build": None}, {"build_number": 2**70}, {"x": "y" * 1024**2}, {"depends": [["b"]]},
        {"build_number": "0"}, {"build_number": 1.5}, {"build_number": True}, {"build_number": None},
        {"depends": {}}, {"depends": [1]}, {"noarch": "ruby"},
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_known_is_dropped(changes: dict[str, Any]) -> None:
    assert one(**changes) is None


@pytest.mark.parametrize("changes", [{"version": "1.1"}, {"build": "1"}])
def test_a_file_that_was_renamed_is_what_its_record_says(changes: dict[str, Any]) -> None:
    mended = one(**changes)
    assert mended is not None
    assert mended.items() >= changes.items()


@pytest.mark.parametrize(
    "raw",
    [
        b"[]", b"null", b"3", b'"x"', b"{}", b'{"name":"a\\u0000"}', b"NaN", b"tru", b'{"name":"\xff"}',
        b'{"license":"\\ud800"}', b'{"license":"\\udc00\\ud800"}', b'{"x":1e999}', b'{"x":' + b"9" * 5000 + b"}",
        b"[" * 1500 + b"]" * 1500, b'{"x":' * 100_000 + b"1" + b"}" * 100_000, b'{"name":"a","name":"a"}',
        b'{"license":"' + b"x" * 1024**2 + b'"}', b'{"name":"a","version":"1.0","build":"0","depends":[],}',
    ],
)  # fmt: skip
def test_what_is_no_record_is_dropped_and_its_neighbours_stay(raw: bytes) -> None:
    good = msgspec.json.encode(record("a", "2.0"))
    found = served(b'{"packages.conda":{"a-1.0-0.conda":' + raw + b',"a-2.0-0.conda":' + good + b"}}")
    assert list(found) == ["a-2.0-0.conda"]


def test_the_split_into_name_version_and_build_must_be_the_record_s() -> None:
    # The file name can be read as a-b 1 0 only; the record reads it as a with a hyphen in its version.
    assert served({"packages.conda": {"a-b-1-0.conda": record("a", "b-1", "0")}}) == {}


def test_a_capital_in_a_file_name_stays_and_the_name_is_lower_case() -> None:
    found = served({"packages.conda": {"PyYAML-1.0-0.conda": record("PyYAML")}})
    assert found["PyYAML-1.0-0.conda"]["name"] == "pyyaml"


def test_shards_say_what_the_repodata_says() -> None:
    made = make(DEFECTS)
    assert sections_in(made.shards) == sections_of(made.repodata())


def test_nothing_that_is_served_leads_outside() -> None:
    document = index(record("a", url="https://elsewhere.invalid/1"))
    document["info"] |= {
        "base_url": "https://elsewhere.invalid/2",
        "channel_relations": {"base": ["https://elsewhere.invalid/3"]},
    }
    document |= {
        "signatures": {"a-1.0-0.conda": {"key": {"signature": "elsewhere.invalid"}}},
        "v3": {"whl": {"a-1-py3": {"url": "https://elsewhere.invalid/4"}}},
        "repodata_version": 2,
    }
    made = make(document)
    text = text_of("linux-64", made.shown())
    assert b"elsewhere" not in text
    assert b"elsewhere" not in made.shard_data
    assert json.loads(text).keys() == {"info", "packages", "packages.conda", "removed", "repodata_version"}
    assert json.loads(text)["info"] == {"subdir": "linux-64"}
    assert json.loads(text)["repodata_version"] == 1
