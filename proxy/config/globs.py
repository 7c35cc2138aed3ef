"""Name globs (`reserved`, `only`, `except`) in their ecosystem's normal form, which is what they are compared with.

A glob that is not normal matches nothing, so that `Corp_*` would protect nobody. PyPI: lower case, a run of `-`, `_`
and `.` is one `-` (PEP 503); conda: lower case. What stands in brackets is a set of single characters: in it the three
are `-` too, placed where it is no range.
"""

import re
from collections.abc import Iterable

#: A set as fnmatch reads it: a `]` right behind its beginning is a member.
_SET = re.compile(r"(\[!?\]?[^\]]*\])")
_RUN = re.compile(r"[-_.]+")
_SEPARATOR = re.compile(r"[_.]")


def normalized(globs: Iterable[str], kind: str) -> tuple[str, ...]:
    """Return the globs in the normal form of a kind of feed, each once."""
    form = _pypi if kind == "pypi" else str.lower
    return tuple(dict.fromkeys(form(glob) for glob in globs))


def _pypi(glob: str) -> str:
    # Behind the last `]` no set ends, and looking for the end of one at every `[` would take quadratic time.
    head, bracket, tail = glob.lower().rpartition("]")
    parts = _SET.split(head + bracket)
    found = "".join(_set(part) if place % 2 else _RUN.sub("-", part) for place, part in enumerate(parts))
    return found + _RUN.sub("-", tail)


def _set(text: str) -> str:
    members, found = _SEPARATOR.subn("", text[:-1])
    return f"{members}-]" if found else text
