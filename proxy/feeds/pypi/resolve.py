"""What must be installed together: a solve over the releases that a feed may have, as pip makes one.

resolvelib does the search, packaging the versions, specifiers and markers. A candidate is a release: a version of a
project with the files that fit the place. Newest first; what the target has already comes before the newer ones for
everything that was not asked for by name. Pre-releases and yanked releases as installers take them (PEP 440, 592).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, Resolver
from resolvelib.resolvers import RequirementInformation, ResolutionTooDeep

from proxy.pypi.core_metadata import read_fields
from proxy.pypi.requirements import is_met, read_requirement

_MOST_ROUNDS = 5000
#: Told of a conflict: more would not be read.
_MOST_CAUSES = 6


@dataclass(frozen=True, slots=True)
class Release:
    """A version of a project that fits the place. `is_held`: the target shows it already."""

    name: str
    version: Version
    #: What it consists of; the caller's own.
    files: tuple[Any, ...]
    is_held: bool = False
    is_yanked: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """A release of the solution, and which other one needs it (None: it was asked for)."""

    release: Release
    needed_by: str | None


@dataclass(frozen=True, slots=True)
class Pinned:
    """A candidate as the search sees it: with extras it needs the same release without, and what they add."""

    release: Release
    extras: frozenset[str]

    def __str__(self) -> str:
        return f"{self.release.name} {self.release.version}"


class Unsolvable(Exception):
    """There is no solution; the text says why, for a person."""


#: Project -> its releases; release -> what it needs (the lines of Requires-Dist). Both may block.
Releases = Callable[[str], Sequence[Release]]
Needs = Callable[[Release], Sequence[str]]
#: Release -> as much of it as may be taken, None where nothing may be. Asked of candidates only, best first; may block.
Allows = Callable[[Release], Release | None]


def resolve(
    wanted: Sequence[Requirement],
    releases: Releases,
    needs: Needs,
    environments: Sequence[Mapping[str, str]],
    allows: Allows = lambda release: release,
) -> list[Chosen]:
    """Return the releases that fulfil what is wanted. Blocks; raises Unsolvable, and what the callbacks raise."""
    roots = [each for each in wanted if applies(each, environments, frozenset())]
    provider = _Provider(
        frozenset(canonicalize_name(each.name) for each in roots), releases, needs, allows, environments
    )
    try:
        result = Resolver(provider, BaseReporter()).resolve(roots, max_rounds=_MOST_ROUNDS)
    except ResolutionImpossible as impossible:
        raise Unsolvable(_told(impossible.causes)) from impossible
    except ResolutionTooDeep as deep:
        raise Unsolvable(f"no solution was found in {_MOST_ROUNDS} rounds; ask for less at once") from deep
    chosen: dict[str, Chosen] = {}
    for identifier, pinned in result.mapping.items():
        release = pinned.release
        parents = list(result.graph.iter_parents(identifier))
        told = sorted(
            _name(parent) for parent in parents if parent is not None and _name(parent) != release.name
        )
        is_root = None in parents or release.name in provider.roots
        known = chosen.get(release.name)
        if known is None or (known.needed_by is not None and (is_root or told)):
            chosen[release.name] = Chosen(release, None if is_root or not told else told[0])
    return sorted(chosen.values(), key=lambda each: each.release.name)


def requirements_in(metadata: bytes) -> list[str]:
    """Return the lines of Requires-Dist of a METADATA or PKG-INFO."""
    return list(read_fields(metadata).requirements)


class _Provider(AbstractProvider[Requirement, Pinned, str]):
    """What resolvelib asks."""

    def __init__(
        self, roots: frozenset[str], releases: Releases, needs: Needs, allows: Allows,
        environments: Sequence[Mapping[str, str]],
    ) -> None:  # fmt: skip
        self.roots = roots
        self._releases = releases
        self._needs = needs
        self._allows = allows
        self._environments = environments

    def identify(self, requirement_or_candidate: Requirement | Pinned) -> str:
        if isinstance(requirement_or_candidate, Pinned):
            return _identifier(requirement_or_candidate.release.name, requirement_or_candidate.extras)
        return _identifier(
            canonicalize_name(requirement_or_candidate.name), frozenset(requirement_or_candidate.extras)
        )

    def get_preference(
        self, identifier: str, resolutions: Any, candidates: Any, information: Any, backtrack_causes: Any
    ) -> tuple[bool, bool, str]:
        """Settle what is in a conflict first, then what was asked for; by name, so that it is always the same."""
        is_cause = any(self.identify(cause.requirement) == identifier for cause in backtrack_causes)
        return not is_cause, _name(identifier) not in self.roots, identifier

    def find_matches(
        self, identifier: str, requirements: Mapping[str, Iterator[Requirement]],
        incompatibilities: Mapping[str, Iterator[Pinned]],
    ) -> Callable[[], Iterable[Pinned]]:  # fmt: skip
        name, extras = _split(identifier)
        asked = list(requirements[identifier])
        excluded = {each.release.version for each in incompatibilities[identifier]}
        specifiers = SpecifierSet()
        for requirement in asked:
            specifiers &= requirement.specifier
        usable = [release for release in self._releases(name) if release.version not in excluded]
        return lambda: self._allowed(usable, specifiers, extras, is_root=name in self.roots)

    def _allowed(
        self, usable: Sequence[Release], specifiers: SpecifierSet, extras: frozenset[str], *, is_root: bool
    ) -> Iterator[Pinned]:
        """Yield the candidates, best first; where no final release may be taken, the pre-releases (PEP 440)."""
        while found := candidates(usable, specifiers, is_root=is_root):
            is_any = False
            for release in found:
                taken = self._allows(release)
                if taken is not None:
                    is_any = True
                    yield Pinned(taken, extras)
            if is_any:
                return
            seen = {release.version for release in found}
            usable = [release for release in usable if release.version not in seen]

    def is_satisfied_by(self, requirement: Requirement, candidate: Pinned) -> bool:
        # Which pre-releases count is settled where the matches are found.
        return requirement.specifier.contains(candidate.release.version, prereleases=True)

    def get_dependencies(self, candidate: Pinned) -> Iterable[Requirement]:
        release = candidate.release
        lines = self._needs(release)
        found = [
            requirement
            for requirement in map(read_requirement, lines)
            if requirement is not None and applies(requirement, self._environments, candidate.extras)
        ]
        if candidate.extras:
            found.append(Requirement(f"{release.name}==={release.version}"))
        return found


def candidates(releases: Sequence[Release], specifiers: SpecifierSet, *, is_root: bool) -> list[Release]:
    """Return the releases that fit, best first: the newest, after what is held of that which was not asked for."""
    is_pinned = any(each.operator in ("==", "===") for each in specifiers)
    usable = [release for release in releases if is_pinned or not release.is_yanked]
    fitting = set(specifiers.filter([release.version for release in usable]))
    found = [release for release in usable if release.version in fitting]
    found.sort(key=lambda release: (release.is_held and not is_root, release.version), reverse=True)
    return found


def applies(
    requirement: Requirement, environments: Sequence[Mapping[str, str]], extras: frozenset[str]
) -> bool:
    """Tell whether a requirement counts in any of the environments, with these extras of who needs it."""
    marker = requirement.marker
    if marker is None:
        return True
    return any(
        is_met(marker, {**environment, "extra": extra})
        for environment in environments
        for extra in (sorted(extras) or [""])
    )


def _identifier(name: str, extras: frozenset[str]) -> str:
    return f"{name}[{','.join(sorted(canonicalize_name(extra) for extra in extras))}]" if extras else name


def _split(identifier: str) -> tuple[str, frozenset[str]]:
    name, _, extras = identifier.partition("[")
    return name, frozenset(extra for extra in extras.removesuffix("]").split(",") if extra)


def _name(identifier: str) -> str:
    return identifier.partition("[")[0]


def _told(causes: "Collection[RequirementInformation[Requirement, Pinned]]") -> str:
    lines = sorted({f"{cause.parent or 'the request'} needs {cause.requirement}" for cause in causes})
    more = f", and {len(lines) - _MOST_CAUSES} more" if len(lines) > _MOST_CAUSES else ""
    return f"{'; '.join(lines[:_MOST_CAUSES])}{more}: no version fits all of it"
