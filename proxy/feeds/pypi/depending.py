"""What approved PyPI files need: `Requires-Dist` of one file of each version, of a wheel where there is one.

Read from what is held, or from the small `.metadata` that the page pins a digest of; no wheel is fetched for it.
What only an extra asks for is left out; other markers are not judged, as nobody says where it is installed.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from proxy.artifacts.blob import Blob, LostBlobError
from proxy.artifacts.store import BlobStore
from proxy.feeds.curated import APPROVED
from proxy.feeds.keeper import ArtifactRef, Keeper
from proxy.feeds.promotion.dependents import Meaning, Need, Needer
from proxy.feeds.promotion.depending import Needed
from proxy.feeds.pypi.keeper import PypiKeeper
from proxy.feeds.pypi.pinned import unpin
from proxy.model.approval import Approval
from proxy.model.digest import parse_sha256
from proxy.model.problem import Problem
from proxy.policy.closure import required_name
from proxy.policy.facts import Facts
from proxy.pypi.described import NoDescription, described, package_info
from proxy.pypi.distribution import Distribution, metadata_hashes
from proxy.pypi.names import FileKind, normalize
from proxy.pypi.requirements import parse_requirement, read_requirement

_AT_ONCE = 8
#: What has not told by then is told as unread.
LIMIT_S = 20.0


class PypiDepending:
    """`promotion.depending.Depending`. Keepers are those of the site in force."""

    def __init__(
        self, keeper: Callable[[], Keeper], pypi: Callable[[], PypiKeeper], store: BlobStore
    ) -> None:
        self._keeper = keeper
        self._pypi = pypi
        self._store = store

    def meaning(self, spec: str) -> Meaning:
        try:
            requirement = parse_requirement(spec)
        except InvalidRequirement as bad:
            why = str(bad).splitlines()[0]
            raise ValueError(f"it is no requirement such as requests or 'numpy >=1.26,<3': {why}") from bad
        if requirement.url is not None or requirement.marker is not None:
            raise ValueError("URLs and markers say nothing here: name a version")
        name, fits = normalize(requirement.name), _fitting(requirement.specifier)
        return lambda facts: facts.name == name and fits(facts)

    def facts(self, approval: Approval) -> Facts:
        return Facts(
            file=approval.artifact,
            name=approval.name,
            version=approval.version or None,
            sha256=approval.sha256,
        )

    async def needed(self, feed: str, approvals: Sequence[Approval]) -> Needed:
        turns = asyncio.Semaphore(_AT_ONCE)
        until = asyncio.get_running_loop().time() + LIMIT_S

        async def read(of_version: list[Approval]) -> tuple[str, ...] | None:
            async with turns:
                try:
                    async with asyncio.timeout_at(until):
                        return await self._requires(feed, of_version)
                except (TimeoutError, Problem, LostBlobError):
                    return None

        groups = _by_version(approvals)
        told = await asyncio.gather(*(read(group) for group in groups))
        return await asyncio.to_thread(self._put_together, groups, told)

    # -- parts ---------------------------------------------------------------------------------------------

    def _put_together(
        self, groups: Sequence[Sequence[Approval]], told: Sequence[tuple[str, ...] | None]
    ) -> Needed:
        needers: list[Needer] = []
        unread: list[str] = []
        for group, requires in zip(groups, told, strict=True):
            if requires is None:
                unread += (each.artifact for each in group)
                continue
            needs = needs_of(requires)
            needers += (Needer(self.facts(each), needs) for each in group)
        return Needed(needers, unread)

    async def _requires(self, feed: str, of_version: Sequence[Approval]) -> tuple[str, ...] | None:
        """Return what a version requires; None where that cannot be told from what is held. Raises Problem."""
        files = await asyncio.to_thread(lambda: [unpin(each.record).file for each in of_version])
        for approval, file in sorted(zip(of_version, files, strict=True), key=lambda both: _rank(both[1])):
            ref = ArtifactRef(
                feed, approval.name, APPROVED, file.url, file.filename, approval.sha256, approval.size
            )
            found = await (self._of_wheel(ref, file) if file.kind is FileKind.WHEEL else self._of_sdist(ref))
            if found is not None:
                return found
        return None

    async def _of_wheel(self, ref: ArtifactRef, file: Distribution) -> tuple[str, ...] | None:
        told = metadata_hashes(file.core_metadata).get("sha256")
        digest = await self._pypi().core_metadata(ref, parse_sha256(told) if told else None, may_fetch=False)
        blob = await self._store.get(digest)
        if blob is None:
            return None
        return await asyncio.to_thread(_requirements_in, await self._store.read(blob))

    async def _of_sdist(self, ref: ArtifactRef) -> tuple[str, ...] | None:
        digest = await self._keeper().held(ref)
        blob = await self._store.get(digest) if digest is not None else None
        return None if blob is None else await asyncio.to_thread(_in_sdist, ref.filename, blob)


def needs_of(requires: Iterable[str]) -> list[Need]:
    """Return what `Requires-Dist` lines need. Blocks."""
    needs = []
    for text in requires:
        name = required_name(text)
        requirement = read_requirement(text) if name is not None else None
        if name is not None and requirement is not None:
            needs.append(Need(name, text, _asked(requirement)))
    return needs


def _asked(requirement: Requirement) -> Meaning:
    # Of what has a URL any version will do.
    return _fitting(requirement.specifier)


def _fitting(specifier: SpecifierSet) -> Meaning:
    if not specifier:
        return lambda facts: True
    return lambda facts: facts.version is not None and specifier.contains(facts.version, prereleases=True)


def _by_version(approvals: Iterable[Approval]) -> list[list[Approval]]:
    groups: dict[tuple[str, str], list[Approval]] = {}
    for each in approvals:
        groups.setdefault((each.name, each.version), []).append(each)
    return list(groups.values())


def _rank(file: Distribution) -> tuple[bool, int]:
    """Return what files are asked in the order of: wheels first, small ones first."""
    return file.kind is not FileKind.WHEEL, file.size or 0


def _requirements_in(metadata: bytes) -> tuple[str, ...]:
    return described(metadata).requires


def _in_sdist(filename: str, blob: Blob) -> tuple[str, ...] | None:
    try:
        with blob.path.open("rb") as file:
            return described(package_info(filename, file)).requires
    except (NoDescription, OSError):
        return None
