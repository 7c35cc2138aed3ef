"""One solve over PyPI feeds: for a platform and a Python, over what the source shows and what the target shows already.

The search (`resolve.py`) runs in a thread and asks back for releases and for METADATA, which are fetched as they are
needed. What only an sdist can give is built by installers, so what it needs to be built is solved and promoted, too.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from packaging.requirements import Requirement
from packaging.version import Version

from proxy.artifacts.blob import Blob
from proxy.artifacts.store import BlobStore
from proxy.feeds.local_keeper import LocalKeeper
from proxy.feeds.promotion.selecting import REQUESTED, Choice, Chosen, Found, Place, Refused, Wanted
from proxy.feeds.pypi.fitting import by_version, environments, fitting, is_place, is_yanked
from proxy.feeds.pypi.located import located_in
from proxy.feeds.pypi.pinned import unpin
from proxy.feeds.pypi.resolve import Release, Unsolvable, requirements_in, resolve
from proxy.model.problem import Problem
from proxy.pypi.distribution import Distribution
from proxy.pypi.names import FileKind, normalize
from proxy.pypi.requirements import parse_requirement, read_requirement
from proxy.pypi.sdist import BadSdist, SdistFacts, facts_in
from proxy.pypi.versions import parse_version
from proxy.upstream.errors import UpstreamError, problem_for

if TYPE_CHECKING:
    from proxy.feeds.pypi.selecting import PypiSelecting, Sourced

T = TypeVar("T")

_SOLVE_S = 120.0
#: How often is solved again without what the target would hide.
_MOST_TRIES = 8
#: What it hides of one version depends on which others there are: no reason to leave one out for good.
_OF_ALL = "keep_versions"


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a release, and the feed that shows it."""

    sourced: "Sourced"
    file: Distribution


