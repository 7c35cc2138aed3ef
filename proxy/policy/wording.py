"""Words from outside inside a reason: printable, bounded, in quotes. A reason is one line for a person."""

from collections.abc import Iterable

_LONGEST = 80
_MOST = 6


def quoted(text: str) -> str:
    """Return the text in quotes, bounded, with everything escaped that could end the line or steer a terminal."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:_LONGEST])
    return f'"{shown}…"' if len(text) > _LONGEST else f'"{shown}"'


def listed(texts: Iterable[str]) -> str:
    """Return a few texts, comma-separated, and how many more there are."""
    found = list(texts)
    shown = ", ".join(found[:_MOST])
    return f"{shown} and {len(found) - _MOST} more" if len(found) > _MOST else shown
