"""What a distribution says of itself, looked up where it costs least (PyPI sheet, 22): the keeper's part.

A wheel's METADATA without the wheel, the JSON API's document of the version, the file itself if it is small.
What none of these tells is not said. Whoever could not be asked leaves the question open: that is a Problem, and the
file stays as unknown as it was.
"""

import asyncio

from proxy.artifacts.blob import Blob, LostBlobError
from proxy.artifacts.store import BlobStore
from proxy.feeds.keeper import ArtifactRef
from proxy.feeds.local_keeper import LocalKeeper
from proxy.feeds.pypi.core_metadata import CoreMetadata
from proxy.feeds.pypi.information import Information
from proxy.feeds.pypi.subject import Subject
from proxy.model.problem import Problem
from proxy.pypi.described import Described, NoDescription, described, described_by_api, package_info
from proxy.pypi.names import FileKind, kind_of

#: A file up to this size is fetched for what it says of itself, if nothing smaller tells.
_SMALL_BYTES = 4 * 1024**2


class Describing:
    """One for all feeds."""

    def __init__(self, keeper: LocalKeeper, metadata: CoreMetadata, store: BlobStore) -> None:
        self._keeper = keeper
        self._metadata = metadata
        self._store = store

    async def get(self, subject: Subject, information: Information) -> Described:
        """Return what the file says of itself. Raises Problem where it could not be found out now."""
        kind, trouble = kind_of(subject.ref.filename), None
        if kind is FileKind.WHEEL:
            try:
                return await self._of_wheel(subject)
            except Problem as problem:
                trouble = _lasting(problem)
        try:
            told = await self._of_api(subject, information)
        except Problem as problem:
            told, trouble = None, trouble or problem
        if told is not None:
            return told
        if kind is FileKind.SDIST:
            return await self._of_sdist(subject)
        if trouble is not None:
            raise trouble
        return Described()

    async def _of_wheel(self, subject: Subject) -> Described:
        may_fetch = await self._may_fetch(subject)
        digest = await self._metadata.get(subject.ref, subject.advertised, may_fetch=may_fetch)
        blob = await self._store.get(digest)
        if blob is None:
            raise Problem("busy", "the METADATA could not be kept", feed=subject.ref.feed, retry_after_s=5)
        return await asyncio.to_thread(described, await self._read(blob, subject.ref))

    async def _of_api(self, subject: Subject, information: Information) -> Described | None:
        for version in (subject.version, None):
            document = await information.certain(subject.ref.upstream, subject.ref.name, version)
            if document is not None and subject.version is not None:
                told = await asyncio.to_thread(described_by_api, document, subject.version)
                if told is not None:
                    return told
        return None

    async def _of_sdist(self, subject: Subject) -> Described:
        ref = subject.ref
        if not await self._may_fetch(subject):
            raise Problem("busy", f"only {ref.filename} itself tells, and it is large", feed=ref.feed)
        return await asyncio.to_thread(_in_sdist, await self._keeper.whole(ref), ref)

    async def _read(self, blob: Blob, ref: ArtifactRef) -> bytes:
        try:
            return await self._store.read(blob)
        except LostBlobError as lost:
            raise Problem("busy", "the METADATA could not be kept", feed=ref.feed, retry_after_s=5) from lost

    async def _may_fetch(self, subject: Subject) -> bool:
        """Return whether the file may be fetched whole: what was approved is to be held anyway."""
        size = subject.ref.size
        is_small = size is not None and size <= _SMALL_BYTES
        return subject.is_asked_for or is_small or await self._keeper.is_pinned(subject.ref)


def _lasting(problem: Problem) -> Problem | None:
    """Return the problem if asking again may cure it; a wheel that is gone, or holds nothing, is an answer."""
    return None if problem.word == "unknown" else problem


def _in_sdist(blob: Blob, ref: ArtifactRef) -> Described:
    try:
        with blob.path.open("rb") as file:
            return described(package_info(ref.filename, file))
    except NoDescription:
        return Described()
    except FileNotFoundError as evicted:
        raise Problem(
            "busy", f"{ref.filename} could not be kept", feed=ref.feed, retry_after_s=5
        ) from evicted
