"""Who needs what: which approved packages break where others are taken away, and what an approved one lacks. Pure.

A dependency is met by a file of its name that fits and may stand beside it (conda: of the same subdir or `noarch`).
One breaks where something met it before and nothing does after; what nothing ever met is no news. Whoever needs what
breaks breaks, too. A `noarch` package counts for each subdir in which anything is approved.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from proxy.policy.facts import Facts

NOARCH = "noarch"


#: Tells whether a file is meant. Raises ValueError where its version cannot be compared.
Meaning = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Need:
    """One dependency: the name that it asks for, its text as the package has it, and which of its files fit."""

    name: str
    text: str
    fits: Meaning


@dataclass(frozen=True, slots=True)
class Needer:
    """A file with what it needs."""

    facts: Facts
    needs: Sequence[Need]


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that nothing can be installed with any more: `needs` is met by nothing; `met` did so before."""

    facts: Facts
    needs: str
    met: str


def broken_without(gone: Collection[str], known: Iterable[Facts], needers: Iterable[Needer]) -> list[Broken]:
    """Return what breaks where the artifacts `gone` are taken out of `known`; nearest first. Blocks."""
    by_name: dict[str, list[Facts]] = {}
    for facts in known:
        by_name.setdefault(facts.name, []).append(facts)
    places = _places(by_name)
    waiting: dict[str, list[tuple[Needer, Need]]] = {}
    for needer in needers:
        for need in needer.needs:
            waiting.setdefault(need.name, []).append((needer, need))
    lost, found = set(gone), list[Broken]()
    touched = {facts.name for of_name in by_name.values() for facts in of_name if facts.artifact in lost}
    while touched:
        broken: list[Broken] = []
        for name in sorted(touched):
            for needer, need in waiting.get(name, ()):
                if needer.facts.artifact in lost:
                    continue
                former = _formerly(needer.facts, need, by_name.get(name, ()), lost, places)
                if former is not None:
                    lost.add(needer.facts.artifact)
                    broken.append(Broken(needer.facts, need.text, former.artifact))
        found += broken
        touched = {each.facts.name for each in broken}
    return found


def lacking(needer: Needer, shown: Mapping[str, Sequence[Facts]], unknown: Collection[str] = ()) -> list[str]:
    """Return the texts of those dependencies that nothing which is shown meets, on whatever platform. Blocks.

    `unknown` are names of which nobody can tell what is shown.
    """
    subdir = needer.facts.subdir
    return [
        need.text
        for need in needer.needs
        if need.name not in unknown
        and not any(
            subdir in (NOARCH, facts.subdir) or facts.subdir == NOARCH
            for facts in shown.get(need.name, ())
            if means(need.fits, facts)
        )
    ]


def means(meaning: Meaning, facts: Facts) -> bool:
    """Tell whether a file is meant; what cannot be compared is not."""
    try:
        return meaning(facts)
    except ValueError:
        return False


def _formerly(
    needer: Facts, need: Need, candidates: Sequence[Facts], lost: Collection[str], places: Collection[str]
) -> Facts | None:
    """Return what met a dependency in a place where nothing does any more."""
    fitting = [each for each in candidates if means(need.fits, each)]
    for place in places if needer.subdir == NOARCH else (needer.subdir,):
        before = [each for each in fitting if each.subdir in (place, NOARCH)]
        if before and all(each.artifact in lost for each in before):
            return before[0]
    return None


def _places(by_name: Mapping[str, Sequence[Facts]]) -> Sequence[str]:
    """Return the subdirs in which anything is approved; `noarch` where that is the only one."""
    subdirs = {facts.subdir for of_name in by_name.values() for facts in of_name}
    return sorted(subdirs - {NOARCH}) or [NOARCH]
