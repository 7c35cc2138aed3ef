"""What a solve over PyPI feeds may choose from: releases, whether they may be taken, what they need.

Every question is asked once, however many ask it: the search and who walks ahead of it. A release is as many files of
a version as fit the place; it is known from the index alone, and may be taken only when the feed shows it for certain
(`Sourced.allowed`). What was revoked in the target is left out, unless it was asked for on purpose.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from packaging.version import Version

from proxy.artifacts.blob import Blob
from proxy.artifacts.store import BlobStore
from proxy.feeds.local_keeper import LocalKeeper
from proxy.feeds.promotion.selecting import Chosen, Place, Refused
from proxy.feeds.pypi.fitting import by_version, fitting, is_yanked
from proxy.feeds.pypi.located import located_in
from proxy.feeds.pypi.pinned import unpin
from proxy.feeds.pypi.resolve import Release, Unsolvable, requirements_in
from proxy.feeds.pypi.revocations import Revocations
from proxy.feeds.pypi.sourced import Sourced
from proxy.feeds.shared import finish
from proxy.model.problem import Problem
from proxy.pypi.distribution import Distribution
from proxy.pypi.names import FileKind, normalize
from proxy.pypi.sdist import BadSdist, SdistFacts, facts_in
from proxy.pypi.versions import parse_version
from proxy.upstream.errors import UpstreamError, problem_for

if TYPE_CHECKING:
    from proxy.feeds.pypi.selecting import PypiSelecting

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OfferedFile:
    """A file of a release, and the feed that shows it."""

    sourced: Sourced
    file: Distribution


class Offering:
    """The questions of one solve, on the loop."""

    def __init__(
        self, kind: "PypiSelecting", keeper: LocalKeeper, store: BlobStore, source: str, target: str, place: Place
    ) -> None:  # fmt: skip
        self._kind = kind
        self._keeper = keeper
        self._store = store
        self._source = source
        self._target = target
        self._place = place
        #: The files that were asked for by name: no other of their version is taken.
        self.exactly: dict[tuple[str, Version], set[str]] = {}
        #: The names of which an exact version was asked for.
        self.on_purpose: set[str] = set()
        #: Files of the source that are no candidates: the target would hide them.
        self.excluded: set[str] = set()
        #: The names of which something is no candidate because it was revoked.
        self.left_out: set[str] = set()
        self.sdists: dict[tuple[str, Version], SdistFacts] = {}
        self._takes_revoked = False
        self._sourced: dict[Hashable, asyncio.Task[Any]] = {}
        self._asked: dict[Hashable, asyncio.Task[Any]] = {}

    async def offered(self, name: str) -> Sequence[Release]:
        """Return the releases of a project that fit the place. Raises Problem."""
        name = normalize(name)
        return await _once(self._asked, ("offered", name), lambda: self._offers(name))

    async def allowed(self, release: Release) -> Release | None:
        """Return the release with those of its files that may be taken. Raises Untold, Problem."""
        return await _once(self._asked, ("allowed", *_key(release)), lambda: self._allows(release))

    async def needed(self, release: Release) -> Sequence[str]:
        """Return what a release needs, the lines of its Requires-Dist. Raises Unsolvable, Problem."""
        return await _once(self._sourced, ("needed", *_key(release)), lambda: self._read(release))

    async def older(self, name: str, version: str, most: int) -> list[OfferedFile]:
        """Return the source's files of the versions that come next after one, so many versions at most."""
        than = parse_version(version)
        found = await self._fitting(self._source, name)
        after = [files for each, files in found.items() if than is not None and each < than]
        return [file for files in after[:most] for file in files]

    def forget(self, *, takes_revoked: bool = False) -> None:
        """Offer anew, because other files are left out by now."""
        self._takes_revoked = takes_revoked
        self._asked.clear()
        self.sdists.clear()

    def revoked_among(self, chosen: Iterable[Chosen]) -> list[Refused]:
        """Return which of the chosen were left out because they were revoked, with the reason."""
        found: dict[str, Refused] = {}
        for each in chosen:
            if each.found.name in self.left_out:
                revocations = self._revocations(each.found.name, is_asked=True)
                file = unpin(each.found.record).file
                if file not in revocations.left([file]):
                    found |= {refused.what: refused for refused in revocations.refused([file])}
        return list(found.values())

    async def close(self) -> None:
        """Stop what is under way."""
        await finish([*self._asked.values(), *self._sourced.values()])

    # -- parts ---------------------------------------------------------------------------------------------

    async def _offers(self, name: str) -> Sequence[Release]:
        held = await self._fitting(self._target, name)
        offered = await self._fitting(self._source, name)
        releases = []
        for version in {**offered, **held}:
            files = offered.get(version, ())
            exactly = self.exactly.get((name, version))
            if exactly is not None:
                files = [each for each in files if each.file.filename in exactly] or files
            elif version in held:
                files = held[version]
            yanked = is_yanked([each.file for each in files])
            releases.append(Release(name, version, tuple(files), version in held, yanked))
        return releases

    async def _fitting(self, feed: str, name: str) -> dict[Version, Sequence[OfferedFile]]:
        sourced = await self._project(feed, name)
        if sourced is None:
            return {}
        found: dict[Version, Sequence[OfferedFile]] = {}
        for text, files in by_version(self._usable(feed, sourced)).items():
            able = fitting(files, self._place.platform, self._place.python)
            if able:
                found[Version(text)] = [OfferedFile(sourced, file) for file in able]
        return found

    def _usable(self, feed: str, sourced: Sourced) -> list[Distribution]:
        possible = sourced.possible()
        if feed != self._source:
            return possible
        files = [file for file in possible if file.filename not in self.excluded]
        revocations = self._revocations(sourced.name)
        left = revocations.left(files)
        asked = {file for (name, _), exact in self.exactly.items() if name == sourced.name for file in exact}
        left_paths = {file.path for file in left}
        if any(file.path not in left_paths and file.filename not in asked for file in files):
            self.left_out.add(sourced.name)
        return [file for file in files if file.path in left_paths or file.filename in asked]

    def _revocations(self, name: str, *, is_asked: bool = False) -> Revocations:
        if (self._takes_revoked and not is_asked) or name in self.on_purpose:
            return Revocations()
        return self._kind.revocations(self._target, name)

    async def _project(self, feed: str, name: str) -> Sourced | None:
        return await _once(self._sourced, ("project", feed, name), lambda: self._kind.sourced(feed, name))

    async def _allows(self, release: Release) -> Release | None:
        files: list[OfferedFile] = list(release.files)
        sourced = files[0].sourced
        able = await sourced.allowed([each.file for each in files])
        # Where none of the wheels may be taken, there may be an sdist.
        able = able or await sourced.allowed(self._others(sourced, release))
        fit = fitting(able, self._place.platform, self._place.python)
        return replace(release, files=tuple(OfferedFile(sourced, file) for file in fit)) if fit else None

    def _others(self, sourced: Sourced, release: Release) -> list[Distribution]:
        if (release.name, release.version) in self.exactly:
            return []
        taken = {each.file.path for each in release.files}
        feed = self._target if release.is_held else self._source
        usable = self._usable(feed, sourced)
        return [
            file
            for file in usable
            if file.path not in taken
            and file.kind is FileKind.SDIST
            and file.version is not None
            and parse_version(file.version) == release.version
        ]

    async def _read(self, release: Release) -> list[str]:
        """Return what a release needs, by the METADATA of a wheel or the PKG-INFO of an sdist."""
        first = next((each for each in release.files if each.file.kind is FileKind.WHEEL), release.files[0])
        if first.file.kind is FileKind.WHEEL:
            return requirements_in(await self._metadata(first))
        facts = await self._sdist(first)
        self.sdists[release.name, release.version] = facts
        return requirements_in(facts.metadata)

    async def _metadata(self, file: OfferedFile) -> bytes:
        try:
            blob = await file.sourced.feed.metadata(f"{file.file.path}.metadata")
        except Problem as problem:
            if problem.word != "unknown":
                raise
            raise Unsolvable(f"what {file.file.filename} needs cannot be read: {problem.detail}") from problem
        return await self._store.read(blob)

    async def _sdist(self, file: OfferedFile) -> SdistFacts:
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


async def _once(
    asked: dict[Hashable, "asyncio.Task[Any]"], key: Hashable, ask: Callable[[], Coroutine[Any, Any, T]]
) -> T:
    """Return the answer to a question that is asked once, and goes on if one who waits for it leaves."""
    task = asked.get(key)
    if task is None:
        task = asked[key] = asyncio.create_task(ask(), name="solve")
    return cast("T", await asyncio.shield(cast("Awaitable[T]", task)))


def _key(release: Release) -> tuple[str, Version, tuple[str, ...]]:
    return release.name, release.version, tuple(each.file.path for each in release.files)


def _read_sdist(filename: str, blob: Blob) -> SdistFacts:
    try:
        with blob.path.open("rb") as file:
            return facts_in(filename, file)
    except OSError as err:
        raise BadSdist(str(err)) from err
