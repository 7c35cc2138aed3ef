import json

import pytest

from proxy.pypi.damage import read_damaged
from proxy.pypi.page import BadPage
from tests.pypi.build import FILES, SHA, blake_path, file_entry, json_page, one_json, parse_json
from tests.support.cost import assert_linear

WHEEL = "foo-1.0-py3-none-any.whl"


def test_every_fact_of_the_standard_is_read() -> None:
    entry = file_entry(
        WHEEL,
        size=12,
        upload_time="2024-01-02T03:04:05.123456Z",
        requires_python=">=3.8",
        yanked="broken",
        core_metadata={"sha256": SHA},
        provenance="https://index.example/integrity/x",
    )
    body = json_page(
        entry,
        meta={"api-version": "1.4", "_last-serial": 77},
        versions=["1.0", "0.9"],
        project_status={"status": "archived", "reason": "done"},
    )
    project = parse_json(body).project
    (file,) = project.files
    assert file.url == f"{FILES}{blake_path(WHEEL)}"
    assert file.path == f"packages/{blake_path(WHEEL)}"
    assert (file.size, file.upload_time, file.requires_python) == (12, "2024-01-02T03:04:05.123456Z", ">=3.8")
    assert (file.yanked, file.core_metadata) == ("broken", {"sha256": SHA})
    assert file.provenance == "https://index.example/integrity/x"
    assert (project.versions, project.serial, project.api_version) == (("1.0", "0.9"), 77, "1.4")
    assert (project.status, project.status_reason) == ("archived", "done")


def test_missing_meta_name_and_versions_are_tolerated() -> None:
    body = json.dumps({"files": [{"filename": WHEEL, "url": WHEEL}]}).encode()
    project = parse_json(body).project
    assert (project.api_version, project.versions, project.files[0].hashes) == ("1.0", (), {})


@pytest.mark.parametrize("value", [None, "12", -1, 0, 1.5, True, [], 2**60])
def test_a_size_that_is_no_size_is_unknown(value: object) -> None:
    assert one_json(size=value).size is None


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05.1Z", "2024-01-02T03:04:05.1Z"),
        ("2024-01-02T03:04:05+00:00", "2024-01-02T03:04:05Z"),
        ("2024-01-02T05:04:05.5+02:00", "2024-01-02T03:04:05.500000Z"),
        ("2024-01-02T03:04:05", None),
        ("2024-13-02T03:04:05Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
        (None, None),
        (1700000000, None),
    ],
)
def test_upload_times_are_utc_or_unknown(value: object, time: str | None) -> None:
    assert one_json(upload_time=value).upload_time == time


@pytest.mark.parametrize(
    ("value", "yanked"),
    [
        (None, False),
        (False, False),
        (True, True),
        ("why", "why"),
        ("", True),
        (" ", True),
        (1, True),
        ({}, True),
    ],
)
def test_a_yanked_mark_of_any_shape_is_a_mark(value: object, yanked: bool | str) -> None:
    assert one_json(yanked=value).yanked == yanked


@pytest.mark.parametrize(
    ("keys", "fact"),
    [
        ({"core_metadata": None}, False),
        ({"core_metadata": False}, False),
        ({"core_metadata": True}, True),
        ({"core_metadata": {}}, True),
        ({"core_metadata": {"sha256": "zz"}}, True),
        ({"core_metadata": "yes"}, False),
        ({"data_dist_info_metadata": {"sha256": SHA}}, {"sha256": SHA}),
        ({"dist_info_metadata": True}, True),
        ({"core_metadata": False, "data_dist_info_metadata": {"sha256": SHA}}, False),
    ],
)
def test_core_metadata_is_read_under_its_names(keys: dict[str, object], fact: object) -> None:
    assert one_json(**keys).core_metadata == fact


@pytest.mark.parametrize("value", [None, "", " ", 3, "\n", ">" * 5000])
def test_requires_python_of_no_use_is_unknown(value: object) -> None:
    assert one_json(requires_python=value).requires_python is None


