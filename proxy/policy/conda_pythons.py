"""For which Pythons a conda record is (conda sheet, 14.3): by its dependencies first, by its build's tag only else.

The package `python` is for its own version. A dependency on python, cpython, python-gil or python_abi ties a record to
the versions that satisfy it; the tag (`py311h…`) counts where there is none. What has neither is for no Python in
particular and stays. A dependency's exact patch level matters (`python 2.7.11 0`), so versions are tried with real
patch levels and with those that the dependency names.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from proxy.model.bounds import is_readable
from proxy.policy.conda_version import BadVersion, spec_parts, version_key, version_test
from proxy.policy.facts import Facts
from proxy.policy.wording import quoted

_TYING = frozenset({"python", "cpython", "python-gil", "python_abi"})
#: How a dependency on one of those begins.
_MAY_TIE = ("python", "cpython")
_TAG = re.compile(r"(?<![A-Za-z])(?:np\d+)?(py\d\.?\d{1,2})(?!\d)")
#: Looked for from the start of a run of digits only, which keeps the cost linear.
_NUMBERS = re.compile(r"(?<!\d)\d++\.\d+(?:\.\w+)*", re.ASCII)
#: Above the last patch level of any Python that there has been.
_PATCHES = 40
#: More than any record has: dependencies on Python, and versions that they name.
_MOST_TIES, _MOST_NAMED = 8, 64


class _Unreadable:
    """The part of a record whose dependencies are more than may be read."""


_UNREADABLE = _Unreadable()
_UNKNOWN = "a Python that nobody knows: its dependencies are more than can be read"


def part(facts: Facts) -> Hashable:
    """Return what the answer hangs on: a version of Python itself, dependencies, or the tag of the build."""
    return parts((facts,))[0]


def parts(files: Sequence[Facts]) -> list[Hashable]:
    """Return the same of many files."""
    # Asked of every record: looking at each dependency takes a third of what searching them as one text does.
    ties = [
        _UNREADABLE if (specs := each.depends) is None else
        tuple([spec for spec in specs if spec.startswith(_MAY_TIE)])
        for each in files
    ]  # fmt: skip
    return [
        each.version if each.name == "python" else of_it or _tag(each.build)
        for each, of_it in zip(files, ties, strict=True)
    ]


def otherwise(facts: Facts) -> Hashable:
    """Return what the answer hangs on where `part` was about something else: python-dateutil, say.

    A dependency on Python that cannot be read leaves the tag; without one nobody knows, and so it is hidden (law 4).
    """
    specs = [spec for spec in facts.depends or () if spec.startswith(_MAY_TIE)]
    is_unreadable = any(tie is not None and tie.test is None for tie in map(_tie_of, specs))
    return _tag(facts.build) or (_UNREADABLE if is_unreadable else "")


def read(part: Hashable, wanted: tuple[str, ...]) -> tuple[bool, str] | None:
    """Return whether a part is for one of the versions, and what it is for; None: see `otherwise`."""
    match part:
        case tuple():
            return _by_dependencies(part, wanted)
        case _Unreadable():
            return False, _UNKNOWN
        case str() if part:
            version = ".".join(part.split(".")[:2])
            return version in wanted, f"Python {version}"
        case str():
            return True, "any Python"
    raise ValueError("not a part of a record")


@lru_cache(maxsize=65536)
def _tag(build: str) -> str:
    """Return the Python of a build's tag, "" where it has none."""
    found = _TAG.search(build)
    digits = found[1][2:].replace(".", "") if found else ""
    return f"{digits[0]}.{digits[1:]}" if digits else ""


def _by_dependencies(depends: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[bool, str] | None:
    ties = [tie for spec in dict.fromkeys(depends) if (tie := _tie_of(spec)) is not None]
    if not ties:
        return None
    if not all(is_readable(tie.spec) for tie in ties):
        return False, _UNKNOWN
    # In their order: the same answer in every process.
    numbers = (number for tie in ties[:_MOST_TIES] for number in _NUMBERS.findall(tie.spec))
    mentioned = dict.fromkeys(numbers)
    if len(ties) > _MOST_TIES or len(mentioned) > _MOST_NAMED:
        return False, "a Python that nobody knows: it depends on too many versions"
    is_guess = any(tie.test is None for tie in ties)
    abis = [tie.test for tie in ties if tie.test is not None and tie.is_abi]
    pythons = [tie.test for tie in ties if tie.test is not None and not tie.is_abi]
    for version in wanted:
        # python_abi's versions are X.Y, a Python's X.Y.Z.
        if all(test(version) for test in abis) and any(
            all(test(patch) for test in pythons) for patch in _patches(version, mentioned)
        ):
            return None if is_guess else (True, f"Python {version}")
    return False, " and ".join(quoted(tie.spec) for tie in ties)


class _Tie(NamedTuple):
    """A dependency that ties a record to Pythons; without a test if it cannot be read."""

    spec: str
    is_abi: bool
    test: Callable[[str], bool] | None


@lru_cache(maxsize=16384)
def _tie_of(spec: str) -> _Tie | None:
    name, _ = spec_parts(spec)
    if name not in _TYING:
        return None
    try:
        return _Tie(spec, name == "python_abi", version_test(spec))
    except BadVersion:
        return _Tie(spec, name == "python_abi", None)


def _patches(version: str, mentioned: Iterable[str]) -> list[str]:
    named = [each for each in mentioned if each.startswith(f"{version}.") and _is_version(each)]
    return [*(f"{version}.{patch}" for patch in range(_PATCHES)), *named]


def _is_version(text: str) -> bool:
    """Tell whether what looks like a version in a dependency is one: nothing can be compared with `3.11._8`."""
    try:
        version_key(text)
    except BadVersion:
        return False
    return True
