"""Intake of a subdir: ask the channel, hand what came to a child, remember first sights.

Nothing large passes through this process: an index is streamed to a file, read by a child, and comes back as the
files of a generation.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from proxy.child.folder import temporary_folder
from proxy.child.run import ChildFailed, NoRoom, busy, run_in_child
from proxy.conda.ingest import lost_names, wanted_shards
from proxy.conda.pack import BadPack
from proxy.config.settings import MIB, Upstream
from proxy.feeds.conda.change_job import Order as ChangeOrder
from proxy.feeds.conda.draft import unfinished_removed
from proxy.feeds.conda.folder_locks import FolderLocks
from proxy.feeds.conda.ingest_job import Order
from proxy.feeds.conda.origin_files import PACKINGS, SHARDS, FullFile, Nothing, OriginFiles, ShardIndexFile
from proxy.feeds.conda.packs import Generation, open_generation
from proxy.feeds.conda.taken import Taken, Troubles, is_older, order_packings, without_shards
from proxy.model.problem import Problem
from proxy.model.tally import Tally
from proxy.state.sightings import Sightings
from proxy.upstream.errors import BadAnswer, Overloaded, UpstreamError
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
    troubles: Troubles


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
        #: Those that the settings let us ask for.
        self._packings = tuple(each for each in PACKINGS if each != ".zst" or upstream.repodata_use_zst)
        base = f"{upstream.urls[0].reveal().rstrip('/')}/{quote(subdir)}/"
        self._files = OriginFiles(remote, base)
        self._is_reading = False

    @property
    def step(self) -> str:
        """What an intake that is under way does, and how much has come, in words."""
        came = f"{self._files.received_bytes / MIB:.1f} MiB"
        return f"{came} are read" if self._is_reading else f"{came} have come so far"

    async def take(self, last: Taken, held: Held, now_ms: int) -> Taken:
        """Ask; return what is current now. Raises UpstreamError, and BadPack where what is held cannot be read.

        Then nothing has changed.
        """
        # Anybody may ask for any subdir, so it gets a folder only when the origin turned out to have it.
        self._files.received_bytes, self._is_reading = 0, False
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

    async def take_change(self, file: str, first_ms: int, before: Generation, now_ms: int) -> str:
        """Make the next generation, in which a changed file is as the origin lists it now; return its stem.

        Raises Problem, and BadPack where what is held cannot be read; then nothing has changed.
        """
        order = ChangeOrder(
            folder=str(self._folder), previous=before.stem, file=file, now_ms=now_ms,
            first_ms=first_ms if self._stamps else None,
        )  # fmt: skip
        async with self._locks.of(self._folder), unfinished_removed(self._folder, now_ms):
            try:
                made: dict[str, Any] = await run_in_child(
                    "proxy.feeds.conda.change_job:run", {"order": msgspec.to_builtins(order)},
                    memory_bytes=_CHILD_BYTES, timeout_s=_CHILD_S,
                )  # fmt: skip
            except ChildFailed as failed:
                raise busy(failed) from failed
        if "damaged" in made:
            raise BadPack(made["damaged"])
        if "missing" in made:
            raise Problem(
                "conflict", f"the origin's record of {file} is not held; accept it after the next refresh of the index",
                artifact=f"{self._subdir}/{file}",
            )  # fmt: skip
        stem: str = made["stem"]
        return stem

    async def _taken(self, last: Taken, held: Held, now_ms: int, incoming: Path) -> Taken:
        # The shard index is asked for first: the full file is then as new as it or newer, and a name that is
        # newer there is only fetched once more.
        work = _Work(held, now_ms, incoming, Troubles(last.troubles, now_ms))
        known, sharded = await self._asked_for_shards(last, work)
        if sharded is Nothing.UNCHANGED:
            return self._unchanged(last, work)
        index = sharded if isinstance(sharded, ShardIndexFile) else None
        if index is not None and held.generation is not None:
            taken = await self._by_known_shards(known, index, held.generation, work)
            if taken is not None:
                return taken
        found: Taken | Nothing = Nothing.ABSENT
        try:
            found = await self._by_any_file(known, index, work)
        except UpstreamError:
            if index is None:
                raise
        if found is Nothing.UNCHANGED:
            # A shard index that tells of more than the file is asked for again.
            return self._unchanged(last if index is not None else known, work)
        if isinstance(found, Taken):
            return found
        if index is not None:
            before = held.generation.snapshot if held.generation is not None else None
            wanted = await asyncio.to_thread(wanted_shards, before, index.index)
            return await self._by_shards(known, index, wanted, work)
        await self._check_absence(found is Nothing.FORBIDDEN, held)
        self._tally.count("index_answers", "absent")
        return Taken(has_shards=False, shards_asked_ms=now_ms)

    def _unchanged(self, last: Taken, work: _Work) -> Taken:
        self._tally.count("index_answers", "unchanged")
        return msgspec.structs.replace(last, troubles=work.troubles.noted)

    async def _check_absence(self, is_forbidden: bool, held: Held) -> None:
        """Raise UpstreamError unless it may be believed that the origin has no such subdir (contract, section 3)."""
        if is_forbidden:
            why = ""
            if held.generation is not None:
                why = f"refuses {self._subdir} (403), which it had"
            elif not await self._files.is_answering(await asyncio.to_thread(self._siblings)):
                why = "refuses everything (403): it may block this server, or limit its requests"
            if why:
                raise Overloaded("origin", f"the origin {why}", status=403)
        if not held.may_vanish:
            raise BadAnswer("origin", f"{self._subdir} is not there any more; the former index stays")

    def _siblings(self) -> list[str]:
        """Return other subdirs of which the origin may have an index: noarch, and one that was taken in. Blocks."""
        known = sorted(path.parent.name for path in self._folder.parent.glob("*/*.records"))
        return [subdir for subdir in dict.fromkeys(("noarch", *known[:1])) if subdir != self._subdir]

    # -- the full file -------------------------------------------------------------------------------------

    async def _by_any_file(self, known: Taken, index: ShardIndexFile | None, work: _Work) -> Taken | Nothing:
        """Take the first packing that is an index; whatever is wrong with one, the next is asked for.

        A page with status 200 is as good as a refusal: clients go on to the next packing, too (fact sheet 3.1). Raises
        UpstreamError where one is in trouble and none is an index.
        """
        nothing, trouble = Nothing.ABSENT, None
        for packing in order_packings(known, work.troubles, self._packings):
            try:
                found = await self._by_packing(packing, known, index, work)
            except UpstreamError as error:
                if not self._files.is_of_form(error):
                    raise
                work.troubles.note(f"repodata.json{packing}", error)
                trouble = trouble or error
                continue
            work.troubles.forget(f"repodata.json{packing}")
            if isinstance(found, Taken) or found is Nothing.UNCHANGED:
                return found
            if found is Nothing.FORBIDDEN:
                nothing = found
        if trouble is not None:
            raise trouble
        return nothing

    async def _by_packing(
        self, packing: str, known: Taken, index: ShardIndexFile | None, work: _Work
    ) -> Taken | Nothing:
        is_known = known.stem is not None and packing == known.packing and work.held.generation is not None
        validators = Validators(known.etag, known.last_modified) if is_known else None
        file = await self._files.full(packing, validators, work.incoming)
        if not isinstance(file, FullFile):
            return file
        # What is held may have come in a packing that the settings do not trust any more.
        is_trusted = known.packing in self._packings
        if not is_known and work.held.generation is not None and is_trusted and is_older(file, known):
            # Servers go on to offer what their indexer has stopped to write, bz2 above all.
            raise BadAnswer("origin", f"repodata.json{packing} is older than what is held")
        return await self._by_file(known, file, index, work)

    async def _by_file(
        self, known: Taken, file: FullFile, index: ShardIndexFile | None, work: _Work
    ) -> Taken:
        made = await self._ingest(
            work, source=str(file.path), packing=file.packing, max_output=self._upstream.max_index_size_bytes,
            shard_index=str(index.path) if index is not None else None, coding=file.coding,
        )  # fmt: skip
        work.troubles.forget(f"repodata.json{file.packing}")
        return msgspec.structs.replace(
            known, stem=made["stem"], names=made["names"], packing=file.packing, etag=file.etag,
            last_modified=file.last_modified, troubles=work.troubles.noted, changed=file.last_modified,
        )  # fmt: skip

    # -- shards --------------------------------------------------------------------------------------------

    async def _asked_for_shards(self, last: Taken, work: _Work) -> tuple[Taken, ShardIndexFile | Nothing]:
        """Return what is known of the origin's shards now, and their index if it came.

        An origin that refuses it, or answers with something else, has no shards today (fact sheet 4). One that is in
        trouble with it is asked for the full file in its place, and for shards again a while later.
        """
        if not self._upstream.repodata_use_shards:
            work.troubles.forget(SHARDS)
            return (without_shards(last) if last.has_shards else last), Nothing.ABSENT
        none_today = msgspec.structs.replace(last, has_shards=False, shards_asked_ms=work.now_ms)
        if last.has_shards is False and abs(work.now_ms - last.shards_asked_ms) < _SHARDS_AGAIN_MS:
            return last, Nothing.ABSENT
        if work.troubles.rests(SHARDS):
            return last, Nothing.ABSENT
        is_known = work.held.generation is not None and last.has_shards
        validators = Validators(last.shards_etag, last.shards_last_modified) if is_known else None
        try:
            found = await self._files.shard_index(validators, work.incoming)
        except UpstreamError as error:
            if not self._files.is_of_form(error):
                raise
            work.troubles.note(SHARDS, error)
            _LOG.warning("the shard index of %s cannot be used: %s", self._files, error)
            return (none_today if isinstance(error, BadAnswer) else last), Nothing.ABSENT
        work.troubles.forget(SHARDS)
        if not isinstance(found, ShardIndexFile):
            return (last if found is Nothing.UNCHANGED else none_today), found
        return msgspec.structs.replace(
            last, has_shards=True, shards_asked_ms=work.now_ms, shards_etag=found.etag,
            shards_last_modified=found.last_modified,
        ), found  # fmt: skip

    async def _by_known_shards(
        self, known: Taken, index: ShardIndexFile, held: Generation, work: _Work
    ) -> Taken | None:
        """Take what changed by its shards; None where there is too much of it, or the full file has to decide.

        It has where a shard does not come, and where the index lacks a name that is held: the origin may have taken it
        away, or its indexer left it out.
        """
        wanted = await asyncio.to_thread(wanted_shards, held.snapshot, index.index)
        lost = await asyncio.to_thread(lost_names, held.snapshot, index.index)
        if len(wanted) > _MOST_SHARDS:
            return None
        doubt = f"the shard index lacks {len(lost)} names, such as {lost[0]}" if lost else ""
        taken = await self._decided_by_file(known, index, work, doubt, lost) if doubt else None
        if taken is not None:
            return taken
        trouble, missing = None, list[str]()
        try:
            missing = await self._files.shards(index.index, wanted, work.incoming)
        except UpstreamError as error:
            if not self._files.is_of_form(error):
                raise
            trouble = error
        if trouble is not None or missing:
            doubt = str(trouble) if trouble is not None else f"{len(missing)} shards did not come"
            taken = await self._decided_by_file(known, index, work, doubt)
        if taken is None and trouble is not None:
            raise trouble
        return taken or await self._with_shards(known, index, missing, work)

    async def _decided_by_file(
        self, known: Taken, index: ShardIndexFile, work: _Work, why: str, lost: Sequence[str] = ()
    ) -> Taken | None:
        """Take the full file where the shards are in doubt; None where it is of no use either.

        `lost` are the names that the shard index lacks; where the full file lacks them as well, nothing was wrong.
        """
        doubtful = msgspec.structs.replace(known, shards_etag=None, shards_last_modified=None)
        try:
            taken = await self._by_any_file(doubtful, index, work)
        except UpstreamError:
            return None
        if isinstance(taken, Taken) and lost and not await asyncio.to_thread(self._has_any, taken, lost):
            return msgspec.structs.replace(
                taken, shards_etag=known.shards_etag, shards_last_modified=known.shards_last_modified
            )
        if not isinstance(taken, Taken) and taken is not Nothing.UNCHANGED:
            return None
        _LOG.warning("the full index of %s decides: %s", self._files, why)
        work.troubles.note(SHARDS, BadAnswer("origin", why))
        if isinstance(taken, Taken):
            return msgspec.structs.replace(taken, troubles=work.troubles.noted)
        return self._unchanged(doubtful, work)

    def _has_any(self, taken: Taken, names: Sequence[str]) -> bool:
        """Tell whether a generation that was made just now has any of these names. Blocks."""
        assert taken.stem is not None
        entries = open_generation(self._folder, taken.stem).snapshot.pack.entries
        return any(name in entries and any(entries[name].lengths[:2]) for name in names)

    async def _by_shards(
        self, known: Taken, index: ShardIndexFile, wanted: Sequence[str], work: _Work
    ) -> Taken:
        missing = await self._files.shards(index.index, wanted, work.incoming)
        return await self._with_shards(known, index, missing, work)

    async def _with_shards(
        self, known: Taken, index: ShardIndexFile, missing: Sequence[str], work: _Work
    ) -> Taken:
        """Take the shards that came; one that did not leaves its name as it was, and is wanted again."""
        made = await self._ingest(work, shard_index=str(index.path), shards=str(work.incoming))
        taken = msgspec.structs.replace(
            known, stem=made["stem"], names=made["names"], troubles=work.troubles.noted,
            changed=known.shards_last_modified,
        )  # fmt: skip
        if missing:
            taken = msgspec.structs.replace(taken, shards_etag=None, shards_last_modified=None)
        return taken

    # -- the child -----------------------------------------------------------------------------------------

    async def _ingest(self, work: _Work, **source: Any) -> dict[str, Any]:
        await asyncio.to_thread(self._folder.mkdir, exist_ok=True)
        async with self._sightings.quiet(self._upstream.id, self._subdir):
            return await self._ingested(work, source)

    async def _ingested(self, work: _Work, source: Mapping[str, Any]) -> dict[str, Any]:
        held, now_ms = work.held, work.now_ms
        first_ms = await self._sightings.first_complete_ms(self._upstream.id, self._subdir)
        learned = work.incoming / "learned"
        order = Order(
            folder=str(self._folder), subdir=self._subdir, upstream=self._upstream.id, now_ms=now_ms,
            previous=held.generation.stem if held.generation is not None else None, state=str(self._state),
            may_vanish=held.may_vanish, is_initial=first_ms is None, stamps=self._stamps, learned=str(learned),
            **source,
        )  # fmt: skip
        self._is_reading = True
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
