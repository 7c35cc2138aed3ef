"""Units: durations, sizes and rates as people write them (contract, section 1), and back.

Durations are `30s 10m 24h 7d` (also `ms` and `w`), sizes `64 KiB 50 GiB` (also decimal `MB`), a rate is `1
KiB/s over 30s`. A duration is exact to the millisecond, a size to the byte, and what `format_*` writes is
what `parse_*` reads. A bare number is a size in bytes but never a duration, because half of the world would
mean minutes. Every refusal is a ValueError whose text can be shown to a person.
"""

import re
from decimal import Decimal

from proxy.config.settings import Rate

_QUANTITY = re.compile(r"\s*([0-9]{1,20}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)\s*\Z")

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_BINARY = {"TiB": 1024**4, "GiB": 1024**3, "MiB": 1024**2, "KiB": 1024, "B": 1}
_BYTES = {name.lower(): size for name, size in _BINARY.items()} | {
    "": 1,
    "k": 1024,
    "m": 1024**2,
    "g": 1024**3,
    "t": 1024**4,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
}

#: A hundred years; more is a slip of the finger and overflows timers.
_LONGEST_MS = 100 * 366 * _MILLISECONDS["d"]
_LARGEST_BYTES = 1024**6


def _quantity(text: str, example: str) -> tuple[Decimal, str]:
    match = _QUANTITY.match(text)
    if match is None:
        raise ValueError(f"must be a number with a unit, such as {example}")
    return Decimal(match[1]), match[2]


def parse_duration(text: str) -> float:
    """Return the seconds of a text such as "10m"; zero needs no unit."""
    number, unit = _quantity(text, '"30s", "10m", "24h" or "7d"')
    if not unit and number == 0:
        return 0.0
    if unit.lower() not in _MILLISECONDS:
        known = "ms, s, m, h, d or w"
        raise ValueError(f"needs a unit ({known})" if not unit else f"has no known unit ({known})")
    milliseconds = round(number * _MILLISECONDS[unit.lower()])
    if milliseconds > _LONGEST_MS:
        raise ValueError("is longer than a hundred years")
    return milliseconds / 1000


def format_duration(seconds: float) -> str:
    """Return the shortest exact form in whole units."""
    milliseconds = round(seconds * 1000)
    for unit in ("d", "h", "m", "s"):
        if milliseconds and milliseconds % _MILLISECONDS[unit] == 0:
            return f"{milliseconds // _MILLISECONDS[unit]}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def parse_size(text: str) -> int:
    """Return the bytes of a text such as "50 GiB"; a number without a unit is bytes."""
    number, unit = _quantity(text, '"64 KiB" or "50 GiB"')
    if unit.lower() not in _BYTES:
        raise ValueError("has no known unit (B, KiB, MiB, GiB, TiB; or KB, MB, GB, TB in thousands)")
    size = round(number * _BYTES[unit.lower()])
    if size > _LARGEST_BYTES:
        raise ValueError("is larger than an exbibyte")
    return size


def format_size(size: int) -> str:
    """Return the size in the largest binary unit that divides it."""
    for unit, factor in _BINARY.items():
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return "0 B"


def parse_bandwidth(text: str) -> float:
    """Return the bytes per second of a text such as "10 MiB/s"."""
    amount, slash, per = text.partition("/")
    if not slash or per.strip() != "s":
        raise ValueError('must be a size per second, such as "10 MiB/s"')
    return float(parse_size(amount))


def format_bandwidth(bytes_per_s: float) -> str:
    return f"{format_size(round(bytes_per_s))}/s"


def parse_rate(text: str) -> Rate:
    """Return the rate of a text such as "1 KiB/s over 30s"."""
    speed, over, window = text.partition(" over ")
    if not over:
        raise ValueError('must be a speed and a time, such as "1 KiB/s over 30s"')
    seconds = parse_duration(window)
    if seconds <= 0:
        raise ValueError("needs a time above zero after 'over'")
    return Rate(parse_bandwidth(speed), seconds)


def format_rate(rate: Rate) -> str:
    return f"{format_bandwidth(rate.bytes_per_s)} over {format_duration(rate.window_s)}"
