"""conda's versions and version parts, by py-rattler, which agrees with conda on every real spec (conda sheet, 12.2).

The one file of the policy that py-rattler is imported for, and only where something has to be compared: the import
costs some 30 ms and 10 MB. What it reads differently from conda is put right or refused here: `>1.8.*` means `>1.8`,
a dangling `=` is an error, and a build with a blank in it is a tail (`if …`) that was not understood.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from proxy.model.bounds import is_readable

if TYPE_CHECKING:
    from rattler import MatchSpec, PackageRecord, Version

#: Any name will do: names are matched elsewhere.
_NAME = "x"
_ABOVE_ALL_OF = re.compile(r"(>)(\s*[0-9][^\s,|()*>=<!~]*?)\.\*")


class BadVersion(ValueError):
    """A version, or a version part of a spec, that cannot be read."""


class BuildMatcher:
    """The part of a spec behind the name. Answers are remembered by what is asked for."""

    __slots__ = ("_answers", "_looks_at_builds", "_spec")

    def __init__(self, spec: "MatchSpec", looks_at_builds: bool) -> None:
        self._spec = spec
        self._looks_at_builds = looks_at_builds
        self._answers: dict[object, bool] = {}

    def matches(self, version: str, build: str, number: int) -> bool:
        """Tell whether a build is meant. Raises BadVersion."""
        key: object = (version, build, number) if self._looks_at_builds else version
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._spec.matches(_record(version, build, number))
        return answer


def read_build_matcher(rest: str, bracket: tuple[tuple[str, str], ...] = ()) -> BuildMatcher:
    """Return the matcher of what follows the name; `bracket` holds the keys version, build and build_number.

    Raises BadVersion.
    """
    from rattler import MatchSpec
    from rattler.exceptions import InvalidMatchSpecError

    if rest.endswith("="):
        raise BadVersion("a sign without a version behind it")
    _check(rest, *(value for _, value in bracket))
    pairs = ",".join(f'{key}="{_ABOVE_ALL_OF.sub(_above, value)}"' for key, value in bracket)
    text = f"{_NAME}{_ABOVE_ALL_OF.sub(_above, rest)}" + (f"[{pairs}]" if pairs else "")
    try:
        spec = MatchSpec(text, extras=False, conditionals=False, flags=False)
    except InvalidMatchSpecError as err:
        raise BadVersion(str(err).partition("\n")[0]) from err
    if spec.build is not None and " " in spec.build:
        raise BadVersion(f'"{spec.build}" is no build string')
    return BuildMatcher(spec, spec.build is not None or spec.build_number is not None)


@lru_cache(maxsize=65536)
def parse_build_matcher(rest: str, bracket: tuple[tuple[str, str], ...] = ()) -> BuildMatcher:
    """Return the same, kept with what it answered. Raises BadVersion."""
    return read_build_matcher(rest, bracket)


def _check(*texts: str) -> None:
    """Raise BadVersion for what py-rattler must not be given: its parser recurses, and would end the process."""
    if not all(map(is_readable, texts)):
        raise BadVersion("it is too long, or nested too deep, to be read")


def _above(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}"


@lru_cache(maxsize=4096)
def _record(version: str, build: str, number: int) -> "PackageRecord":
    from rattler import BuildString, PackageRecord
    from rattler.exceptions import InvalidVersionError

    _check(version, build)
    try:
        # Real builds break the rules of CEP 26 ("pl==5.22.0_0").
        return PackageRecord(_NAME, version, BuildString.new_unchecked(build), number, "noarch")
    except InvalidVersionError as err:
        raise BadVersion(f'"{version[:80]}" is no version: {str(err).partition(chr(10))[0]}') from err


@lru_cache(maxsize=65536)
def version_key(version: str) -> "Version":
    """Return what conda's order of versions compares (CEP 33); equal versions are equal and hash alike.

    Raises BadVersion.
    """
    from rattler import Version
    from rattler.exceptions import InvalidVersionError

    _check(version)
    try:
        return Version(version)
    except InvalidVersionError as err:
        raise BadVersion(f'"{version[:80]}" is no version') from err


@lru_cache(maxsize=16384)
def version_test(spec: str) -> Callable[[str], bool]:
    """Return the test of versions that a dependency's text (`python >=3.6,<3.7.0a0`) makes; builds are not asked.

    Raises BadVersion.
    """
    from rattler import MatchSpec, VersionSpec
    from rattler.exceptions import InvalidMatchSpecError

    _check(spec)
    name, rest = spec_parts(spec)
    try:
        found = MatchSpec(f"{_NAME}{_ABOVE_ALL_OF.sub(_above, rest)}").version
    except InvalidMatchSpecError as err:
        raise BadVersion(f"{name}: {str(err).partition(chr(10))[0]}") from err
    if found is None:
        return _any
    versions: Any = VersionSpec(found)
    return lambda version: bool(versions.matches(version_key(version)))


def _any(version: str) -> bool:
    return True


_NAME_END = re.compile(r"[\s=<>!~\[;#]|\Z")


def spec_parts(spec: str) -> tuple[str, str]:
    """Cut a dependency's text behind its name, which comes back in lower case."""
    text = spec.partition("#")[0].strip()
    end = _NAME_END.search(text)
    at = end.start() if end else len(text)
    return text[:at].lower(), text[at:]
