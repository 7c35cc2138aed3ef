"""For which Pythons a conda record is (conda sheet, 14.3): by its dependencies first, by its build's tag only else.

The package `python` is for its own version. A dependency on python, cpython, python-gil or python_abi ties a record to
the versions that satisfy it; the tag (`py311h…`) counts where there is none. What has neither is for no Python in
particular and stays. A dependency's exact patch level matters (`python 2.7.11 0`), so versions are tried with real
patch levels and with those that the dependency names.
"""

import re
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import NamedTuple

from proxy.policy.conda_version import BadVersion, spec_parts, version_test
from proxy.policy.facts import Facts
from proxy.policy.wording import quoted

_TYING = frozenset({"python", "cpython", "python-gil", "python_abi"})
#: How a dependency on one of those begins.
_MAY_TIE = ("python", "cpython")
_TAG = re.compile(r"(?<![A-Za-z])(?:np\d+)?(py\d\.?\d{1,2})(?!\d)")
_NUMBERS = re.compile(r"\d+\.\d+(?:\.\w+)*")
#: Above the last patch level of any Python that there has been.
_PATCHES = 40


def part(facts: Facts) -> Hashable:
    """Return what the answer hangs on: a version of Python itself, dependencies, or the tag of the build."""
    return parts((facts,))[0]


def parts(files: Sequence[Facts]) -> list[Hashable]:
    """Return the same of many files."""
    # Asked of every record: looking at each dependency takes a third of what searching them as one text does.
    ties = [tuple([spec for spec in each.depends if spec.startswith(_MAY_TIE)]) for each in files]
    return [
        each.version if each.name == "python" else of_it or _tag(each.build)
        for each, of_it in zip(files, ties, strict=True)
    ]


def otherwise(facts: Facts) -> Hashable:
    """Return what the answer hangs on where `part` was about something else: python-dateutil, say."""
    return _tag(facts.build)


def read(part: Hashable, wanted: tuple[str, ...]) -> tuple[bool, str] | None:
    """Return whether a part is for one of the versions, and what it is for; None: see `otherwise`."""
    match part:
        case tuple():
            return _by_dependencies(part, wanted)
        case str() if part:
            version = ".".join(part.split(".")[:2])
            return version in wanted, f"Python {version}"
    return True, "any Python"


@lru_cache(maxsize=65536)
def _tag(build: str) -> str:
    """Return the Python of a build's tag, "" where it has none."""
    found = _TAG.search(build)
    digits = found[1][2:].replace(".", "") if found else ""
    return f"{digits[0]}.{digits[1:]}" if digits else ""


def _by_dependencies(depends: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[bool, str] | None:
    ties = [tie for spec in depends if (tie := _tie_of(spec)) is not None]
    if not ties:
        return None
    mentioned = [number for tie in ties for number in _NUMBERS.findall(tie.spec)]
    abis = [tie.test for tie in ties if tie.is_abi]
    pythons = [tie.test for tie in ties if not tie.is_abi]
    for version in wanted:
        # python_abi's versions are X.Y, a Python's X.Y.Z.
        if all(test(version) for test in abis) and any(
            all(test(patch) for test in pythons) for patch in _patches(version, mentioned)
        ):
            return True, f"Python {version}"
    return False, " and ".join(quoted(tie.spec) for tie in ties)


class _Tie(NamedTuple):
    """A dependency that ties a record to Pythons."""

    spec: str
    is_abi: bool
    test: Callable[[str], bool]


@lru_cache(maxsize=16384)
def _tie_of(spec: str) -> _Tie | None:
    name, _ = spec_parts(spec)
    if name not in _TYING:
        return None
    try:
        return _Tie(spec, name == "python_abi", version_test(spec))
    except BadVersion:
        return None


def _patches(version: str, mentioned: list[str]) -> list[str]:
    named = [each for each in mentioned if each.startswith(f"{version}.")]
    return [*(f"{version}.{patch}" for patch in range(_PATCHES)), *named]
