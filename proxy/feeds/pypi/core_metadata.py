"""A wheel's METADATA without the wheel: the origin's side file, or exact bytes read out of the wheel (PEP 658).

Order: what is known by digest; the wheel if it is held; the origin's `.metadata`, advertised or not; the wheel's
central directory by range reads; the whole wheel. Of a wheel that somebody approved nothing is taken on the origin's
word: it is the file with the pinned digest, or it comes out of the wheel with the pinned digest (design, law 7).

Bytes are proven when they have the digest that the index tells, or were read out of the verified wheel. Only these
are known by the wheel's digest, for every feed whose upstream has shown that it has the wheel. All others are one
upstream's word about one URL: they are kept under that, never told a digest of, and give way to the wheel's own as soon
as it is held.
"""

import asyncio
import hashlib
import logging
from urllib.parse import urlsplit, urlunsplit

from proxy.artifacts.blob import Blob
from proxy.artifacts.notes import Notes
from proxy.artifacts.proofs import Proofs
from proxy.artifacts.store import BlobStore
from proxy.feeds.keeper import ArtifactRef
from proxy.feeds.local_keeper import LocalKeeper, gone, opening
from proxy.feeds.pypi.shard import with_core_metadata
from proxy.feeds.shared import finish, outcome
from proxy.model.digest import Sha256, read_sha256
from proxy.model.problem import Problem
from proxy.model.tally import Tally
from proxy.pypi.core_metadata import names_project
from proxy.pypi.wheel_metadata import NoMetadata, metadata_from_file, metadata_from_ranges
from proxy.upstream.answer import Answer
from proxy.upstream.errors import UpstreamError, problem_for
from proxy.upstream.way import Way

_LOG = logging.getLogger("feedgate.metadata")
_MOST_BYTES = 10 * 1024**2


class _NoRanges(Exception):
    """The origin does not give parts of the wheel; the text says why."""


