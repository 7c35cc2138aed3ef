"""Preconditions (RFC 9110, 13): what the conditional headers of a GET or HEAD make of an answer. Pure.

In the RFC's order: If-Match, else If-Unmodified-Since; If-None-Match, else If-Modified-Since; then If-
Range. ETags are given without quotes and are strong; If-None-Match compares weakly, If-Match and If-Range
strongly. A date that cannot be read, and a date where there is no Last-Modified, is as good as absent,
except that an If-Range which cannot be confirmed gives the whole.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

from multidict import MultiMapping, istr

from proxy.web.fields import joined

IF_MATCH = istr("If-Match")
IF_NONE_MATCH = istr("If-None-Match")
IF_MODIFIED_SINCE = istr("If-Modified-Since")
IF_UNMODIFIED_SINCE = istr("If-Unmodified-Since")
IF_RANGE = istr("If-Range")

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')


class Outcome(Enum):
    """What the preconditions decide."""

    SEND = auto()
    NOT_MODIFIED = auto()
    FAILED = auto()


def evaluate(headers: MultiMapping[str], etag: str | None, last_modified: str | None) -> Outcome:
    """Return whether to send the representation, to say 304, or to say 412."""
    if_match = joined(headers, IF_MATCH)
    if if_match is not None:
        if not _lists(if_match, etag, weakly=False):
            return Outcome.FAILED
    elif last_modified and _modified_after(last_modified, headers.get(IF_UNMODIFIED_SINCE)) is True:
        return Outcome.FAILED
    if_none_match = joined(headers, IF_NONE_MATCH)
    if if_none_match is not None:
        return Outcome.NOT_MODIFIED if _lists(if_none_match, etag, weakly=True) else Outcome.SEND
    if last_modified and _modified_after(last_modified, headers.get(IF_MODIFIED_SINCE)) is False:
        return Outcome.NOT_MODIFIED
    return Outcome.SEND


def range_still_holds(if_range: str | None, etag: str | None, last_modified: str | None) -> bool:
    """Return whether a Range may be answered with a part: no If-Range, or one that names these bytes."""
    if if_range is None:
        return True
    condition = if_range.strip(" \t")
    if condition.startswith(('"', "W/")):
        return etag is not None and condition == f'"{etag}"'
    return last_modified is not None and condition == last_modified


def _lists(header: str, etag: str | None, *, weakly: bool) -> bool:
    if header.strip(" \t") == "*":
        return True
    return any(tag == etag and (weakly or not weak) for weak, tag in _TAG.findall(header))


def _modified_after(last_modified: str, since: str | None) -> bool | None:
    """Return whether the first date is later than the second; None where either is missing or no date."""
    if since is None:
        return None
    changed, asked = _date(last_modified), _date(since)
    return None if changed is None or asked is None else changed > asked


def _date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
