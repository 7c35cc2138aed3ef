"""Response headers: which of them pass, and what the few that decide something say.

Only names on the list get in (design, law 2): `Set-Cookie`, `Refresh`, `Link`, `*-Authenticate` and
whatever else an origin sends stop here. Values are bounded and printable ASCII. Dates and ranges follow RFC
9110.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

ALLOWED = frozenset(
    {
        "accept-ranges",
        "age",
        "cache-control",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "etag",
        "last-modified",
        "retry-after",
        "x-pypi-last-serial",
    }
)

_LISTS = frozenset({"accept-ranges", "cache-control", "content-encoding"})
_LONGEST_VALUE = 1024
_PRINTABLE = re.compile(r"[\x20-\x7e]*\Z")
_STRONG = re.compile(r'"[\x21\x23-\x7e]*"\Z')
_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)\Z")
_DIGITS = re.compile(r"\d{1,19}\Z", re.ASCII)
_LONGEST_WAIT_S = 86400


@dataclass(frozen=True, slots=True)
class ContentRange:
    """`start` (included) to `stop` (not included) of `total`; start is None for `bytes */N` (416)."""

    start: int | None
    stop: int | None
    total: int | None


def passed(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the allowed fields with lower-case names: all lines of a list (RFC 9110, 5.3), the first of another."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        lowered = name.lower()
        if lowered not in ALLOWED or len(value) > _LONGEST_VALUE or not _PRINTABLE.match(value):
            continue
        if lowered in kept and lowered in _LISTS:
            kept[lowered] = f"{kept[lowered]}, {value.strip()}"[:_LONGEST_VALUE]
        kept.setdefault(lowered, value.strip())
    return kept


def age_s(headers: Mapping[str, str]) -> int:
    """Return for how long the answer has lain in caches on its way (RFC 9111, 5.1), 0 where that is not told."""
    text = headers.get("age", "")
    return int(text) if _DIGITS.match(text) else 0


def is_for_one_only(headers: Mapping[str, str]) -> bool:
    """Return whether a cache for many must not answer from a copy by itself: `no-store`, `private` (RFC 9111, 5.2.2).

    `private` with names of fields is about these fields only.
    """
    directives = {part.strip().lower() for part in headers.get("cache-control", "").split(",")}
    return not directives.isdisjoint(("no-store", "private"))


def strong_etag(headers: Mapping[str, str]) -> str | None:
    """Return the ETag if it is a strong one: the only kind that may join two parts of a file."""
    tag = headers.get("etag", "")
    return tag if _STRONG.match(tag) else None


def length(headers: Mapping[str, str]) -> int | None:
    """Return Content-Length, if it is there and a number."""
    text = headers.get("content-length", "")
    return int(text) if _DIGITS.match(text) else None


def content_range(headers: Mapping[str, str]) -> ContentRange | None:
    """Return Content-Range, or None when it is missing or says nothing that can be true."""
    found = _RANGE.match(headers.get("content-range", ""))
    if found is None:
        return None
    total = None if found[3] == "*" else int(found[3])
    if found[1] is None:
        return ContentRange(None, None, total)
    start, stop = int(found[1]), int(found[2]) + 1
    if start >= stop or (total is not None and stop > total):
        return None
    return ContentRange(start, stop, total)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> int | None:
    """Return Retry-After in seconds from now, either form, between 0 and a day; None if there is none."""
    text = headers.get("retry-after", "").strip()
    if _DIGITS.match(text):
        return min(int(text), _LONGEST_WAIT_S)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return min(max(0, round((aware - now).total_seconds())), _LONGEST_WAIT_S)
