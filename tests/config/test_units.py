import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import units
from proxy.config.settings import Rate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("10m", 600),
        ("24h", 86400),
        ("7d", 604800),
        ("250ms", 0.25),
        ("1.5h", 5400),
        (" 2 w ", 1209600),
    ],
)
def test_durations_are_read_in_every_unit(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64 KiB", 65536),
        ("50 GiB", 50 * 1024**3),
        ("10MB", 10_000_000),
        ("7", 7),
        ("0.5 MiB", 524288),
        ("2 tib", 2 * 1024**4),
    ],
)
def test_sizes_are_read_in_every_unit(text: str, size: int) -> None:
    assert units.parse_size(text) == size


def test_rate_is_a_speed_over_a_time() -> None:
    assert units.parse_rate("1 KiB/s over 30s") == Rate(1024.0, 30.0)


@pytest.mark.parametrize(
    "text", ["", "10", "ten minutes", "-5s", "5 parsecs", "1e9s", "99999d 1h", "1" * 400 + "s", "٣s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|unit|hundred"):
        units.parse_duration(text)


def test_a_duration_of_centuries_is_refused() -> None:
    with pytest.raises(ValueError, match="hundred years"):
        units.parse_duration("99999d")


@pytest.mark.parametrize("text", ["", "much", "-1 KiB", "5 KiBit", "99999999 TiB", "1_000"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|unit|exbibyte"):
        units.parse_size(text)


@pytest.mark.parametrize("text", ["1 KiB/s", "1 KiB over 30s", "1 KiB/s over 0s", "1 KiB/m over 30s", "over"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|above zero"):
        units.parse_rate(text)


@given(st.integers(0, 100 * 365 * 86_400_000))
def test_any_duration_survives_being_written_and_read(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert units.parse_duration(units.format_duration(seconds)) == seconds


@given(st.integers(0, 1024**5))
def test_any_size_survives_being_written_and_read(size: int) -> None:
    assert units.parse_size(units.format_size(size)) == size


@given(st.integers(1, 1024**4), st.integers(1, 10**9))
def test_any_rate_survives_being_written_and_read(speed: int, milliseconds: int) -> None:
    rate = Rate(float(speed), milliseconds / 1000)
    assert units.parse_rate(units.format_rate(rate)) == rate


@given(st.text(max_size=40))
def test_no_text_whatever_breaks_the_readers(text: str) -> None:
    for parse in (units.parse_duration, units.parse_size, units.parse_rate, units.parse_bandwidth):
        try:
            parse(text)
        except ValueError as err:
            assert str(err)
