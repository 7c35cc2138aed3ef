"""Faults: what is wrong in a configuration, all of it at once, each with its table and key.

A fault never repeats a secret: whoever echoes a value does it through `quote`, which shows no more of
anything that looks like a URL or an address with credentials than its origin.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.model.redact import origin_of

_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One error: `key` is dotted ("server.port", or a file's name), `source` says who gave the value."""

    key: str
    message: str
    source: str = ""

    def __str__(self) -> str:
        place = f" ({self.source})" if self.source else ""
        return printable(f"{self.key}: {self.message}{place}")


class ConfigError(Exception):
    """The configuration cannot be used; `faults` are all of its errors."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class RefusedError(Exception):
    """A value is not what its key needs; each part is (where inside the value, why)."""

    def __init__(self, *parts: tuple[str, str]) -> None:
        self.parts = parts
        super().__init__(parts)

    @classmethod
    def because(cls, message: str) -> "RefusedError":
        """Return the refusal of the whole value."""
        return cls(("", message))


def printable(text: str) -> str:
    """Return the text with everything escaped that could steer a terminal or not be written at all."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def quote(value: object) -> str:
    """Return a value as an error may show it: bounded, printable, without credentials."""
    if not isinstance(value, str):
        return describe(value)
    text = origin_of(value) + "/…" if "://" in value else value
    if "@" in text:
        return "this value"
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return f'"{printable(text)}"'


def describe(value: object) -> str:
    """Return what kind of thing a TOML or JSON value is, in the words of TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)[:_LONGEST]
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "a table"
        case None:
            return "null"
        case _:
            return "a date or time"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ': did you mean "x"?' for a misspelt name, or a list of what there is if that is short."""
    import difflib

    names = sorted(known)
    spelt = name.lower() if any("-" in known_name for known_name in names) else name.lower().replace("-", "_")
    close = difflib.get_close_matches(spelt, names, n=1, cutoff=0.6)
    if close:
        return f', did you mean "{close[0]}"?'
    return f" (there is {', '.join(names)})" if 0 < len(names) <= 6 else ""
