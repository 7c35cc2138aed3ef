"""Intake of a subdir: ask the channel, hand what came to a child, remember first sights.

Nothing large passes through this process: an index is streamed to a file, read by a child, and comes back as the
files of a generation.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from proxy.child.folder import temporary_folder
from proxy.child.run import ChildFailed, NoRoom, busy, run_in_child
from proxy.conda.ingest import wanted_shards
from proxy.conda.pack import BadPack
from proxy.config.settings import Upstream
from proxy.feeds.conda.draft import unfinished_removed
from proxy.feeds.conda.folder_locks import FolderLocks
from proxy.feeds.conda.ingest_job import Order
from proxy.feeds.conda.origin_files import PACKINGS, FullFile, Nothing, OriginFiles, ShardIndexFile
from proxy.feeds.conda.packs import Generation
from proxy.model.problem import Problem
from proxy.model.tally import Tally
from proxy.state.sightings import Sightings
from proxy.upstream.errors import AuthRefused, BadAnswer, Overloaded, UpstreamError
from proxy.upstream.remote import Validators
from proxy.upstream.way import Way

_LOG = logging.getLogger("feedgate.conda")
#: A channel that has no shards is asked again after this long.
_SHARDS_AGAIN_MS = 24 * 3600 * 1000
#: More changed shards than this, and the full file is cheaper.
_MOST_SHARDS = 3000
_CHILD_BYTES = 8 * 1024**3
#: What half a million records may take at the most.
_CHILD_S = 300.0


class Taken(msgspec.Struct, frozen=True, array_like=True):
    """What was taken last, and how it is revalidated. `stem` None: the origin has no such subdir."""

    stem: str | None = None
    names: int = 0
    #: Of the full file: how it was packed, and its validators.
    packing: str = ""
    etag: str | None = None
    last_modified: str | None = None
    #: None: not known yet.
    has_shards: bool | None = None
    shards_asked_ms: int = 0
    shards_etag: str | None = None
    shards_last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What is held before an intake."""

    generation: Generation | None
    #: Whether an origin that lists nothing any more is believed: there is nothing to lose, or it is too old.
    may_vanish: bool
    #: Whether nobody waits for the intake: what is held is served meanwhile.
    is_background: bool = False


@dataclass(frozen=True, slots=True)
class _Work:
    """One intake."""

    held: Held
    now_ms: int
    incoming: Path


