"""The canonical path (design, law 1; D03): one reading or a refusal."""

import string
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.web.path import (
    MAX_SEGMENT_CHARS,
    MAX_TARGET_CHARS,
    Refused,
    Target,
    parse_target,
    query_values,
    render,
)

#: What a target is likely to be attacked with, and ordinary text between.
TARGETS = st.lists(
    st.sampled_from(
        [
            "/",
            "//",
            ".",
            "..",
            "%2e",
            "%2E",
            "%2f",
            "%5c",
            "\\",
            "%00",
            "%25",
            "%",
            "%zz",
            ";x",
            "?",
            "#",
            "@",
            "a",
            "B",
            "-",
            "_",
            "~",
            "%41",
            "%20",
            "%c3%a9",
            "é",
            "K",
            "�",
            "\n",
            "http://h",
            "http:",
            "*",
        ]
    ),
    max_size=12,
).map("".join)
SEGMENTS = st.text(
    st.sampled_from(sorted(set(string.printable[:95]) - set("/\\%"))), min_size=1, max_size=20
).filter(lambda text: text not in {".", ".."})


def canonical(target: str) -> Target:
    parsed = parse_target(target)
    assert isinstance(parsed, Target), parsed
    return parsed


@given(TARGETS)
def test_canonical_form_is_a_fixed_point(target: str) -> None:
    parsed = parse_target(target)
    if isinstance(parsed, Target):
        assert canonical(render(parsed.segments)).segments == parsed.segments


@given(TARGETS)
def test_no_segment_can_be_read_twice(target: str) -> None:
    parsed = parse_target(target)
    if isinstance(parsed, Target):
        assert "" not in parsed.segments[:-1]
        for segment in parsed.segments:
            assert segment not in {".", ".."}
            assert segment.isascii()
            assert segment.isprintable()
            assert not set(segment) & set("/\\%")
            assert unquote(segment) == segment


@given(st.lists(SEGMENTS, min_size=1, max_size=6), st.booleans())
def test_every_printable_name_has_a_spelling(names: list[str], ends_in_slash: bool) -> None:
    segments = (*names, "") if ends_in_slash else tuple(names)
    assert canonical("/" + "/".join(quote(name, safe="") for name in segments)).segments == segments


@pytest.mark.parametrize(
    "target",
    [
        "/a/../b", "/a/./b", "/..", "/.", "/a/%2e%2e/b", "/a/.%2E/b", "/%2e", "/a%2fb", "/a%2Fb", "/..%2f..%2fx",
        "//a", "/a//b", "/a//", "/a\\b", "/a%5cb", "/a%00b", "/a%0ab", "/a%7f", "/%252e%252e/", "/a%25b",
        "/%E2%84%AA", "/\u212a", "/%c5%bf", "/\udcff", "/a%", "/a%2", "/a%zz", "/a b", "/a\tb", "", "*", "a/b",
        "http:/a", "http:///a", "ftp://h/a", "host:80", "http://h//a", "http://h/../a",
        "/" + "a" * MAX_TARGET_CHARS, "/" + "a" * (MAX_SEGMENT_CHARS + 1), "/a" * 40,
    ],
)  # fmt: skip
def test_target_with_two_readings_is_refused(target: str) -> None:
    assert isinstance(parse_target(target), Refused)


@pytest.mark.parametrize(
    ("target", "segments", "query"),
    [
        ("/", ("",), ""),
        ("/simple/a/", ("simple", "a", ""), ""),
        ("/simple/a", ("simple", "a"), ""),
        ("/a;v=1/b", ("a;v=1", "b"), ""),
        ("/%41%2Db", ("A-b",), ""),
        ("/a%20b", ("a b",), ""),
        ("/a%3Fb%23c", ("a?b#c",), ""),
        ("/a?x=%2F..//&y", ("a",), "x=%2F..//&y"),
        ("/a#x?y=1", ("a",), ""),
        ("/torch-2.0%2Bcpu.whl", ("torch-2.0+cpu.whl",), ""),
        ("/1!2.0.tar.gz", ("1!2.0.tar.gz",), ""),
        ("http://evil.example/a/b?c=1", ("a", "b"), "c=1"),
        ("HTTPS://u:p@evil.example:1/a", ("a",), ""),
        ("http://evil.example", ("",), ""),
        ("http://evil.example?q=1", ("",), "q=1"),
    ],
)
def test_target_with_one_reading_is_taken_apart(target: str, segments: tuple[str, ...], query: str) -> None:
    assert parse_target(target) == Target(segments, query)


def test_refusal_repeats_nothing_of_the_target() -> None:
    refused = parse_target("/t/SECRETKEY/%00")
    assert isinstance(refused, Refused)
    assert "SECRETKEY" not in refused.reason


def test_query_field_is_decoded_and_repeated_values_keep_their_order() -> None:
    assert query_values("format=a%2Fb&x=1&format=c+d&format", "format") == ["a/b", "c d", ""]


@pytest.mark.parametrize("query", ["x=%ff", "&".join(["x=1"] * 100), ""])
def test_query_that_cannot_be_read_has_no_fields(query: str) -> None:
    assert query_values(query, "x") == []
