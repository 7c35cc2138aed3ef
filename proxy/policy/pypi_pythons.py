"""For which Pythons a PyPI file is (PyPI sheet, 23): by its wheel's tags and by `requires-python`; both must agree.

`py3`, `py3M` and `cp3M-abi3` mean that version and later ones, `cp3N` with any other ABI that version alone. Other
implementations (`pp…`, `graalpy…`) are not CPython, which a version here means. A `requires-python` that cannot be read
does not restrict, as installers have it.
"""

import re
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from proxy.policy.facts import Facts
from proxy.policy.filename import Tags, python_of, tags_of
from proxy.policy.wording import quoted

_TAG = re.compile(r"(py|cp)(\d)(\d*)\Z")
#: Below it there is no free-threaded stable ABI (PEP 803).
_FIRST_ABI3T = 15


def pypi_pythons(facts: Facts, wanted: tuple[str, ...]) -> tuple[bool, str]:
    """Return whether the file is for one of the versions, and what it is for."""
    tags = tags_of(facts.file)
    if tags is not None:
        return _of_wheel(tags.pythons, tags.abis, facts.requires_python, wanted)
    return _of_other(python_of(facts.file), facts.requires_python, wanted)


@lru_cache(maxsize=16384)
def _of_wheel(
    pythons: tuple[str, ...], abis: tuple[str, ...], requires: str | None, wanted: tuple[str, ...]
) -> tuple[bool, str]:
    tagged = [version for version in wanted if _fits(Tags(pythons, abis, ()), version)]
    if not tagged:
        return False, f"{'.'.join(pythons)}-{'.'.join(abis)}"
    return any(_allows(requires, version) for version in tagged), f"Python {quoted(requires or '')}"


@lru_cache(maxsize=4096)
def _of_other(python: str | None, requires: str | None, wanted: tuple[str, ...]) -> tuple[bool, str]:
    named = [each for each in wanted if python is None or each == python or each.split(".")[0] == python]
    if not named:
        return False, f"Python {python}"
    return any(_allows(requires, version) for version in named), f"Python {quoted(requires or '')}"


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
def _allows(requires: str | None, version: str) -> bool:
    if not requires or not requires.strip():
        return True
    try:
        return not SpecifierSet(requires).is_disjoint(SpecifierSet(f"=={version}.*"))
    except InvalidSpecifier:
        return True