class ChannelIntake:
    """One upstream's subdir, from the outbound door to a generation's files."""

    def __init__(
        self, upstream: Upstream, subdir: str, folder: Path, remote: Way, sightings: Sightings, state: Path,
        tally: Tally, locks: FolderLocks, *, stamps: bool,
    ) -> None:  # fmt: skip
        self._upstream = upstream
        self._subdir = subdir
        self._folder = folder
        self._sightings = sightings
        self._state = state
        self._tally = tally
        self._locks = locks
        self._stamps = stamps
        base = f"{upstream.urls[0].reveal().rstrip('/')}/{quote(subdir)}/"
        self._files = OriginFiles(remote, base)

    async def take(self, last: Taken, held: Held, now_ms: int) -> Taken:
        """Ask; return what is current now. Raises UpstreamError, and BadPack where what is held cannot be read.

        Then nothing has changed.
        """
        # Anybody may ask for any subdir, so it gets a folder only when the origin turned out to have it.
        channel = self._folder.parent
        await asyncio.to_thread(channel.mkdir, parents=True, exist_ok=True)
        async with self._locks.of(self._folder), temporary_folder(".incoming-", below=channel) as incoming:
            try:
                return await self._taken(last, held, now_ms, incoming)
            except NoRoom as failed:
                raise busy(failed) from failed
            except ChildFailed as failed:
                raise BadAnswer(
                    "origin", f"the index of {self._subdir} could not be taken in: {failed}"
                ) from failed

    async def _taken(self, last: Taken, held: Held, now_ms: int, incoming: Path) -> Taken:
        # The shard index is asked for first: the full file is then as new as it or newer, and a name that is
        # newer there is only fetched once more.
        work = _Work(held, now_ms, incoming)
        known, sharded = await self._asked_for_shards(last, work)
        if sharded is Nothing.UNCHANGED:
            return self._unchanged(last)
        if isinstance(sharded, ShardIndexFile) and held.generation is not None:
            wanted = await asyncio.to_thread(wanted_shards, held.generation.snapshot, sharded.index)
            if len(wanted) <= _MOST_SHARDS:
                return await self._by_shards(known, sharded, wanted, work)
        index = sharded if isinstance(sharded, ShardIndexFile) else None
        taken = await self._by_any_file(known, index, work)
        if taken is Nothing.UNCHANGED:
            # A shard index that tells of more than the file is asked for again.
            return self._unchanged(last if index is not None else known)
        if isinstance(taken, Taken):
            return taken
        if index is not None:
            wanted = await asyncio.to_thread(wanted_shards, None, index.index)
            return await self._by_shards(known, index, wanted, work)
        if not held.may_vanish:
            raise BadAnswer("origin", f"{self._subdir} is not there any more; the former index stays")
        self._tally.count("index_answers", "absent")
        return Taken(has_shards=False, shards_asked_ms=now_ms)

    def _unchanged(self, last: Taken) -> Taken:
        self._tally.count("index_answers", "unchanged")
        return last

    # -- the full file -------------------------------------------------------------------------------------

    async def _by_any_file(self, known: Taken, index: ShardIndexFile | None, work: _Work) -> Taken | Nothing:
        """Take the first packing that is an index, that of last time before the others.

        A page with status 200 is as good as a refusal: clients go on to the next packing, too (fact sheet 3.1).
        """
        refused: UpstreamError | None = None
        for packing in sorted(PACKINGS, key=lambda each: each != known.packing) if known.stem else PACKINGS:
            has_it = known.stem is not None and packing == known.packing and work.held.generation is not None
            validators = Validators(known.etag, known.last_modified) if has_it else None
            try:
                file = await self._files.full(packing, validators, work.incoming)
                if isinstance(file, FullFile):
                    return await self._by_file(known, file, index, work)
            except (BadAnswer, AuthRefused) as error:
                refused = refused or error
                continue
            if file is Nothing.UNCHANGED:
                return file
        if refused is not None:
            raise refused
        return Nothing.ABSENT

    async def _by_file(
        self, known: Taken, file: FullFile, index: ShardIndexFile | None, work: _Work
    ) -> Taken:
        made = await self._ingest(
            work, source=str(file.path), packing=file.packing, max_output=self._upstream.max_index_size_bytes,
            shard_index=str(index.path) if index is not None else None,
        )  # fmt: skip
        return msgspec.structs.replace(
            known, stem=made["stem"], names=made["names"], packing=file.packing, etag=file.etag,
            last_modified=file.last_modified,
        )  # fmt: skip

    # -- shards --------------------------------------------------------------------------------------------

    async def _asked_for_shards(self, last: Taken, work: _Work) -> tuple[Taken, ShardIndexFile | Nothing]:
        """Return what is known of the origin's shards now, and their index if it came.

        An origin that refuses it, or answers with something else, has no shards today (fact sheet 4). One that is
        in trouble has none for the moment, if nothing is held; otherwise what is held is good enough.
        """
        none_today = msgspec.structs.replace(last, has_shards=False, shards_asked_ms=work.now_ms)
        if last.has_shards is False and abs(work.now_ms - last.shards_asked_ms) < _SHARDS_AGAIN_MS:
            return last, Nothing.ABSENT
        is_known = work.held.generation is not None and last.has_shards
        validators = Validators(last.shards_etag, last.shards_last_modified) if is_known else None
        try:
            found = await self._files.shard_index(validators, work.incoming)
        except (BadAnswer, AuthRefused) as error:
            _LOG.warning("the shard index of %s cannot be used: %s", self._files, error)
            return none_today, Nothing.ABSENT
        except Overloaded:
            if work.held.generation is not None:
                raise
            return last, Nothing.ABSENT
        if not isinstance(found, ShardIndexFile):
            return (none_today if found is Nothing.ABSENT else last), found
        return msgspec.structs.replace(
            last, has_shards=True, shards_asked_ms=work.now_ms, shards_etag=found.etag,
            shards_last_modified=found.last_modified,
        ), found  # fmt: skip

    async def _by_shards(
        self, known: Taken, index: ShardIndexFile, wanted: Sequence[str], work: _Work
    ) -> Taken:
        """Fetch what changed; a shard that does not come leaves its name as it was, and is wanted again."""
        missing = await self._files.shards(index.index, wanted, work.incoming)
        made = await self._ingest(work, shard_index=str(index.path), shards=str(work.incoming))
        taken = msgspec.structs.replace(known, stem=made["stem"], names=made["names"])
        if missing:
            taken = msgspec.structs.replace(taken, shards_etag=None, shards_last_modified=None)
        return taken

    # -- the child -----------------------------------------------------------------------------------------

    async def _ingest(self, work: _Work, **source: Any) -> dict[str, Any]:
        held, now_ms = work.held, work.now_ms
        await asyncio.to_thread(self._folder.mkdir, exist_ok=True)
        first_ms = await self._sightings.first_complete_ms(self._upstream.id, self._subdir)
        learned = work.incoming / "learned"
        order = Order(
            folder=str(self._folder), subdir=self._subdir, upstream=self._upstream.id, now_ms=now_ms,
            previous=held.generation.stem if held.generation is not None else None, state=str(self._state),
            may_vanish=held.may_vanish, is_initial=first_ms is None, stamps=self._stamps, learned=str(learned),
            **source,
        )  # fmt: skip
        async with unfinished_removed(self._folder, now_ms):
            made: dict[str, Any] = await run_in_child(
                "proxy.feeds.conda.ingest_job:run", {"order": msgspec.to_builtins(order)},
                memory_bytes=_CHILD_BYTES, timeout_s=_CHILD_S, background=held.is_background,
            )  # fmt: skip
        if "damaged" in made:
            raise BadPack(made["damaged"])
        if "bad" in made:
            raise BadAnswer("origin", f"not an index of {self._subdir}: {made['bad']}")
        self._tell(made)
        await self._remember(learned, now_ms, is_first=first_ms is None)
        self._tally.count("index_answers", "changed")
        return made

    def _tell(self, made: dict[str, Any]) -> None:
        for file, why in made["reasons"]:
            _LOG.warning("a record of %s was left out: %s: %s", self._files, file, why)
        if made["dropped"]:
            self._tally.count("records_dropped", self._upstream.id, made["dropped"])
        if made["drifted"]:
            self._tally.count("drift", self._upstream.id, made["drifted"])
            files = ", ".join(made["drifted_files"])
            _LOG.error(
                "%s files of %s changed under their names and are held, such as %s",
                made["drifted"], self._files, files,
            )  # fmt: skip

    async def _remember(self, learned: Path, now_ms: int, *, is_first: bool) -> None:
        """Write first sights; on a full disk they are written by a later refresh."""
        with contextlib.suppress(Problem):
            await self._sightings.learn(self._upstream.id, self._subdir, learned)
            if is_first:
                await self._sightings.complete(self._upstream.id, self._subdir, now_ms)
