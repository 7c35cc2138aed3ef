"""A walk ahead of a solve: what it will ask an origin for is asked for already, many at a time.

From each requirement to the newest release that may be taken and fits all that was met of its name so far, and on to
what that needs. Nothing is decided: the search asks the same questions itself, in its own order, and gets the answers
that are here. What the walk cannot find out is left to the search.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from proxy.feeds.pypi.resolve import Release, Unsolvable, applies, candidates
from proxy.feeds.pypi.sourced import Untold
from proxy.model.problem import Problem
from proxy.pypi.names import normalize
from proxy.pypi.requirements import read_requirement

_AT_ONCE = 6
_MOST_STEPS = 3000


class Questions(Protocol):
    """What is asked (`offering.Offering`)."""

    async def offered(self, name: str) -> Sequence[Release]: ...

    async def allowed(self, release: Release) -> Release | None: ...

    async def needed(self, release: Release) -> Sequence[str]: ...


class Scouting:
    """One walk."""

    def __init__(self, questions: Questions, environments: Sequence[Mapping[str, str]]) -> None:
        self._questions = questions
        self._environments = environments
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._met: dict[str, SpecifierSet] = {}
        self._extras: dict[str, frozenset[str]] = {}
        self._roots: frozenset[str] = frozenset()
        self._steps = 0

    async def walk(self, wanted: Sequence[Requirement]) -> None:
        """Walk until nothing new is met."""
        self._roots = frozenset(normalize(each.name) for each in wanted)
        async with asyncio.TaskGroup() as group:
            self._meet(group, (each for each in wanted if applies(each, self._environments, frozenset())))

    def _meet(self, group: asyncio.TaskGroup, requirements: Iterable[Requirement]) -> None:
        names: dict[str, None] = {}
        for each in requirements:
            name = normalize(each.name)
            specifiers = self._met.get(name, SpecifierSet()) & each.specifier
            extras = self._extras.get(name, frozenset()) | each.extras
            if name not in self._met or (specifiers, extras) != (self._met[name], self._extras[name]):
                names[name] = None
            self._met[name], self._extras[name] = specifiers, extras
        for name in names:
            if self._steps < _MOST_STEPS:
                self._steps += 1
                group.create_task(self._step(group, name))

    async def _step(self, group: asyncio.TaskGroup, name: str) -> None:
        try:
            async with self._turns:
                release = await self._best(name)
                lines = await self._questions.needed(release) if release is not None else ()
        except (Problem, Unsolvable, Untold):
            return
        # Extras of extras are met again by the requirements that name them.
        extras = self._extras[name]
        read = await asyncio.to_thread(lambda: [read_requirement(line) for line in lines])
        self._meet(
            group,
            (each for each in read if each is not None and applies(each, self._environments, extras)),
        )

    async def _best(self, name: str) -> Release | None:
        releases = await self._questions.offered(name)
        for release in candidates(releases, self._met[name], is_root=name in self._roots):
            allowed = await self._questions.allowed(release)
            if allowed is not None:
                return allowed
        return None
