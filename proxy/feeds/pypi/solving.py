"""One solve over PyPI feeds: for a platform and a Python, over what the source shows and what the target shows already.

The search (`resolve.py`) runs in a thread and asks back (`offering.py`); `scouting.py` walks ahead of it, so that most
answers are there by then. What only an sdist can give is built by installers, so what it needs to be built is solved
and promoted, too.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from packaging.requirements import Requirement
from packaging.version import Version

from proxy.artifacts.store import BlobStore
from proxy.feeds.local_keeper import LocalKeeper
from proxy.feeds.promotion.selecting import REQUESTED, Choice, Chosen, Found, Place, Refused, Wanted, refused
from proxy.feeds.pypi.fitting import environments, fitting, is_place
from proxy.feeds.pypi.offering import Offering
from proxy.feeds.pypi.pinned import unpin
from proxy.feeds.pypi.resolve import Release, Unsolvable, resolve
from proxy.feeds.pypi.revocations import names_one_version
from proxy.feeds.pypi.scouting import Scouting
from proxy.feeds.pypi.sourced import Untold
from proxy.feeds.pypi.viewer import is_untold
from proxy.pypi.names import normalize
from proxy.pypi.requirements import parse_requirement, read_requirement
from proxy.pypi.versions import parse_version

if TYPE_CHECKING:
    from proxy.feeds.pypi.selecting import PypiSelecting

T = TypeVar("T")

#: How often is solved again without what the target would hide, and how many more versions are left out the first time.
_MOST_TRIES = 8
_FIRST_OLDER = 8
#: What it hides of one version depends on which others there are: no reason to leave one out for good.
_OF_ALL = "keep_versions"


class Solving:
    """One solve; made for it and thrown away."""

    def __init__(
        self, kind: "PypiSelecting", keeper: LocalKeeper, store: BlobStore, source: str, target: str, place: Place
    ) -> None:  # fmt: skip
        self._kind = kind
        self._source = source
        self._target = target
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._is_over = False
        self._offering = Offering(kind, keeper, store, source, target, place)

    async def solve(self, wanted: Wanted) -> Choice:
        """Return what is wanted with all that it needs."""
        if not is_place(self._place.platform):
            return self._refused(wanted, f"nothing is known of the platform {self._place.platform}")
        roots = [parse_requirement(spec) for spec in wanted.specs] + list(self._exact(wanted.found))
        if not roots:
            return Choice()
        self._offering.on_purpose |= {
            normalize(each.name) for each in roots if names_one_version(each.specifier)
        }
        try:
            chosen = await self._complete(roots)
            return Choice(tuple(await self._round_hidden(roots, chosen)))
        except Unsolvable as no:
            revoked = await self._revoked(roots)
            return Choice(refused=tuple(revoked)) if revoked else self._refused(wanted, str(no))
        except Untold as untold:
            return Choice(refused=(untold.refused,))
        finally:
            self._is_over = True
            await self._offering.close()

    def _exact(self, found: Sequence[Found]) -> Sequence[Requirement]:
        """Return the requirements of those artifacts that fit the place."""
        wanted: dict[str, Requirement] = {}
        for each in found:
            file = unpin(each.record).file
            version = parse_version(each.version)
            if version is not None and fitting([file], self._place.platform, self._place.python):
                self._offering.exactly.setdefault((each.name, version), set()).add(each.artifact)
                text = f"{each.name}==={version}"
                wanted[text] = Requirement(text)
        return list(wanted.values())

    async def _complete(self, roots: Sequence[Requirement]) -> list[Chosen]:
        return await self._with_builds(await self._resolved(roots, None))

    async def _revoked(self, roots: Sequence[Requirement]) -> list[Refused]:
        """Return what stands against a solution because it was revoked, if there is one with it."""
        if not self._offering.left_out:
            return []
        self._offering.forget(takes_revoked=True)
        try:
            chosen = await self._complete(roots)
        except (Unsolvable, Untold):
            return []
        return self._offering.revoked_among(chosen)

    async def _round_hidden(self, roots: Sequence[Requirement], chosen: list[Chosen]) -> list[Chosen]:
        """Return a solution without what the target would hide of that which is merely needed, if there is one."""
        older = _FIRST_OLDER
        for _ in range(_MOST_TRIES):
            needed = [each.found for each in chosen if each.why != REQUESTED]
            hidden = await self._kind.hidden(self._source, self._target, needed)
            for artifact, verdict in hidden.items():
                if is_untold(verdict):
                    raise Untold(refused(artifact, verdict))
            if not hidden:
                break
            self._offering.excluded |= {
                *hidden,
                *await self._hidden_of({f.name: f.version for f in needed if f.artifact in hidden}, older),
            }
            self._offering.forget()
            older *= 2
            try:
                chosen = await self._complete(roots)
            except Unsolvable:
                break  # what is hidden is told by its rule, which says more than that nothing else fits
        return chosen

    async def _hidden_of(self, names: dict[str, str], most: int) -> set[str]:
        """Return of the versions of these names that come next the files that the target would hide, too."""
        found = [
            each.sourced.found(each.file)
            for name, version in names.items()
            for each in await self._offering.older(name, version, most)
        ]
        hidden = await self._kind.hidden(self._source, self._target, found)
        return {artifact for artifact, verdict in hidden.items() if verdict.rule != _OF_ALL}

    async def _with_builds(self, chosen: list[tuple[Release, str]]) -> list[Chosen]:
        """Return the files of the releases, and of what is needed to build those that are sdists only."""
        taken: dict[str, Chosen] = {}
        waiting = list(chosen)
        built: set[tuple[str, Version]] = set()
        while waiting:
            release, why = waiting.pop(0)
            for each in release.files:
                found = each.sourced.found(each.file)
                taken.setdefault(found.artifact, Chosen(found, why))
            key = (release.name, release.version)
            facts = self._offering.sdists.get(key)
            if facts is not None and key not in built:
                built.add(key)
                read = map(read_requirement, facts.build_requires)
                needed = [each for each in read if each is not None and each.url is None]
                waiting += await self._resolved(needed, f"{release.name} {release.version} to be built")
        return list(taken.values())

    async def _resolved(self, wanted: Sequence[Requirement], builds: str | None) -> list[tuple[Release, str]]:
        scouting = Scouting(self._offering, environments(self._place))
        walk = asyncio.create_task(scouting.walk(wanted), name="scouting")
        try:
            return await asyncio.to_thread(self._solve, wanted, builds)
        finally:
            walk.cancel()
            await asyncio.gather(walk, return_exceptions=True)

    # -- in the solver's thread

    def _solve(self, wanted: Sequence[Requirement], builds: str | None) -> list[tuple[Release, str]]:
        solution = resolve(wanted, self._offered, self._needed, environments(self._place), self._allowed)
        return [
            (each.release, f"needed by {each.needed_by or builds}" if each.needed_by or builds else REQUESTED)
            for each in solution
        ]

    def _offered(self, name: str) -> Sequence[Release]:
        return self._await(self._offering.offered(name))

    def _allowed(self, release: Release) -> Release | None:
        return self._await(self._offering.allowed(release))

    def _needed(self, release: Release) -> Sequence[str]:
        return self._await(self._offering.needed(release))

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._is_over:
            coroutine.close()
            raise Unsolvable("nobody waits for it any more")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _refused(self, wanted: Wanted, why: str) -> Choice:
        where = f"on {self._place.platform} for Python {self._place.python}"
        whats = [*((spec, True) for spec in wanted.specs), *((each.artifact, False) for each in wanted.found)]
        return Choice(
            refused=tuple(
                Refused(what, "unsolvable", "dependencies", f"{where}: {why}", is_spec=is_spec)
                for what, is_spec in whats
            )
        )