class CoreMetadata:
    """The METADATA of wheels, each made once."""

    def __init__(
        self, keeper: LocalKeeper, store: BlobStore, notes: Notes, proofs: Proofs, tally: Tally
    ) -> None:
        self._keeper = keeper
        self._proofs = proofs
        self._store = store
        self._notes = notes
        self._tally = tally
        self._making: dict[str, asyncio.Task[Sha256]] = {}

    async def get(self, ref: ArtifactRef, advertised: Sha256 | None, *, may_fetch: bool = True) -> Sha256:
        """Return the digest of the METADATA blob, which is held. Raises Problem.

        `may_fetch`: where nothing less tells it, the whole wheel is fetched.
        """
        if advertised is not None and await self._is_held(ref, advertised):
            return advertised
        known = await self._proven(ref, advertised)
        if known is None and advertised is None and await self._may_be_unproven(ref):
            known = await self._noted(_unproven_note(ref))
        return known if known is not None else await outcome(self._make_once(ref, advertised, may_fetch))

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop what is under way, after waiting that long for it."""
        await finish(tuple(self._making.values()), grace_s)

    # -- making --------------------------------------------------------------------------------------------

    def _make_once(
        self, ref: ArtifactRef, advertised: Sha256 | None, may_fetch: bool
    ) -> "asyncio.Task[Sha256]":
        key = f"{_unproven_note(ref)} {advertised} {may_fetch}"
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._make(ref, advertised, may_fetch), name="core metadata")
            self._making[key] = task
            task.add_done_callback(lambda done: self._made(key, done))
        return task

    def _made(self, key: str, task: "asyncio.Task[Sha256]") -> None:
        self._making.pop(key, None)
        if not task.cancelled():
            task.exception()

    async def _make(self, ref: ArtifactRef, advertised: Sha256 | None, may_fetch: bool) -> Sha256:
        try:
            body, how, wheel = await self._find(ref, advertised, may_fetch)
        except UpstreamError as error:
            raise problem_for(error, self._keeper.behind(ref)) from error
        digest = (await self._store.put(body)).digest
        self._tally.count("core_metadata", how)
        if wheel is not None:
            await self._note_proven(ref, wheel.digest, digest)
        elif digest != advertised:
            await self._notes.set(_unproven_note(ref), digest.encode("ascii"))
        if advertised is not None and digest != advertised:
            await self._amend(ref, {"sha256": digest} if wheel is not None else True)
        return digest

    async def _amend(self, ref: ArtifactRef, told: bool | dict[str, str]) -> None:
        """Let the page say what is served: clients check the digest, and give up where it differs."""
        await self._keeper.amend(ref, lambda shard: with_core_metadata(shard, ref.filename, told))

    async def _find(
        self, ref: ArtifactRef, advertised: Sha256 | None, may_fetch: bool
    ) -> tuple[bytes, str, Blob | None]:
        """Return the bytes, how they were come by, and the wheel if they were read out of it."""
        held = await self._held(ref)
        if held is not None:
            return await self._from_wheel(held, ref), "wheel", held
        is_pinned = await self._keeper.is_pinned(ref)
        if advertised is not None or not is_pinned:
            side = await self._side_file(ref, advertised)
            if side is not None:
                return side, "origin", None
        if not is_pinned:
            try:
                return await self._by_ranges(ref), "ranges", None
            except NoMetadata as error:
                await self._amend(ref, told=False)
                raise _holds_none(ref, error) from error
            except (_NoRanges, UpstreamError) as error:
                if not may_fetch and isinstance(error, UpstreamError):
                    raise
                _LOG.info("no METADATA by ranges: file %s, why %s", ref.filename, str(error))
        if not may_fetch:
            raise Problem("busy", f"only {ref.filename} itself tells", feed=ref.feed)
        wheel = await self._keeper.whole(ref)
        return await self._from_wheel(wheel, ref), "fetched", wheel

    async def _from_wheel(self, wheel: Blob, ref: ArtifactRef) -> bytes:
        try:
            return await asyncio.to_thread(_from_file, wheel, ref)
        except Problem:
            await self._amend(ref, told=False)
            raise

    async def _held(self, ref: ArtifactRef) -> Blob | None:
        digest = await self._keeper.held(ref)
        return None if digest is None else await self._store.get(digest)

    async def _side_file(self, ref: ArtifactRef, advertised: Sha256 | None) -> bytes | None:
        remote = await self._keeper.remote_of(ref)
        try:
            # One that nobody told of may be refused for want of it.
            answer = await (_side(remote, ref.url) if advertised is None else self._keeper.asked(ref, _side))
        except UpstreamError as error:
            _LOG.info("the origin's METADATA did not come: file %s, error %s", ref.filename, str(error))
            return None
        if answer.status != 200:
            return None
        if await asyncio.to_thread(_is_metadata, answer.body, ref.name, advertised):
            if advertised is not None:
                await self._proofs.add(remote.settings.id, advertised)
            return answer.body
        if advertised is not None:
            self._tally.count("core_metadata_wrong", ref.upstream)
            _LOG.error(
                "the origin's METADATA is not what its index says; made from the wheel: file %s", ref.filename
            )
        return None

    async def _by_ranges(self, ref: ArtifactRef) -> bytes:
        length = await self._keeper.told_size(ref)
        if length is None:
            raise _NoRanges("the origin does not tell the wheel's size")

        async def read(start: int, stop: int) -> bytes:
            async with await self._keeper.asked(ref, opening(start, stop)) as stream:
                if stream.status != 206 or stream.start != start:
                    raise _NoRanges("the origin does not answer ranges")
                parts = [piece async for piece in stream.chunks()]
            body = b"".join(parts)
            if len(body) != stop - start:
                raise _NoRanges("the origin answered another range")
            return body

        return await metadata_from_ranges(ref.filename, length, read, offload=asyncio.to_thread)

    # -- remembering ---------------------------------------------------------------------------------------

    async def _may_be_unproven(self, ref: ArtifactRef) -> bool:
        return await self._keeper.held(ref) is None and not await self._keeper.is_pinned(ref)

    async def _is_held(self, ref: ArtifactRef, digest: Sha256) -> bool:
        """Tell whether METADATA is held that the file's own upstream has shown (design, law 5)."""
        return await self._keeper.counts(ref, digest) and await self._store.get(digest) is not None

    async def _proven(self, ref: ArtifactRef, advertised: Sha256 | None) -> Sha256 | None:
        wheel = await self._keeper.proven(ref)
        digest = await self._noted(_proven_note(wheel)) if wheel is not None else None
        if digest is not None and advertised is not None:
            await self._amend(ref, {"sha256": digest})
        return digest

    async def _note_proven(self, ref: ArtifactRef, wheel: Sha256, digest: Sha256) -> None:
        unproven = read_sha256(await self._notes.get(_unproven_note(ref)))
        if unproven is not None and unproven != digest:
            self._tally.count("core_metadata_wrong", ref.upstream)
            _LOG.error("a METADATA differed from its wheel's and is replaced: file %s", ref.filename)
        if unproven is not None:
            await self._notes.delete(_unproven_note(ref))
        await self._notes.set(_proven_note(wheel), digest.encode("ascii"))

    async def _noted(self, note: str) -> Sha256 | None:
        digest = read_sha256(await self._notes.get(note))
        return digest if digest is not None and await self._store.get(digest) is not None else None


async def _side(remote: Way, link: str) -> Answer:
    return await remote.document(
        side_url(link), accept="*/*", max_bytes=_MOST_BYTES, is_file=True, has_substitute=True
    )


def side_url(url: str) -> str:
    """Return the URL of a file's `.metadata`: the suffix belongs to the path, in front of a query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path}.metadata", fragment=""))


def _is_metadata(body: bytes, project: str, advertised: Sha256 | None) -> bool:
    """Return whether a side file is what its index says or, where that says nothing, METADATA of the project."""
    if advertised is not None:
        return hashlib.sha256(body).hexdigest() == advertised
    return names_project(body, project)


def _from_file(blob: Blob, ref: ArtifactRef) -> bytes:
    try:
        with blob.path.open("rb") as wheel:
            return metadata_from_file(ref.filename, wheel, blob.size)
    except NoMetadata as bad:
        raise _holds_none(ref, bad) from bad
    except FileNotFoundError as evicted:
        raise gone(ref) from evicted


def _holds_none(ref: ArtifactRef, why: NoMetadata) -> Problem:
    return Problem(
        "unknown", f"{ref.filename} holds no METADATA: {why}", feed=ref.feed, artifact=ref.filename
    )


def _proven_note(wheel: Sha256) -> str:
    return f"wheel-metadata/{wheel}"


def _unproven_note(ref: ArtifactRef) -> str:
    told = f"{ref.upstream} {ref.url} {ref.sha256 or ''}"
    return f"unproven-metadata/{hashlib.sha256(told.encode()).hexdigest()}"
