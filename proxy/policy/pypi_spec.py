"""PyPI specs: a PEP 508 name, or a glob of names, with PEP 440 specifiers. No extras, markers or URLs.

Versions are compared with pre-releases included: a policy names files, it does not resolve. A file whose version
PEP 440 does not know cannot be compared, and says so.
"""

import re
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from proxy.policy.facts import Facts
from proxy.policy.spec import BadSpec, NamePattern

_SPEC = re.compile(r"([A-Za-z0-9*?](?:[A-Za-z0-9._*?-]*[A-Za-z0-9*?])?)\s*(.*)\Z", re.DOTALL)
_RUN = re.compile(r"[-_.]+")


class PypiSpec:
    """One spec. Answers are remembered by the version's text."""

    __slots__ = ("_contains", "_specifiers", "name", "text")

    def __init__(self, text: str, name: NamePattern, specifiers: SpecifierSet | None) -> None:
        self.text = text
        self.name = name
        self._specifiers = specifiers
        self._contains = lru_cache(maxsize=8192)(self._compare)

    @property
    def is_bare(self) -> bool:
        return self._specifiers is None

    def matches(self, facts: Facts) -> bool:
        if not self.name.matches(facts.name):
            return False
        return self._specifiers is None or self._contains(facts.version)

    def _compare(self, version: str | None) -> bool:
        if version is None:
            raise ValueError(f"a version that PEP 440 does not know cannot be compared with {self.text}")
        assert self._specifiers is not None
        return self._specifiers.contains(version, prereleases=True)


def parse_pypi_spec(text: str) -> PypiSpec:
    """Return the spec. Raises BadSpec."""
    for sign, what in ((";", "markers"), ("[", "extras"), ("@", "URLs")):
        if sign in text:
            raise BadSpec(f"{what} are not supported in a policy: write a name and version specifiers")
    found = _SPEC.match(text)
    if found is None:
        raise BadSpec("does not begin with a project's name")
    name, rest = _RUN.sub("-", found[1]).lower(), found[2].strip()
    if rest.startswith("(") and rest.endswith(")"):
        rest = rest[1:-1]
    if not rest:
        return PypiSpec(text, NamePattern(name), None)
    try:
        specifiers = SpecifierSet(rest)
    except InvalidSpecifier as err:
        raise BadSpec(
            f'its version part is no PEP 440 specifier, such as "{name} >=1.2,<2"{_hint(rest)}'
        ) from err
    return PypiSpec(text, NamePattern(name), specifiers)


def _hint(rest: str) -> str:
    if re.match(r"=[^=]", rest):
        return '; "=" is written "==" here'
    return '; a version alone is written "==1.2"' if rest[:1].isdigit() else ""
