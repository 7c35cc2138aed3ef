import json

import pytest

from proxy.conda.split import BadRepodata, split
from tests.conda.made import index, record
from tests.conda.sets import committed

SOUND = json.dumps(index(record("a"), record("b")), separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"\xef\xbb\xbf" + SOUND, "byte order mark"),
        (SOUND.decode().encode("utf-16"), "byte order mark"),
        (b"<!doctype html><title>Sign in</title>", "login page"),
        (SOUND[:-1], "not the JSON"),
        (SOUND[: len(SOUND) // 2], "not the JSON"),
        (SOUND + b"x", "not the JSON"),
        (b"[]", "not the JSON"),
        (b"null", "not the JSON"),
        (b'"text"', "not the JSON"),
        (b'{"message":"Not found"}', "none of the keys"),
        (b'{"packages":[1]}', "not the JSON"),
        (b'{"packages":null}', "not the JSON"),
        (b'{"packages.conda":"x"}', "not the JSON"),
        (b'{"removed":"a-1-0.conda"}', "removed"),
        (b'{"removed":[1]}', "removed"),
        (b'{"packages":{},"packages":{}}', "twice"),
        (b'{"packages":{"a-1-0.tar.bz2":{},"a-1-0.tar.bz2":{}}}', "twice"),
        (b'{ "packages" : { "a-1-0.tar.bz2" : {} , "a-1-0.tar.bz2" : {} } }', "twice"),
        (b'{"packages":{"\\u0061-1-0.tar.bz2":{}}}', "oddly"),
        (b'{"packages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not the JSON"),
        (
            b'{"packages":{"a-1-0.tar.bz2":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}}",
            "not the JSON",
        ),
        (b'{"packages":{"a-1-0.tar.bz2":{"x":"\xff\xfe"}}}', "UTF-8"),
        (b'{"packages":{"a-1-0.tar.bz2":{"x":NaN}}}', "not the JSON"),
        (b'{"packages":{"a-1-0.tar.bz2":{"x":"\\ud800"}}}', "not the JSON"),
    ],
    ids=range(26),
)
def test_what_is_no_index_is_refused_with_its_reason(document: bytes, reason: str) -> None:
    with pytest.raises(BadRepodata, match=reason):
        split(document)


@pytest.mark.parametrize(
    "document", [b"{}", b'{"info":{}}', b'{"packages":{}}', b'{"packages":[],"removed":[]}', b" {} "]
)
def test_an_empty_channel_is_legal(document: bytes) -> None:
    repodata = split(document)
    assert not repodata.names
    assert repodata.records == 0


def test_white_space_does_not_matter() -> None:
    pretty = json.dumps(json.loads(SOUND), indent=4).encode()
    compact, spaced = split(SOUND), split(pretty)
    assert {
        name: {file: bytes(raw) for file, raw in each.conda.items()} for name, each in compact.names.items()
    } == {name: {file: bytes(raw) for file, raw in each.conda.items()} for name, each in spaced.names.items()}


def test_records_are_found_under_their_name_in_lower_case() -> None:
    repodata = split(
        json.dumps({"packages": {"A-b-1-0.tar.bz2": {}}, "packages.conda": {"a-b-2-0.conda": {}}}).encode()
    )
    assert list(repodata.names) == ["a-b"]
    assert list(repodata.names["a-b"].tar) == ["A-b-1-0.tar.bz2"]
    assert list(repodata.names["a-b"].conda) == ["a-b-2-0.conda"]


def test_a_file_in_the_wrong_section_is_dropped() -> None:
    repodata = split(b'{"packages":{"a-1-0.conda":{}},"packages.conda":{"a-1-0.tar.bz2":{}}}')
    assert not repodata.names
    assert [file for file, _ in repodata.dropped] == ["a-1-0.conda", "a-1-0.tar.bz2"]


def test_removed_files_are_found_under_their_name() -> None:
    repodata = split(b'{"removed":["a-1-0.conda","no file","../b-1-0.conda"]}')
    assert repodata.names["a"].removed == ["a-1-0.conda"]
    assert [file for file, _ in repodata.dropped] == ["no file", "../b-1-0.conda"]


def test_only_relative_channel_relations_stay() -> None:
    info = {
        "channel_relations": {
            "base": [
                "../other",
                "https://elsewhere.invalid/x",
                "//elsewhere.invalid/x",
                "/root",
                "../../team/dev/",
                7,
            ],
            "overrides": ["file:///etc"],
            "later": ["../x"],
        }
    }
    assert split(json.dumps({"info": info}).encode()).relations == {"base": ["../other", "../../team/dev/"]}
    assert split(b'{"info":{"channel_relations":"x"}}').relations == {}
    assert split(b'{"info":null}').relations == {}


def test_a_page_of_wheels_has_no_packages() -> None:
    repodata = split(committed("rattler/channels/with-wheels/noarch/repodata.json"))
    assert all(
        file.endswith((".conda", ".tar.bz2"))
        for each in repodata.names.values()
        for file in [*each.tar, *each.conda]
    )
