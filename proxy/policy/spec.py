"""Specs: which files an administrator means. MatchSpecs for conda, PEP 508 names and specifiers for PyPI.

Syntax that is not supported is a BadSpec, never "no match": a block list that silently matches nothing would let
everything through. Names may be globs of `*` (and `?` for PyPI). Lists of specs are indexed by name, because nearly
every name is named by no spec at all.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from proxy.policy.facts import Facts
from proxy.policy.settings import Kind


class BadSpec(ValueError):
    """A text that is no spec, or one that cannot be honoured; the message is for a person."""


class Spec(Protocol):
    """What files are meant."""

    @property
    def text(self) -> str:
        """The spec as it was given."""
        ...

    @property
    def name(self) -> "NamePattern": ...

    @property
    def is_bare(self) -> bool:
        """True when it names names only, so that every file of such a name is meant."""
        ...

    def matches(self, facts: Facts) -> bool:
        """Tell whether the file is meant. Raises ValueError where the file's version cannot be compared."""
        ...


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A name in normal form, or a glob over such names."""

    text: str

    @property
    def is_exact(self) -> bool:
        return "*" not in self.text and "?" not in self.text

    def matches(self, name: str) -> bool:
        return self.text == name or (not self.is_exact and glob_matches(self.text, name))


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # Each part but the last is taken at its first place and never tried at another: that is enough for a glob, and
    # trying all takes hours with a dozen stars (anybody may write them into a spec that explain is asked about).
    first, *parts = (
        "".join("." if char == "?" else re.escape(char) for char in part)
        for part in re.split(r"\*+", pattern)
    )
    if not parts:
        return re.compile(first, re.DOTALL)
    between = "".join(f"(?>.*?{part})" for part in parts[:-1])
    return re.compile(f"{first}{between}.*{parts[-1]}", re.DOTALL)


def glob_matches(pattern: str, text: str) -> bool:
    """Tell whether the whole text matches a glob of `*` and `?`; case counts."""
    return _compiled(pattern).fullmatch(text) is not None


class SpecList:
    """Specs, found by name. The first that matches is the one that is told."""

    def __init__(self, specs: Iterable[Spec]) -> None:
        self.specs = tuple(specs)
        self._exact: dict[str, list[Spec]] = {}
        for spec in self.specs:
            if spec.name.is_exact:
                self._exact.setdefault(spec.name.text, []).append(spec)
        self._globs = [spec for spec in self.specs if not spec.name.is_exact]

    def for_name(self, name: str) -> Sequence[Spec]:
        """Return the specs that may mean files of the name."""
        found = self._exact.get(name, ())
        if not self._globs:
            return found
        return [*found, *(spec for spec in self._globs if spec.name.matches(name))]


def first_match(specs: Iterable[Spec], facts: Facts) -> Spec | None:
    """Return the first of the specs that means the file."""
    for spec in specs:
        if spec.matches(facts):
            return spec
    return None


def read_spec(kind: Kind, text: str, *, is_kept: bool = False) -> Spec:
    """Return the spec that the text is for feeds of a kind. Raises BadSpec.

    One that `is_kept` shares its answers with others; one that anybody asks about must leave nothing behind.
    """
    if not text.strip() or len(text) > 500 or not text.isascii() or not text.isprintable():
        raise BadSpec("must be one line of plain ASCII, neither empty nor longer than 500 characters")
    if kind == "conda":
        from proxy.policy.conda_spec import parse_conda_spec

        return parse_conda_spec(text.strip(), is_kept=is_kept)
    from proxy.policy.pypi_spec import parse_pypi_spec

    return parse_pypi_spec(text.strip())


#: More than the largest package list has, for both kinds: what outgrows it is parsed anew by each feed, on the loop.
_MOST_KEPT = 2**20


@lru_cache(maxsize=_MOST_KEPT)
def parse_spec(kind: Kind, text: str) -> Spec:
    """Return the spec of an administrator: kept, with what it answered. Raises BadSpec."""
    return read_spec(kind, text, is_kept=True)


def parse_specs(kind: Kind, texts: Iterable[str]) -> SpecList:
    """Return the list of the specs. Raises BadSpec."""
    return SpecList(parse_spec(kind, text) for text in texts)
