"""METADATA is read as installers read it, and however it was made to hurt, it costs little."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.metadata import parse_email

from proxy.pypi.core_metadata import description_of, read_fields, same_core_metadata
from tests.support.cost import cpu_s

ONE = b"""Metadata-Version: 2.1
Name: Foo.Bar
Version: 1.0
Summary: one
Requires-Python: >=3.8,<4
Requires-Dist: B_x>=1,<2
Requires-Dist: a; extra == "t"
Provides-Extra: T_x

text
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Summary: one", b"Summary: two"),
        (b"Foo.Bar", b"foo_bar"),
        (b"Version: 1.0", b"Version: 1.0.0"),
        (b">=3.8,<4", b"<4, >=3.8"),
        (b"B_x>=1,<2", b"b-x <2,>=1"),
        (b"T_x", b"t-x"),
        (b"text", b"other"),
    ],
)
def test_a_difference_that_steers_nothing_is_none(old: bytes, new: bytes) -> None:
    assert same_core_metadata(ONE, ONE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Foo.Bar", b"foo"),
        (b"Version: 1.0", b"Version: 1.1"),
        (b">=3.8,<4", b">=3.9,<4"),
        (b'Requires-Dist: a; extra == "t"\n', b""),
        (b"a; extra", b"c; extra"),
        (b"Provides-Extra: T_x\n", b""),
        (b"Requires-Python: >=3.8,<4\n", b"Requires-Python: nonsense\n"),
    ],
)
def test_a_difference_that_steers_the_resolution_is_one(old: bytes, new: bytes) -> None:
    assert not same_core_metadata(ONE, ONE.replace(old, new))


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff\xfe", b"Requires-Dist: ((\nRequires-Python: ~~\nVersion: x y\n"]
)
def test_garbage_is_compared_without_failing(garbage: bytes) -> None:
    assert same_core_metadata(garbage, garbage + b"\n")
    assert not same_core_metadata(garbage, ONE)


LINE = st.one_of(
    st.sampled_from(
        [
            "Name: demo", "Metadata-Version: 2.1", "license:  GPL-3.0-only", "License: MIT", "Summary: a", "",
            "Classifier: License :: OSI Approved :: MIT License", "Requires-Dist: leaf>=1", "requires-dist:twig",
            "  folded", "\tfolded",
            "no field", ": nameless", "From: x", "From somebody", "Provides-Extra: \u00e9", "X\u00e9: odd",
        ]
    ),
    st.text("ab:- \t\u00e9", max_size=12),
)  # fmt: skip


@given(st.lists(LINE, max_size=12), st.sampled_from(["\n", "\r\n", "\r"]))
def test_fields_are_those_that_the_email_parser_reads(lines: list[str], newline: str) -> None:
    metadata = newline.join(lines).encode()
    read, fields = parse_email(metadata)[0], read_fields(metadata)
    for name, field in (("name", "name"), ("license", "license"), ("metadata_version", "metadata-version")):
        assert fields.text(field) == _unified(read.get(name)), metadata
    for name, field in (("classifiers", "classifier"), ("requires_dist", "requires-dist")):
        assert list(fields.texts(field)) == [_unified(text) for text in read.get(name, [])], metadata  # type: ignore[attr-defined]


def _unified(text: object) -> str | None:
    return text.replace("\r\n", "\n").replace("\r", "\n") if isinstance(text, str) else None


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "names": lambda count: b"".join(b"H%d: x\n" % number for number in range(count)),
    "one name": lambda count: b"Requires-Dist: x\n" * count,
    "folds": lambda count: b"License: x\n" + b" y\n" * count,
    "description": lambda count: b"Name: demo\n\n" + b"H: x\n" * count,
}


@pytest.mark.parametrize("made", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_reading_costs_does_not_grow_with_what_was_sent(made: Callable[[int], bytes]) -> None:
    def read(metadata: bytes) -> None:
        read_fields(metadata)
        description_of(metadata)

    small, large = made(200_000), made(1_600_000)
    assert cpu_s(read, large) < 3 * cpu_s(read, small) + 0.05


def test_of_fields_and_requirements_no_more_are_read_than_any_real_file_has() -> None:
    fields = read_fields(HOSTILE["names"](100_000))
    assert len(fields.values) <= 20_000
    many = read_fields(HOSTILE["one name"](100_000))
    assert len(many.requirements) == 4000
    deep = "a; " + "(" * 1000 + "python_version > '3'" + ")" * 1000
    lines = ["leaf", deep, "b" * 5000, "twig"]
    assert read_fields("".join(f"Requires-Dist: {line}\n" for line in lines).encode()).requirements == (
        "leaf",
        "twig",
    )


def test_one_field_that_is_no_text_costs_no_other_of_its_name() -> None:
    fields = read_fields(b"License: \xff\nClassifier: one\nClassifier: \xff\nClassifier: two\nName: demo\n")
    assert (fields.text("license"), fields.texts("classifier")) == (None, ("one", "two"))
    assert fields.text("name") == "demo"