def test_a_line_end_in_requires_python_does_not_reach_a_tag() -> None:
    assert one_json(requires_python=">=3.6,\n!=3.7").requires_python == ">=3.6, !=3.7"


def test_an_unparsable_requires_python_is_passed_on_verbatim() -> None:
    assert one_json(requires_python=">=3.6.*").requires_python == ">=3.6.*"


def test_unknown_keys_are_kept_but_not_private_ones_namespaces_and_links() -> None:
    file = one_json(
        _secret=1,
        gpg_sig=True,
        namespaces=[{"name": "foo"}],
        colour={"a": [1, None, 1.5]},
        mirror="https://elsewhere.example/f.whl",
        huge=2**70,
        deep=[[[[[[[[1]]]]]]]],
    )
    assert file.extra == {"colour": {"a": [1, None, 1.5]}}


def test_hashes_may_be_missing_null_or_of_unknown_kinds() -> None:
    assert one_json(hashes=None).hashes == {}
    assert one_json(hashes={"sha3_256": "ab" * 32}).hashes == {"sha3_256": "ab" * 32}
    assert one_json(hashes=[]).path.startswith("packages/")


def test_a_relative_url_is_resolved_against_the_page() -> None:
    assert one_json(url=f"../../packages/{WHEEL}").url == f"https://index.example/packages/{WHEEL}"


def test_a_url_that_does_not_end_with_the_name_is_served_by_digest() -> None:
    file = one_json(url="https://index.example/download/7?id=1")
    assert (file.path, file.url) == (f"files/{SHA}/{WHEEL}", "https://index.example/download/7?id=1")


def test_defective_entries_are_dropped_and_told() -> None:
    entries: list[object] = [
        file_entry(WHEEL),
        None,
        {"filename": "foo-2.0.tar.gz"},
        {"url": "x"},
        file_entry("foo-2.0.tar.gz", url="javascript:x"),
        file_entry("../foo-2.0.tar.gz"),
        file_entry("bar-2.0.tar.gz"),
        file_entry(WHEEL, url="https://elsewhere.example/x"),
        file_entry("foo-2.0.tar.gz", hashes={"sha256": "abc"}),
        file_entry("foo-2.0.txt"),
    ]
    parsed = parse_json(json_page(*entries))
    assert [file.filename for file in parsed.project.files] == [WHEEL]
    assert parsed.dropped == (
        ("?", "an entry that is no object"),
        ("foo-2.0.tar.gz", "an entry without a name or a link"),
        ("?", "an entry without a name or a link"),
        ("foo-2.0.tar.gz", "the scheme 'javascript'"),
        ("../foo-2.0.tar.gz", "a name that cannot be served"),
        ("bar-2.0.tar.gz", "a file of another project"),
        (WHEEL, "listed twice"),
        ("foo-2.0.tar.gz", "a damaged sha256"),
        ("foo-2.0.txt", "not a distribution"),
    )


def test_names_are_told_without_control_characters() -> None:
    parsed = parse_json(json_page(file_entry(WHEEL), file_entry("\x1b[31m\n\u202e.whl")))
    assert parsed.dropped[0][0] == "\\x1b[31m\\n\\u202e.whl"


def test_an_empty_list_is_an_empty_project() -> None:
    project = parse_json(json_page(project_status={"status": "Quarantined"})).project
    assert (project.files, project.status) == ((), "quarantined")


