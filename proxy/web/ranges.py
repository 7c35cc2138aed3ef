"""Byte ranges (RFC 9110, 14): which part of a representation a Range header asks for. Pure.

One range is answered: closed, open or suffix. Several ranges, another unit and a malformed header are
answered with the whole, as the RFC allows; a range beyond the end, and `bytes=-0`, cannot be satisfied.
"""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"([0-9]{0,4000})-([0-9]{0,4000})\Z")


@dataclass(frozen=True, slots=True)
class Whole:
    """All bytes: there is no range, or none that is answered."""


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of [start, stop)."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """The range lies outside: 416 with the size."""


WHOLE = Whole()
UNSATISFIABLE = Unsatisfiable()


def select_range(header: str | None, size: int) -> Whole | Part | Unsatisfiable:
    """Return what a Range header asks for of `size` bytes."""
    spec = _only_range(header) if header else None
    if spec is None:
        return WHOLE
    first, last = spec
    if first is None:
        wanted = last or 0
        return Part(max(0, size - wanted), size) if wanted and size else UNSATISFIABLE
    if last is not None and last < first:
        return WHOLE
    if first >= size:
        return UNSATISFIABLE
    return Part(first, size if last is None else min(last + 1, size))


def _only_range(header: str) -> tuple[int | None, int | None] | None:
    """Return (first, last) of the header's only range, a suffix as (None, length), or None."""
    unit, _, ranges = header.partition("=")
    wanted = [spec.strip(" \t") for spec in ranges.split(",") if spec.strip(" \t")]
    if unit.strip(" \t").lower() != "bytes" or len(wanted) != 1:
        return None
    match = _RANGE.match(wanted[0])
    if match is None or match.group(0) == "-":
        return None
    first, last = match.groups()
    return int(first) if first else None, int(last) if last else None
