"""Requirements and markers from outside: bounded, and one that cannot be read costs nobody else anything."""

import pytest
from packaging.requirements import InvalidRequirement

from proxy.pypi.requirements import is_met, parse_requirement, read_requirement


@pytest.mark.parametrize(
    "text",
    [
        "a" * 4097,
        "a; " + "(" * 100 + "os_name == 'x'" + ")" * 100,
        "a; " + "(" * 5000 + "os_name == 'x'" + ")" * 5000,
        "a[" + "b," * 2100 + "b]",
        "a " + ">1," * 1400 + ">1",
    ],
)
def test_requirement_that_is_too_much_to_read_is_none(text: str) -> None:
    assert read_requirement(text) is None
    with pytest.raises(InvalidRequirement, match="too long, or nested too deep"):
        parse_requirement(text)


def test_real_requirements_are_read() -> None:
    text = 'numpy[fast,more]>=1.26,<3,!=2.0.*; (python_version >= "3.9" and os_name == "posix") or extra == "all"'
    assert str(parse_requirement(text)) == str(read_requirement(text))


@pytest.mark.parametrize(
    "marker",
    ["python_version ~= 'foo'", "os_name ~= 'x'", "'1' ~= '2'", "extra ~= '1'", "python_version > 'foo'"],
)
def test_marker_that_compares_what_cannot_be_compared_holds_nowhere(marker: str) -> None:
    parsed = parse_requirement(f"a; {marker}").marker
    assert parsed is not None
    assert not is_met(parsed, {"python_version": "3.11", "os_name": "posix", "extra": ""})
