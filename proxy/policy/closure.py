"""Stage three: what the packages of a list need, as a set over a catalog, made once per snapshot.

conda: over records. From every record that the list names and whose platform and Python fit, each dependency leads to
every record that matches it, and so on; conda gives every Python a pip, so pip belongs to it. PyPI: over names; extras
are not followed and markers are ignored, so what some platform needs is in. `constrains` and virtual packages need
nothing. Time plays no part: what is young today is in the set, and held by its age.
"""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement

from proxy.model.bounds import LONGEST_REQUIREMENT, is_readable
from proxy.policy.conda_version import BadVersion, parse_build_matcher, spec_parts
from proxy.policy.facts import Facts
from proxy.policy.judge import Judge
from proxy.policy.settings import Kind, Policy
from proxy.policy.spec import Spec, SpecList, first_match, parse_specs

#: Who needs what the list names.
LISTED = "the package list"
_EXTRA = re.compile(r"\bextra\b")
_OR = re.compile(r"\bor\b")
_RUN = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True)
class NeededRecords:
    """conda: name -> artifact -> the artifact that needs it."""

    records: Mapping[str, Mapping[str, str]]

    @property
    def is_complete(self) -> bool:
        return True

    def needs(self, facts: Facts) -> bool:
        return facts.artifact in self.records.get(facts.name, ())

    def needs_of(self, name: str) -> bool:
        return name in self.records


@dataclass(frozen=True, slots=True)
class NeededNames:
    """PyPI: name -> the name that needs it. `missing` are names whose own needs are not known yet.

    Names of the package list itself are among them, but shown as the list says, not whole.
    """

    names: Mapping[str, str]
    missing: frozenset[str] = frozenset()

    @property
    def is_complete(self) -> bool:
        return not self.missing

    def needs(self, facts: Facts) -> bool:
        return self.needs_of(facts.name)

    def needs_of(self, name: str) -> bool:
        return self.names.get(name, LISTED) != LISTED


RecordsOf = Callable[[str], Sequence[Facts]]


def needed_records(judge: Judge, names: Iterable[str], records_of: RecordsOf) -> NeededRecords:
    """Return what the judge's package list needs in a conda catalog.

    `names` are the catalog's; `records_of` returns the facts of a name over all subdirs that are shown together, and
    nothing for a name that there is not.
    """
    walk = _Walk(judge, records_of)
    only = parse_specs("conda", judge.policy.only)
    for name in names:
        walk.start(name, only)
    return NeededRecords(walk.run())


@dataclass(slots=True)
class _Walk:
    """A walk over records: every dependency is looked at once, every record entered once."""

    judge: Judge
    records_of: RecordsOf
    _found: dict[str, dict[str, str]] = field(default_factory=dict)
    _known: dict[str, list[Facts]] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)
    _queue: deque[tuple[str, str]] = field(default_factory=deque)

    def start(self, name: str, only: SpecList) -> None:
        specs = only.for_name(name)
        if not specs:
            return
        for facts in self._eligible(name):
            if _is_meant(specs, facts):
                self._enter(facts, LISTED)

    def run(self) -> Mapping[str, Mapping[str, str]]:
        while self._queue:
            spec, needed_by = self._queue.popleft()
            self._follow(spec, needed_by)
        return self._found

    def _eligible(self, name: str) -> list[Facts]:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = [
                each for each in self.records_of(name) if self.judge.is_eligible(each)
            ]
        return known

    def _enter(self, facts: Facts, needed_by: str) -> None:
        of_name = self._found.setdefault(facts.name, {})
        if facts.artifact in of_name:
            return
        of_name[facts.artifact] = needed_by
        implied = ("pip",) if facts.name == "python" else ()
        for spec in (*(facts.depends or ()), *implied):
            if spec not in self._asked:
                self._asked.add(spec)
                self._queue.append((spec, facts.artifact))

    def _follow(self, spec: str, needed_by: str) -> None:
        name, rest = spec_parts(spec)
        if not name or name.startswith("__"):
            return
        candidates = self._eligible(name)
        if len(self._found.get(name, ())) == len(candidates):
            return
        for facts in candidates:
            if _matches(rest, facts):
                self._enter(facts, needed_by)


def _is_meant(specs: Sequence[Spec], facts: Facts) -> bool:
    """Tell whether one of the specs means a record; one whose version cannot be compared is meant by none."""
    try:
        return first_match(specs, facts) is not None
    except BadVersion:
        return False


def _matches(rest: str, facts: Facts) -> bool:
    """Tell whether a record satisfies a dependency; one that cannot be read is satisfied by nothing."""
    if rest.strip() in ("", "*"):
        return True
    try:
        return parse_build_matcher(rest).matches(facts.version or "", facts.build, facts.build_number)
    except BadVersion:
        return False


def list_names(policy: Policy, kind: Kind, known: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names of a policy's package list; globs are looked for among `known`."""
    only = parse_specs(kind, policy.only)
    exact = (spec.name.text for spec in only.specs if spec.name.is_exact)
    return tuple(dict.fromkeys((*exact, *(name for name in known if only.for_name(name)))))


def needed_names(roots: Iterable[str], known: Mapping[str, Collection[str]]) -> NeededNames:
    """Return what the roots need among PyPI's names: `known` maps a name to its requirements (`Requires-Dist`).

    A name that `known` lacks is in the set, and told as missing: look its requirements up and ask again.
    """
    found = dict.fromkeys(roots, LISTED)
    queue, missing = deque(found), set()
    while queue:
        name = queue.popleft()
        if name not in known:
            missing.add(name)
            continue
        for requirement in known[name]:
            other = required_name(requirement)
            if other is not None and other not in found:
                found[other] = name
                queue.append(other)
    return NeededNames(found, frozenset(missing))


def required_name(requirement: str) -> str | None:
    """Return the name that a `Requires-Dist` asks for, None where only an extra asks for it or it cannot be read."""
    if not is_readable(requirement, LONGEST_REQUIREMENT):
        return None
    try:
        parsed = Requirement(requirement)
    except InvalidRequirement:
        return None
    marker = str(parsed.marker or "")
    if marker and all(_EXTRA.search(branch) for branch in _OR.split(marker)):
        return None
    return _RUN.sub("-", parsed.name).lower()