def test_the_status_may_stand_in_meta_or_be_a_bare_word() -> None:
    in_meta = json_page(meta={"api-version": "1.4", "project-status": {"status": "deprecated"}})
    assert parse_json(in_meta).project.status == "deprecated"
    assert parse_json(json_page(project_status="archived")).project.status == "archived"
    assert parse_json(json_page(project_status={"status": 3, "reason": []})).project.status is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"null",
        b"[]",
        b"{}",
        b'{"files": {}}',
        b'{"files": null}',
        b'{"files": [1, 2]}',
        b'{"files": [{"filename": 1, "url": 2}]}',
        b'{"message": "sign in"}',
        b'{"files": [',
        json_page(file_entry(WHEEL))[:-1],
        json_page(file_entry(WHEEL)).replace(b"foo", b"\xff\xff\xff"),
        b'{"files": [{"filename": "foo-1.0.tar.gz", "url": "x", }]}',
        b'{"files": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"files": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"files": [], "x": "\\ud800"}',
        b"<html></html>",
        json_page(file_entry("bar-1.0.tar.gz"), name="bar"),
        json_page(name="f\u2028"),
    ],
)
def test_a_body_that_is_no_page_is_never_an_empty_project(body: bytes) -> None:
    with pytest.raises(BadPage):
        parse_json(body)


_FIELDS = (
    "filename", "url", "hashes", "requires-python", "size", "upload-time", "yanked", "core-metadata",
    "data-dist-info-metadata", "provenance", "gpg-sig", "x-other",
)  # fmt: skip
#: What no decoder takes; the entry goes, and no other.
_UNREADABLE = {
    "half a character": b'"\\ud800"', "halves in the wrong order": b'"\\udc00\\ud800"', "no UTF-8": b'"\xff"',
    "half a sequence": b'"\xe2\x82"', "a surrogate as bytes": b'"\xed\xa0\x80"', "no escape": b'"\\x41"',
    "half an escape": b'"\\u12"', "a number of 5,000 digits": b"9" * 5000, "a number out of range": b"1e999",
    "NaN": b"NaN", "-Infinity": b"-Infinity", "too deep": b"[" * 3000 + b"]" * 3000,
    "too deep objects": b'{"a":' * 1500 + b"1" + b"}" * 1500,
    "too deep, with brackets in texts": b'["]",' * 2000 + b"1" + b"]" * 2000,
}  # fmt: skip
#: What a decoder takes and the standard does not; the entry stays, or goes alone.
_ODD = {
    "null": b"null", "true": b"true", "false": b"false", "a number": b"3", "a fraction": b"1.5",
    "a large number": b"1" * 40,
    "negative": b"-1", "an empty text": b'""', "a long text": b'"' + b"x" * 70_000 + b'"', "a list": b"[]",
    "an object": b"{}",
    "lists": b"[[[[[[[[[[1]]]]]]]]]]", "a key twice": b'{"sha256": "00", "sha256": "11"}',
    "control characters": b'"\\u0000\\n"',
    "a raw line end": b'"a\nb"', "signs that turn": b'"\\u202e"',
}  # fmt: skip


def _two(field: str, value: bytes) -> bytes:
    """Return a page of two files, the first with the value in the field, which is there twice if it is known."""
    head = b'"filename": "foo-2.0.tar.gz", "url": "foo-2.0.tar.gz"'
    bad = b'{%b, "%b": %b}' % (head, field.encode(), value)
    good = b'{"filename": "%b", "url": "%b"}' % (WHEEL.encode(), WHEEL.encode())
    return b'{"meta": {"api-version": "1.1"}, "name": "foo", "files": [%b, %b], "versions": ["1.0"]}' % (
        bad,
        good,
    )


@pytest.mark.parametrize("field", _FIELDS)
@pytest.mark.parametrize("damage", _UNREADABLE)
def test_an_entry_that_cannot_be_read_costs_no_other(field: str, damage: str) -> None:
    parsed = parse_json(_two(field, _UNREADABLE[damage]))
    assert [file.filename for file in parsed.project.files] == [WHEEL]
    assert (parsed.project.versions, parsed.project.api_version) == (("1.0",), "1.1")
    assert len(parsed.dropped) == 1


@pytest.mark.parametrize("field", _FIELDS)
@pytest.mark.parametrize("damage", _ODD)
def test_an_odd_value_in_an_entry_costs_no_other(field: str, damage: str) -> None:
    parsed = parse_json(_two(field, _ODD[damage]))
    assert WHEEL in [file.filename for file in parsed.project.files]
    assert len(parsed.project.files) + len(parsed.dropped) == 2


