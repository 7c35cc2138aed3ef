import pytest

from proxy.pypi.core_metadata import same_core_metadata

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
