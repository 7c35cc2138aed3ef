"""For which Pythons a PyPI file is (PyPI sheet, 23): by its wheel's tags and by `requires-python`; both must agree.

`py3`, `py3M` and `cp3M-abi3` mean that version and later ones, `cp3N` with any other ABI that version alone. Other
implementations (`pp…`, `graalpy…`) are not CPython, which a version here means. A `requires-python` that cannot be read
does not restrict, as installers have it; one that is longer than may be read hides the file (design, law 4). `===` is
compared as text with the Python's version, as pip does: `===3.11` is for what calls itself 3.11.
"""

import re
from collections.abc import Hashable, Sequence
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from proxy.model.bounds import is_readable
from proxy.policy.facts import Facts
from proxy.policy.filename import Tags, python_of, tags_of
from proxy.policy.wording import quoted

_TAG = re.compile(r"(py|cp)(\d)(\d*)\Z")
#: Below it there is no free-threaded stable ABI (PEP 803).
_FIRST_ABI3T = 15
#: A specifier of plain numbers, as nearly all of them are.
_PLAIN = re.compile(r"\s*(>=|<=|==|!=|~=|>|<)\s*(\d{1,9}(?:\.\d{1,9}){0,4})(\.\*)?\s*\Z", re.ASCII)
#: The library's answer on others costs with the square of their number; no real text has as many.
_MOST_ODD = 12


def part(facts: Facts) -> Hashable:
    """Return what the answer hangs on: the first two tags of a wheel, or what another name says; requires-python."""
    tags = tags_of(facts.file)
    if tags is not None:
        return tags.pythons, tags.abis, facts.requires_python
    return python_of(facts.file), facts.requires_python


def parts(files: Sequence[Facts]) -> list[Hashable]:
    """Return the same of many files."""
    return [part(each) for each in files]


#: A file name always says what there is to say.
otherwise = part


def read(part: Hashable, wanted: tuple[str, ...]) -> tuple[bool, str] | None:
    """Return whether a part is for one of the versions, and what it is for."""
    match part:
        case (tuple() as pythons, tuple() as abis, requires):
            named = [version for version in wanted if _fits(Tags(pythons, abis, ()), version)]
            what = f"{'.'.join(pythons)}-{'.'.join(abis)}"
        case (python, requires):
            named = [
                each for each in wanted if python is None or each == python or each.split(".")[0] == python
            ]
            what = f"Python {python}"
        case _:
            raise ValueError("not a part of a file")
    if not named or not isinstance(requires, str):
        return bool(named), what
    return any(_allows(requires, version) for version in named), f"Python {quoted(requires)}"


def _fits(tags: Tags, version: str) -> bool:
    major, _, minor = version.partition(".")
    return any(_tag_fits(python, tags.abis, int(major), int(minor)) for python in tags.pythons)


def _tag_fits(python: str, abis: tuple[str, ...], major: int, minor: int) -> bool:
    found = _TAG.match(python)
    if found is None or int(found[2]) != major:
        return False
    if not found[3]:
        return True
    least = int(found[3])
    if found[1] == "py" or "abi3" in abis:
        return least <= minor
    if "abi3t" in abis and minor >= _FIRST_ABI3T and least <= minor:
        return True
    return least == minor


@lru_cache(maxsize=8192)
def _allows(requires: str, version: str) -> bool:
    if not requires.strip():
        return True
    if not is_readable(requires):
        return False
    major, _, minor = version.partition(".")
    patches = _Patches(int(major), int(minor))
    if all(map(patches.narrow, filter(str.strip, requires.split(",")))):
        return patches.has_any
    return _is_odd_allowed(requires, version)


class _Patches:
    """The releases `major.minor.N` that specifiers leave: from `least` to `most`, without some."""

    def __init__(self, major: int, minor: int) -> None:
        self._series = (major, minor)
        self._least = 0
        self._most: int | None = None
        self._without: set[int] = set()

    @property
    def has_any(self) -> bool:
        """Tell whether any release is left."""
        if self._most is None:
            return True
        without = sum(1 for each in self._without if self._least <= each <= self._most)
        return self._most - self._least + 1 > without

    def narrow(self, text: str) -> bool:
        """Apply a specifier; return False, and apply nothing, for one that is not of plain numbers."""
        found = _PLAIN.match(text)
        if found is None:
            return False
        release = tuple(map(int, found[2].split(".")))
        match found[1], found[3]:
            case "==", ".*":
                return self._start(release)
            case "!=", ".*":
                return self._start_otherwise(release)
            case "~=", None:
                self._compare(">=", release)
                return len(release) > 1 and self._start(release[:-1])
            case sign, None:
                self._compare(sign, release)
                return True
        return False

    def _compare(self, sign: str, release: tuple[int, ...]) -> None:
        major, minor, patch, *more = (*release, 0, 0, 0)
        series, is_beyond = (major, minor), any(more)
        if series != self._series:
            is_open = (
                sign == "!="
                or (sign[0] == ">" and series < self._series)
                or (sign[0] == "<" and series > self._series)
            )
            self._least, self._most = (self._least, self._most) if is_open else (1, 0)
        elif sign == ">=":
            self._least = max(self._least, patch + is_beyond)
        elif sign == ">":
            self._least = max(self._least, patch + 1)
        elif sign == "<=":
            self._end(patch)
        elif sign == "<":
            self._end(patch - 1 + is_beyond)
        elif sign == "!=":
            self._without |= set() if is_beyond else {patch}
        else:
            self._least = max(self._least, patch + is_beyond)
            self._end(patch)

    def _end(self, most: int) -> None:
        self._most = most if self._most is None else min(self._most, most)

    def _start(self, prefix: tuple[int, ...]) -> bool:
        if len(prefix) > 3:
            return False
        if prefix[:2] != self._series[: len(prefix)]:
            self._end(-1)
        elif len(prefix) == 3:
            self._compare("==", prefix)
        return True

    def _start_otherwise(self, prefix: tuple[int, ...]) -> bool:
        if len(prefix) > 3:
            return False
        if prefix[:2] == self._series[: len(prefix)]:
            if len(prefix) == 3:
                self._without.add(prefix[2])
            else:
                self._end(-1)
        return True


def _is_odd_allowed(requires: str, version: str) -> bool:
    """Return what the library says of pre-releases, `===` and whatever else is rare."""
    try:
        specifiers = SpecifierSet(requires)
    except InvalidSpecifier:
        return True
    if len(specifiers) > _MOST_ODD:
        return False
    named = [each.version for each in specifiers if each.operator == "==="]
    if not named:
        return not specifiers.is_disjoint(SpecifierSet(f"=={version}.*"))
    texts = (version, *(text for text in named if text.startswith(f"{version}.")))
    return any(specifiers.contains(text, prereleases=True) for text in texts)