@pytest.mark.parametrize(
    "key", ["meta", "name", "versions", "project-status", "x-other", "alternate-locations"]
)
@pytest.mark.parametrize("damage", [*_UNREADABLE, *_ODD])
def test_damage_beside_the_files_costs_none(key: str, damage: str) -> None:
    value = {**_UNREADABLE, **_ODD}[damage]
    body = b'{"files": [{"filename": "%b", "url": "%b"}], "%b": %b}' % (
        WHEEL.encode(),
        WHEEL.encode(),
        key.encode(),
        value,
    )
    assert [file.filename for file in parse_json(body).project.files] == [WHEEL]


@pytest.mark.parametrize("unit", ['"', "[", "{", '"[', '\\"', "\\", '"",', "]", "a"])
def test_cost_of_damage_is_linear(unit: str) -> None:
    assert_linear(read_damaged, lambda n: b'{"files": ["\\ud800", ' + unit.encode() * n + b'"]}', 100_000)


@pytest.mark.parametrize(
    ("version", "read"),
    [
        ("1.0", "1.0"), ("1.99", "1.99"), (1.4, "1.4"), ("1", "1.0"), (1, "1.0"), ("1.2.3", "1.2"), (" 1.1 ", "1.1"),
        ("", "1.0"), (None, "1.0"), ([], "1.0"), ("v1.1", "1.1"), (True, "1.0"),
        ("v2", None), ("2.0", None), ("x", None), (2, None), ("2", None), ("11", None),
    ],
)  # fmt: skip
def test_another_major_version_is_refused(version: object, read: str | None) -> None:
    body = json_page(file_entry(WHEEL), meta={"api-version": version})
    if read is not None:
        assert parse_json(body).project.api_version == read
    else:
        with pytest.raises(BadPage, match="api-version"):
            parse_json(body)


def test_of_duplicate_keys_the_last_counts_and_nothing_breaks() -> None:
    body = b'{"name": "foo", "name": "foo", "files": [{"filename": "%b", "url": "%b"}]}'
    assert len(parse_json(body % (WHEEL.encode(), WHEEL.encode())).project.files) == 1


def test_of_two_lists_of_files_the_last_counts() -> None:
    entry = b'{"filename": "%b", "url": "%b"}' % (WHEEL.encode(), WHEEL.encode())
    for first in (b"[]", b'[{"filename": "foo-2.0.tar.gz", "url": "x"}]', b"null", b'"\\ud800"'):
        parsed = parse_json(b'{"files": %b, "files": [%b]}' % (first, entry))
        assert [file.filename for file in parsed.project.files] == [WHEEL]


@pytest.mark.parametrize(
    "name", ["", " ", "root/pypi/foo", "root/pypi", "Foo", " foo ", "\u202e", "foo project", None, 3]
)
def test_a_name_that_is_none_is_no_other_projects(name: object) -> None:
    assert len(parse_json(json_page(file_entry(WHEEL), name=name)).project.files) == 1


def test_an_empty_list_of_a_path_before_the_name_is_an_empty_project() -> None:
    assert parse_json(json_page(name="root/pypi/foo")).project.files == ()
    with pytest.raises(BadPage, match="whose"):
        parse_json(json_page(name="root/pypi"))


def test_a_byte_order_mark_in_front_of_json_is_no_harm() -> None:
    assert len(parse_json(b"\xef\xbb\xbf" + json_page(file_entry(WHEEL))).project.files) == 1


@pytest.mark.parametrize(
    "body", [b'{"name": "foo", "files": []}', b'{"meta": {"api-version": "1.0"}, "files": []}']
)
def test_an_empty_list_must_say_whose_it_is(body: bytes) -> None:
    with pytest.raises(BadPage, match="whose"):
        parse_json(body)


def test_versions_of_odd_types_are_left_out() -> None:
    assert parse_json(json_page(versions=["1.0", 2, None, "1.0", "a\nb"])).project.versions == ("1.0",)
    assert parse_json(json_page(versions="1.0")).project.versions == ()
