"""What a request to a list asks for: `limit`, `cursor` and fields with a few values. What is wrong is a 422."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TypeVar

from proxy.model.problem import Problem
from proxy.web.inbound import Inbound

LIMIT = 100
MOST = 1000
_DIGITS = 4

Item = TypeVar("Item")
Choice = TypeVar("Choice", bound=StrEnum)


def limit_of(request: Inbound) -> int:
    """Return how many items are asked for."""
    text = request.query_value("limit")
    if text is None:
        return LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and 1 <= int(text) <= MOST):
        raise Problem("unprocessable", f"limit is a whole number from 1 to {MOST}")
    return int(text)


def choice_of(request: Inbound, name: str, choices: type[Choice]) -> Choice | None:
    """Return the value of a field that has only so many, None where it is absent."""
    text = request.query_value(name)
    if text is None:
        return None
    try:
        return choices(text)
    except ValueError:
        raise Problem("unprocessable", f"{name} is one of: {', '.join(choices)}") from None


def cursor_of(request: Inbound, is_possible: Callable[[str], bool]) -> str | None:
    """Return the cursor, None at the beginning."""
    text = request.query_value("cursor")
    if text is not None and not is_possible(text):
        raise Problem("unprocessable", "cursor is not one that this list gave; begin without it")
    return text


def cut(request: Inbound, items: Sequence[Item], key: Callable[[Item], str]) -> tuple[list[Item], str | None]:
    """Return the page that is asked for of a list that is at hand, and the cursor of the next."""
    limit, keys = limit_of(request), [key(item) for item in items]
    cursor = cursor_of(request, keys.__contains__)
    start = 0 if cursor is None else keys.index(cursor) + 1
    stop = start + limit
    return list(items[start:stop]), keys[stop - 1] if stop < len(keys) else None
