"""Fields of a request: one that is repeated counts with all its lines (RFC 9110, 5.3).

Whoever reads a field that may be a list, or must not be one, asks here and never for the first line alone.
"""

from multidict import MultiMapping


def joined(fields: MultiMapping[str], name: str) -> str | None:
    """Return a field's value, several lines joined by ', '; None if it is absent."""
    lines = fields.getall(name, ())
    if not lines:
        return None
    return lines[0] if len(lines) == 1 else ", ".join(lines)


def last_of(fields: MultiMapping[str], name: str) -> str | None:
    """Return the last element of a list, which the nearest of several proxies has added; None if it is absent."""
    value = joined(fields, name)
    return None if value is None else value.rpartition(",")[2].strip()
