"""Damage in a JSON page: what no decoder takes is cut out of it, so that one entry never costs another.

Used where the strict decoder has refused a body, never before. Bytes that are no UTF-8, escapes that are none and
values that are nested too deep become half a character (a lone surrogate), which no other JSON can say; whatever holds
one, or a number that is none, is left out alone.
"""

import json
import math
import re
from typing import NamedTuple

#: Deeper than any page that is one; an entry that is deeper is left out.
DEEPEST = 64
#: Longer numbers are not read: Python refuses those of more than 4,300 digits.
_MOST_DIGITS = 1000
#: Everything up to a bracket that stands in no text, or to the end: it never fails, so nothing is read twice.
_BRACKET = re.compile(r'(?:"(?:[^"\\]++|\\.)*+"?+|[^"\[\]{}]++)*+([\[\]{}]|\Z)', re.DOTALL)
#: An escape; the group is set for one that JSON has not.
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}|(.?))', re.DOTALL)
#: A text that cannot be written down again.
_MARK = '"\\ud800"'
_BOM = b"\xef\xbb\xbf"


class Unreadable(NamedTuple):
    """A value that cannot be written down again, with the file's name if it is an entry that tells one."""

    filename: str = "?"


def read_damaged(body: bytes) -> dict[str, object] | None:
    """Return the object that the body holds, None where it holds none in any reading.

    Of every key, and of every entry of `files`, a value that no other JSON could say is `Unreadable`. Linear in the
    body's length.
    """
    text = body.removeprefix(_BOM).decode("utf-8", "surrogateescape")
    try:
        told = json.loads(_shallow(_escaped(text)), parse_int=_number, strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    return {
        key: list(map(_sayable, value)) if isinstance(value, list) else _sayable(value)
        for key, value in told.items()
    }


def _escaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: found[0] if found[1] is None else "\\ud800", text)


def _shallow(text: str) -> str:
    """Return the text with a mark for every value that is nested deeper than `DEEPEST`."""
    kept: list[str] = []
    depth = start = 0
    for found in _BRACKET.finditer(text):
        if not found[1]:
            break
        if found[1] in "[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(text[start : found.start(1)])
        else:
            if depth == DEEPEST + 1:
                kept.append(_MARK)
                start = found.end(1)
            depth -= 1
    if not kept:
        return text
    return "".join((*kept, text[start:] if depth <= DEEPEST else ""))


def _sayable(value: object) -> object:
    """Return the value if it can be written down as JSON again."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        name = value.get("filename") if isinstance(value, dict) else None
        return Unreadable(name if isinstance(name, str) else "?")
    return value


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else math.inf
