"""Facts of a file as pages spell them, made typed. Tolerant: what cannot be read is unknown, never fatal.

Unknown is None or False. Two exceptions to "unknown", on the safe side: a yanked mark of any shape but null
and false is a mark (PEP 592: presence counts), and core-metadata of an odd shape still says that the file is
there.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

from proxy.pypi.links import BadLink, checked_hashes

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z\Z", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_STATUS = re.compile(r"[a-z][a-z-]{0,39}\Z")
#: What JSON, JavaScript and msgpack all carry without loss.
_MAX_INT = 2**53
_MAX_DEPTH = 6


def size_of(value: object) -> int | None:
    """Return a size in bytes given as a JSON number; an index that writes 0 does not know it."""
    return serial_of(value) or None


def serial_of(value: object) -> int | None:
    """Return an index's serial given as a JSON number."""
    return value if type(value) is int and 0 <= value <= _MAX_INT else None


def size_of_text(value: str | None) -> int | None:
    """Return a size in bytes given as an attribute's digits."""
    return size_of(int(value)) if value and len(value) < 17 and value.isascii() and value.isdigit() else None


def upload_time_of(value: object) -> str | None:
    """Return an upload time in PEP 700's form: verbatim, or turned into UTC; None where no zone is given."""
    if not isinstance(value, str) or not 16 <= len(value) <= 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            return None
        if _TIME.match(value):
            return value
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def text_of(value: object) -> str | None:
    """Return the value if it is a text."""
    return value if isinstance(value, str) else None


def line_of(value: object) -> str | None:
    """Return a text for a person on one line, or None for an empty one."""
    return (_CONTROL.sub(" ", value).strip() or None) if isinstance(value, str) else None


@lru_cache(maxsize=4096)
def requires_python_of(value: str | None) -> str | None:
    """Return the specifiers verbatim but for line ends; None for none, or for an absurdly long text."""
    return (_CONTROL.sub(" ", value) if value.strip() else None) if value and len(value) <= 4096 else None


def yanked_of(value: object) -> bool | str:
    """Return the mark of a JSON page."""
    if value is None or value is False:
        return False
    return line_of(value) or True


def core_metadata_of(value: object) -> bool | dict[str, str]:
    """Return the fact of a JSON page: a boolean or an object of digests."""
    if isinstance(value, dict):
        try:
            return (
                checked_hashes({key: digest for key, digest in value.items() if isinstance(key, str)}) or True
            )
        except BadLink:
            return True
    return value is True


def core_metadata_of_text(value: str | None) -> bool | dict[str, str]:
    """Return the fact of an attribute: "true", "<algorithm>=<digest>", or nothing (PEP 714)."""
    text = (value or "").strip()
    if not text or text.lower() == "false":
        return False
    algorithm, equals, digest = text.partition("=")
    return core_metadata_of({algorithm: digest}) if equals else True


def status_of(value: object) -> str | None:
    """Return the word of a project status marker, which may be newer than this program (PEP 792)."""
    word = value.strip().lower() if isinstance(value, str) and value.isascii() else ""
    return word if _STATUS.match(word) else None


def is_plain(value: object, depth: int = 0) -> bool:
    """Tell whether a decoded JSON value can be written in every form: small numbers, and shallow."""
    match value:
        case None | bool() | float() | str():
            return True
        case int():
            return abs(value) <= _MAX_INT
        case list():
            return depth < _MAX_DEPTH and all(is_plain(item, depth + 1) for item in value)
        case dict():
            return depth < _MAX_DEPTH and all(is_plain(item, depth + 1) for item in value.values())
        case _:
            return False


def is_portable(value: object) -> bool:
    """Tell whether an unknown key's value may be passed on: plain, and without a link (design, law 8)."""
    return is_plain(value) and not _has_link(value)


def _has_link(value: object) -> bool:
    match value:
        case str():
            return "//" in value
        case list():
            return any(_has_link(item) for item in value)
        case dict():
            return any(_has_link(item) for pair in value.items() for item in pair)
        case _:
            return False
