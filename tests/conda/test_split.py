import json
from contextlib import suppress

import pytest

from proxy.conda.split import BadRepodata, split
from tests.conda.made import index, record
from tests.conda.sets import committed
from tests.support.cost import cpu_s

SOUND = json.dumps(index(record("a"), record("b")), separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (SOUND.decode().encode("utf-16"), "UTF-16"),
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
        (b'{"packages":{"a-1-0.tar.bz2":[1}}', "closes another"),
        (b'{"packages":{"a-1-0.tar.bz2":{"x":"y}}', "without an end"),
        (b'{"packages":{"a-1-0.tar.bz2"}}', "no : at byte"),
        (b'{"packages":{"a-1-0.tar.bz2":}}', "no value"),
        (b'{"packages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not the JSON"),
    ],
    ids=range(20),
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


def test_the_extension_says_where_a_file_belongs() -> None:
    """C9: indexes of old rattler-build list every file under `packages.conda`."""
    repodata = split(b'{"packages":{"a-1-0.conda":{}},"packages.conda":{"a-1-0.tar.bz2":{}}}')
    assert list(repodata.names["a"].tar) == ["a-1-0.tar.bz2"]
    assert list(repodata.names["a"].conda) == ["a-1-0.conda"]
    assert repodata.dropped == []


@pytest.mark.parametrize("is_first", [True, False])
def test_a_file_that_both_sections_list_is_the_one_of_the_right_section(is_first: bool) -> None:
    right, wrong = b'{"right":1}', b'{"wrong":1}'
    file = b"a-1-0.tar.bz2" if is_first else b"a-1-0.conda"
    listed = (right, wrong) if is_first else (wrong, right)
    repodata = split(
        b'{"packages":{"%b":%b},"packages.conda":{"%b":%b}}' % (file, listed[0], file, listed[1])
    )
    (found,) = [*repodata.names["a"].tar.values(), *repodata.names["a"].conda.values()]
    assert bytes(found) == right


@pytest.mark.parametrize(
    "removed",
    [b"{}", b"null", b"3", b'"a-1-0.conda"', b"[1,{}]", b'{"a":1}', b"[" * 5000 + b"]" * 5000, b'"\\ud800"'],
)
def test_whatever_stands_in_removed_costs_nothing(removed: bytes) -> None:
    """C7: Gitea and Forgejo write `{}`; conda never looks at it."""
    repodata = split(b'{"packages":{"a-1-0.tar.bz2":{}},"removed":%b}' % removed)
    assert list(repodata.names) == ["a"]


@pytest.mark.parametrize("info", [b"3", b'{"base_url":"\\ud800"}', b"[" * 5000 + b"]" * 5000, b"nonsense"])
def test_an_info_that_cannot_be_read_costs_nothing(info: bytes) -> None:
    assert list(split(b'{"info":%b,"packages":{"a-1-0.tar.bz2":{}}}' % info).names) == ["a"]


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (b'{"packages":{"a-1-0.tar.bz2":{}},"packages":{"b-1-0.tar.bz2":{}}}', {"b": b"{}"}),
        (b'{"packages":{"a-1-0.tar.bz2":{},"a-1-0.tar.bz2":{"x":1}}}', {"a": b'{"x":1}'}),
        (b'{ "packages" : { "a-1-0.tar.bz2" : {} , "a-1-0.tar.bz2" : [ 1] } }', {"a": b"[ 1]"}),
        (b'{"packages":{"\\u0061-1-0.tar.bz2":{}}}', {"a": b"{}"}),
        (b'{"packages":{"a-1-pl\\u003d\\u003d5_0.tar.bz2":{}}}', {"a": b"{}"}),
        (b'{"p\\u0061ckages":{"a-1-0.tar.bz2":{}}}', {"a": b"{}"}),
        (b'{"packages":{"a-1-0.tar.bz2":{},"a\\u002d1-0.tar.bz2":3}}', {"a": b"3"}),
    ],
)
def test_keys_are_read_as_conda_reads_them(document: bytes, wanted: dict[str, bytes]) -> None:
    """C7: of a key that stands twice the last counts, and an escape is what it stands for."""
    found = split(document)
    assert {name: bytes(*each.tar.values()) for name, each in found.names.items()} == wanted


#: What one record's text may be, and no decoder takes a document with it.
UNREADABLE = {
    "a lone surrogate": b'{"license":"\\ud800"}',
    "bytes that are no UTF-8": b'{"license":"\xff\xfe"}',
    "a tower": b'{"x":' * 100_000 + b"1" + b"}" * 100_000,
    "a tower of lists": b"[" * 1500 + b"]" * 1500,
    "no number": b"NaN",
    "no word": b"tru",
    "a comma too many": b'{"name":"b",}',
    "a control character": b'{"x":"\x01"}',
}


@pytest.mark.parametrize("damage", UNREADABLE)
@pytest.mark.parametrize("space", [b"", b"  "])
def test_what_a_record_says_costs_no_other_record(damage: str, space: bytes) -> None:
    good = json.dumps(record("a")).encode()
    text = b'{"packages.conda":{%b"b-1.0-0.conda":%b,%b"a-1.0-0.conda":%b}}'
    found = split(text % (space, UNREADABLE[damage], space, good))
    assert bytes(found.names["a"].conda["a-1.0-0.conda"]) == good
    assert bytes(found.names["b"].conda["b-1.0-0.conda"]) == UNREADABLE[damage]


def test_a_file_name_that_cannot_be_read_is_dropped_alone() -> None:
    found = split(b'{"packages":{"\\ud800-1-0.tar.bz2":{},"\xff-1-0.tar.bz2":{},"a-1-0.tar.bz2":{}}}')
    assert list(found.names) == ["a"]
    assert len(found.dropped) == 2
    assert all(file.isascii() and file.isprintable() for file, _ in found.dropped)


def split_or_refuse(document: bytes) -> None:
    with suppress(BadRepodata):
        split(document)


@pytest.mark.parametrize(
    "piece",
    [
        b'"',
        b"[",
        b"{",
        b'{"x":[',
        b'"x-1-0.conda":{},',
        b"\\",
        b'"\\',
        b" ",
        b'"a-1-0.conda":"\\ud800",',
        b"[]",
        b"\xff",
    ],
)
def test_cutting_member_by_member_costs_no_more_than_the_length(piece: bytes) -> None:
    text = b'{"packages.conda":{"y-1-0.conda":"\\ud800",' + piece * (400_000 // len(piece))
    single, double = cpu_s(split_or_refuse, text), cpu_s(split_or_refuse, text + text[44:])
    assert double < 6 * single + 0.1


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


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    "document",
    [BOM + SOUND, SOUND.replace(b'"packages"', BOM + b'"packages"'), SOUND.replace(b":{", b":" + BOM + b"{"),
     SOUND.replace(b"},", b"}" + BOM + b","), SOUND + BOM, BOM + b" " + BOM + SOUND],
    ids=["document", "key", "objects", "commas", "end", "twice"],
)  # fmt: skip
def test_a_byte_order_mark_costs_no_record(document: bytes) -> None:
    found = split(document)
    assert found.names.keys() == {"a", "b"}
    assert not found.dropped
