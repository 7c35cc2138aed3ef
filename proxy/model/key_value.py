"""The value of a key: what may be one, and what is too easily guessed to be one. Pure.

A key is `[A-Za-z0-9-]{8,}` (contract, section 5): conda cuts a token at any other character. One that is made here
has 190 bits of chance behind `fg-` and needs no protection against guessing; a given one may be a person's idea.
"""

import re
import secrets
from itertools import pairwise

MIN_CHARS = 8
MAX_CHARS = 200
#: What a value that is made here begins with.
PREFIX = "fg-"
_MADE_CHARS = 32
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SHAPE = re.compile(r"[A-Za-z0-9-]{8,200}\Z")
_MADE = re.compile(r"fg-[A-Za-z0-9]{32}\Z")
#: What documentation and habit put where a key belongs; digits, hyphens and repetition around them do not count.
_WORDS = frozenset({
    "a", "abcdefgh", "abcdefghijkl", "admin", "adminadmin", "administrator", "adminkey", "adminpassword",
    "api", "apikey", "asdfghjk", "change", "changeit", "changeme", "default", "example", "feedgate", "fg",
    "fixme", "foobar", "here", "iloveyou", "insecure", "insert", "it", "key", "keys", "letmein", "me", "my",
    "mykey", "none", "null", "one", "pass", "passwd", "password", "placeholder", "put", "qwerty",
    "qwertyui", "qwertyuiop", "replace", "replaceme", "replacethis", "root", "secret", "secretkey",
    "server", "some", "supersecret", "test", "testing", "testtest", "the", "this", "todo", "token",
    "undefined", "user", "username", "value", "very", "welcome", "x", "xx", "xxx", "xxxx", "your",
    "yourkey", "yourtoken",
})  # fmt: skip
_MIN_DIFFERENT = 4


def make() -> str:
    """Return a new value."""
    return PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_MADE_CHARS))


def is_key(text: str) -> bool:
    """Return whether the text may be a key at all."""
    return _SHAPE.match(text) is not None


def is_made(text: str) -> bool:
    """Return whether the text looks like one that was made here."""
    return _MADE.match(text) is not None


def why_refused(text: str) -> str | None:
    """Return why a given value is not taken, in words that do not repeat it; None if it is."""
    if not text.strip():
        return "is blank"
    if len(text) < MIN_CHARS:
        return f"is shorter than {MIN_CHARS} characters"
    if not is_key(text):
        return f"may hold only A-Z, a-z, 0-9 and '-', at most {MAX_CHARS} of them"
    words = re.findall(r"[a-z]+", text.lower())
    if all(word in _WORDS for word in words) and (words or _is_counted(text)):
        return "looks like a default that everybody knows"
    if len(set(text)) < _MIN_DIFFERENT:
        return "repeats the same characters"
    return None


def _is_counted(text: str) -> bool:
    """Return whether the digits just count up or down, as in 12345678."""
    digits = [int(char) for char in text if char.isdigit()]
    steps = {(after - before) % 10 for before, after in pairwise(digits)}
    return len(steps) <= 1
