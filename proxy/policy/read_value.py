"""How one value of a policy's table is read: a typed value, or Refused with words for a person."""

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime

from proxy.policy.license_words import BadLicenseWord, parse_word
from proxy.policy.platforms import KNOWN, may_be_platform
from proxy.policy.wording import listed, quoted

Read = Callable[[object], object]
_PYTHON = re.compile(r"[23]\.\d{1,2}\Z")
_LARGEST = 1024**6


class Refused(Exception):
    """A value is not what its key needs; each part is (place inside the value, why)."""

    def __init__(self, *parts: tuple[str, str]) -> None:
        self.parts = parts
        super().__init__(parts)


def refused(message: str) -> Refused:
    """Return the refusal of a whole value."""
    return Refused(("", message))


def text(value: object) -> str:
    """Return a line of text that is not empty."""
    if not isinstance(value, str):
        raise refused("must be a string")
    if not value.strip() or not value.isprintable():
        raise refused("must be one line of text, not empty")
    return value.strip()


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise refused("must be true or false")
    return value


def count(value: object) -> int:
    """Return a whole number from 0 up."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise refused("must be a whole number, 0 or above")
    return value


def size(value: object) -> int:
    """Return a number of bytes."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST:
        raise refused("must be a size above zero")
    return value


def seconds(most: float) -> Read:
    """Return the reader of a duration in seconds."""

    def read(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
            raise refused("must be a duration of at most a hundred years")
        return float(value)

    return read


def choice(*words: str) -> Read:
    """Return the reader of one of some words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            shown = quoted(value) if isinstance(value, str) else "something else"
            raise refused(f"must be one of {', '.join(words)}, not {shown}")
        return value

    return read


def day(value: object) -> date:
    """Return a day, given as one or as YYYY-MM-DD."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError as err:
            raise refused("must be a day, such as 2027-01-31") from err
    if not isinstance(value, date) or isinstance(value, datetime):
        raise refused("must be a day without a time, such as 2027-01-31")
    if value.year > 9990:
        raise refused("must be before the year 9991")
    return value


def texts(item: Read, *, may_be_empty: bool = True) -> Read:
    """Return the reader of a list; what is given twice counts once."""

    def read(value: object) -> tuple[object, ...]:
        if not isinstance(value, list | tuple):
            raise refused("must be a list")
        if not value and not may_be_empty:
            raise refused("must not be empty: leave it out, and it restricts nothing")
        found, parts = [], []
        for place, each in enumerate(value):
            try:
                found.append(item(each))
            except Refused as err:
                parts += [(f"[{place}]{where}", why) for where, why in err.parts]
        if parts:
            raise Refused(*parts)
        return tuple(dict.fromkeys(found))

    return read


def platform(value: object) -> str:
    """Return a platform, conda's words."""
    word = text(value)
    if word not in KNOWN and (not may_be_platform(word) or nearest(word, KNOWN, cutoff=0.85)):
        raise refused(f"{quoted(word)} is no platform{nearest(word, KNOWN)}")
    return word


def python_version(value: object) -> str:
    """Return a Python's X.Y."""
    if isinstance(value, float):
        raise refused(f'must be a string: write "{value}" in quotes, with all of its digits')
    word = text(value)
    if not _PYTHON.match(word):
        raise refused(f'{quoted(word)} is no version of Python such as "3.12"')
    return word


def license_word(value: object) -> str:
    """Return a word of a licence block list."""
    word = text(value)
    try:
        parse_word(word)
    except BadLicenseWord as err:
        raise refused(str(err)) from err
    return word


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return ', did you mean "x"?' for a misspelt word, else the words if they are few, else nothing."""
    import difflib

    names = sorted(known)
    close = difflib.get_close_matches(word.lower().replace("-", "_"), names, n=1, cutoff=cutoff)
    close = close or difflib.get_close_matches(word.lower(), names, n=1, cutoff=cutoff)
    if close:
        return f', did you mean "{close[0]}"?'
    return f" (there is {listed(names)})" if len(names) <= 6 and cutoff < 0.7 else ""
