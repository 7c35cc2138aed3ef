"""Members: the members of a JSON object, found one by one, whatever is inside of them.

The slow way to cut an index (proxy.conda.split), for the one that a decoder refuses because of a single value: a lone
surrogate, bytes that are no UTF-8, a tower of brackets, a key that stands twice. Only strings and brackets are looked
at, so that one value never costs another; whether a value can be read is decided by whoever reads it. Cost is linear
in the text, and there is no recursion.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

#: A byte order mark between two members is no more than a blank: it must not cost a channel.
_SPACE = re.compile(rb"(?:[ \t\r\n]|\xef\xbb\xbf)*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
#: A string, a bracket, or the quote of a string that does not end.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{}]', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,:\[\]{}"]++')
_QUOTE, _OPEN, _CLOSED = 0x22, {0x7B: 0x7D, 0x5B: 0x5D}, frozenset({0x7D, 0x5D})
_BRACKETS = b"[]{}"
_OTHERS = bytes(byte for byte in range(256) if byte not in _BRACKETS)


class BadObject(ValueError):
    """The text is no JSON object: its strings or brackets do not end where they should."""


class Member(NamedTuple):
    """One member. `key` is None where it cannot be read; `spelled` is how it stands in the text, with its quotes."""

    key: str | None
    spelled: bytes
    value: bytes


def members(text: bytes | bytearray) -> Iterator[Member]:
    """Yield the members of the object that is the whole text, in their order. Raises BadObject."""
    at = _expect(text, _skip(text, 0), b"{")
    at = _skip(text, at)
    if text[at : at + 1] == b"}":
        _check_end(text, at + 1)
        return
    while True:
        found = _STRING.match(text, at)
        if found is None:
            raise BadObject(f"no key at byte {at}")
        at = _skip(text, _expect(text, _skip(text, found.end()), b":"))
        end = _end_of_value(text, at)
        spelled = bytes(found[0])
        yield Member(_read_key(spelled), spelled, bytes(text[at:end]))
        at = _skip(text, end)
        if text[at : at + 1] == b"}":
            break
        at = _skip(text, _expect(text, at, b","))
    _check_end(text, at + 1)


def is_deeper(text: bytes, most: int) -> bool:
    """Tell whether brackets are nested deeper than `most`; those inside of strings may count."""
    brackets = text.translate(None, _OTHERS)
    for _ in range(most):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)


def is_nested_deeper(text: bytes, most: int) -> bool:
    """Tell the same exactly: brackets inside of strings do not count."""
    return is_deeper(text, most) and is_deeper(_STRING.sub(b"", text), most)


def _read_key(spelled: bytes) -> str | None:
    try:
        return msgspec.json.decode(spelled, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _end_of_value(text: bytes | bytearray, at: int) -> int:
    if text[at : at + 1] not in (b"{", b"["):
        scalar = _STRING.match(text, at) or _SCALAR.match(text, at)
        if scalar is None:
            raise BadObject(f"no value at byte {at}")
        return scalar.end()
    awaited = bytearray()
    for found in _TOKEN.finditer(text, at):
        start = found.start()
        byte = text[start]
        if byte == _QUOTE:
            if found.end() - start == 1:
                raise BadObject(f"a string without an end at byte {start}")
        elif byte not in _CLOSED:
            awaited.append(_OPEN[byte])
        elif awaited.pop() != byte:
            raise BadObject(f"a bracket that closes another at byte {start}")
        elif not awaited:
            return found.end()
    raise BadObject("it ends early")


def _skip(text: bytes | bytearray, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found is not None else at


def _expect(text: bytes | bytearray, at: int, byte: bytes) -> int:
    if text[at : at + 1] != byte:
        raise BadObject(f"no {byte.decode()} at byte {at}" if at < len(text) else "it ends early")
    return at + 1


def _check_end(text: bytes | bytearray, at: int) -> None:
    if _skip(text, at) != len(text):
        raise BadObject(f"something stands behind it, at byte {at}")
