"""For which Pythons a PyPI file is (PyPI sheet, 23): by its wheel's tags and by `requires-python`; both must agree.

`py3`, `py3M` and `cp3M-abi3` mean that version and later ones, `cp3N` with any other ABI that version alone. Other
implementations (`pp…`, `graalpy…`) are not CPython, which a version here means. A `requires-python` that cannot be read
does not restrict, as installers have it; one that is longer than may be read hides the file (design, law 4).
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
    try:
        return not SpecifierSet(requires).is_disjoint(SpecifierSet(f"=={version}.*"))
    except InvalidSpecifier:
        return True