class Solving:
    """One solve; made for it and thrown away."""

    def __init__(
        self, kind: "PypiSelecting", keeper: LocalKeeper, store: BlobStore, source: str, target: str, place: Place
    ) -> None:  # fmt: skip
        self._kind = kind
        self._keeper = keeper
        self._store = store
        self._source = source
        self._target = target
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + _SOLVE_S
        self._releases: dict[str, Sequence[Release]] = {}
        self._needs: dict[tuple[str, Version], list[str]] = {}
        self._sdists: dict[tuple[str, Version], SdistFacts] = {}
        #: The files that were asked for by name: no other of their version is taken.
        self._exactly: dict[tuple[str, Version], set[str]] = {}
        #: Files of the source that are no candidates: the target would hide them.
        self._excluded: set[str] = set()

    async def solve(self, wanted: Wanted) -> Choice:
        """Return what is wanted with all that it needs."""
        if not is_place(self._place.platform):
            return self._refused(wanted, f"nothing is known of the platform {self._place.platform}")
        roots = [parse_requirement(spec) for spec in wanted.specs] + list(self._exact(wanted.found))
        if not roots:
            return Choice()
        try:
            chosen = await self._complete(roots)
        except Unsolvable as no:
            return self._refused(wanted, str(no))
        return Choice(tuple(await self._round_hidden(roots, chosen)))

    def _exact(self, found: Sequence[Found]) -> Sequence[Requirement]:
        """Return the requirements of those artifacts that fit the place."""
        wanted: dict[str, Requirement] = {}
        for each in found:
            file = unpin(each.record).file
            version = parse_version(each.version)
            if version is not None and fitting([file], self._place.platform, self._place.python):
                self._exactly.setdefault((each.name, version), set()).add(each.artifact)
                text = f"{each.name}==={version}"
                wanted[text] = Requirement(text)
        return list(wanted.values())

    async def _complete(self, roots: Sequence[Requirement]) -> list[Chosen]:
        return await self._with_builds(await asyncio.to_thread(self._solve, roots, None))

    async def _round_hidden(self, roots: Sequence[Requirement], chosen: list[Chosen]) -> list[Chosen]:
        """Return a solution without what the target would hide of that which is merely needed, if there is one."""
        for _ in range(_MOST_TRIES):
            needed = [each.found for each in chosen if each.why != REQUESTED]
            hidden = await self._kind.hidden(self._source, self._target, needed)
            if not hidden:
                break
            self._excluded |= {
                *hidden,
                *await self._hidden_of({f.name for f in needed if f.artifact in hidden}),
            }
            self._releases.clear()
            self._sdists.clear()
            try:
                chosen = await self._complete(roots)
            except Unsolvable:
                break  # what is hidden is told by its rule, which says more than that nothing else fits
        return chosen

    async def _hidden_of(self, names: set[str]) -> set[str]:
        """Return the source's other files of these names that the target would hide."""
        found = [
            each.sourced.found(each.file)
            for name in names
            for files in (await self._fitting(self._source, name)).values()
            for each in files
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
            facts = self._sdists.get(key)
            if facts is not None and key not in built:
                built.add(key)
                read = map(read_requirement, facts.build_requires)
                needed = [each for each in read if each is not None and each.url is None]
                by = f"{release.name} {release.version} to be built"
                waiting += await asyncio.to_thread(self._solve, needed, by)
        return list(taken.values())

    # -- in the solver's thread

    def _solve(self, wanted: Sequence[Requirement], builds: str | None) -> list[tuple[Release, str]]:
        solution = resolve(wanted, self._offered, self._needed, environments(self._place))
        return [
            (each.release, f"needed by {each.needed_by or builds}" if each.needed_by or builds else REQUESTED)
            for each in solution
        ]

    def _offered(self, name: str) -> Sequence[Release]:
        if name not in self._releases:
            self._releases[name] = self._await(self._offers(name))
        return self._releases[name]

    def _needed(self, release: Release) -> Sequence[str]:
        key = (release.name, release.version)
        if key not in self._needs:
            self._needs[key] = self._await(self._read(release))
        return self._needs[key]

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop.time() > self._until:
            coroutine.close()
            raise Unsolvable(f"it took longer than {_SOLVE_S:g} s; ask for less at once")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    # -- on the loop

    async def _offers(self, name: str) -> Sequence[Release]:
        name = normalize(name)
        held = await self._fitting(self._target, name)
        offered = await self._fitting(self._source, name)
        releases = []
        for version in {**offered, **held}:
            files = offered.get(version, ())
            exactly = self._exactly.get((name, version))
            if exactly is not None:
                files = [each for each in files if each.file.filename in exactly] or files
            elif version in held:
                files = held[version]
            yanked = is_yanked([each.file for each in files])
            releases.append(Release(name, version, tuple(files), version in held, yanked))
        return releases

    async def _fitting(self, feed: str, name: str) -> dict[Version, Sequence[_File]]:
        sourced = await self._kind.sourced(feed, name)
        if sourced is None:
            return {}
        found: dict[Version, Sequence[_File]] = {}
        for text, files in by_version(sourced.usable()).items():
            usable = [file for file in files if feed != self._source or file.filename not in self._excluded]
            able = fitting(usable, self._place.platform, self._place.python)
            if able:
                found[Version(text)] = [_File(sourced, file) for file in able]
        return found

    async def _read(self, release: Release) -> list[str]:
        """Return what a release needs, by the METADATA of a wheel or the PKG-INFO of an sdist."""
        first = next((each for each in release.files if each.file.kind is FileKind.WHEEL), release.files[0])
        if first.file.kind is FileKind.WHEEL:
            return requirements_in(await self._metadata(first))
        facts = await self._sdist(first)
        self._sdists[release.name, release.version] = facts
        return requirements_in(facts.metadata)

    async def _metadata(self, file: _File) -> bytes:
        try:
            blob = await file.sourced.feed.metadata(f"{file.file.path}.metadata")
        except Problem as problem:
            if problem.word != "unknown":
                raise
            raise Unsolvable(f"what {file.file.filename} needs cannot be read: {problem.detail}") from problem
        return await self._store.read(blob)

    async def _sdist(self, file: _File) -> SdistFacts:
        ref = located_in(file.sourced.view, file.file).ref
        digest = await self._keeper.held(ref)
        blob = await self._store.get(digest) if digest is not None else None
        try:
            blob = blob or await self._keeper.arrived(ref)
        except UpstreamError as error:
            raise problem_for(error, self._source) from error
        try:
            return await asyncio.to_thread(_read_sdist, file.file.filename, blob)
        except BadSdist as bad:
            raise Unsolvable(f"what {file.file.filename} needs cannot be read: {bad}") from bad

    def _refused(self, wanted: Wanted, why: str) -> Choice:
        where = f"on {self._place.platform} for Python {self._place.python}"
        whats = [*((spec, True) for spec in wanted.specs), *((each.artifact, False) for each in wanted.found)]
        return Choice(
            refused=tuple(
                Refused(what, "unsolvable", "dependencies", f"{where}: {why}", is_spec=is_spec)
                for what, is_spec in whats
            )
        )


def _read_sdist(filename: str, blob: Blob) -> SdistFacts:
    try:
        with blob.path.open("rb") as file:
            return facts_in(filename, file)
    except OSError as err:
        raise BadSdist(str(err)) from err
