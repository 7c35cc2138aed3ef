"""Intake of a subdir: ask the channel, hand what came to a child, remember first sights.

Nothing large passes through this process: an index is streamed to a file, read by a child, and comes back as the
files of a generation.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from proxy.child.folder import temporary_folder
from proxy.child.run import ChildFailed, run_in_child
from proxy.conda.origin_shards import BadShards, ShardIndex, parse_index
from proxy.config.settings import Upstream
from proxy.feeds.conda.ingest_job import Order
from proxy.feeds.conda.packs import Generation
from proxy.model.problem import Problem
from proxy.model.tally import Tally
from proxy.state.sightings import Sightings
from proxy.upstream.errors import BadAnswer, UpstreamError
from proxy.upstream.remote import Validators
from proxy.upstream.way import Way

_LOG = logging.getLogger("feedgate.conda")
_SHARD_INDEX = "repodata_shards.msgpack.zst"
_PACKINGS = (".zst", ".bz2", "")
_SHARD_INDEX_BYTES = 128 * 1024**2
_SHARD_BYTES = 64 * 1024**2
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


_UNCHANGED = object()
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Sharded:
    """A shard index that came: read, and as a file for the child. `taken` is what is noted when it is used."""

    index: ShardIndex
    path: Path
    taken: Taken


@dataclass(frozen=True, slots=True)
class Download:
    """An index file that came."""

    path: Path
    packing: str
    etag: str | None
    last_modified: str | None


class ChannelIntake:
    """One upstream's subdir, from the outbound door to a generation's files."""

    def __init__(
        self, upstream: Upstream, subdir: str, folder: Path, remote: Way, sightings: Sightings, state: Path,
        tally: Tally, *, stamps: bool,
    ) -> None:  # fmt: skip
        self._upstream = upstream
        self._subdir = subdir
        self._folder = folder
        self._remote = remote
        self._sightings = sightings
        self._state = state
        self._tally = tally
        self._stamps = stamps
        self._base = f"{upstream.urls[0].reveal().rstrip('/')}/{quote(subdir)}/"

    async def take(self, last: Taken, generation: Generation | None, now_ms: int) -> Taken:
        """Ask; return what is current now. Raises UpstreamError, and then nothing has changed."""
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        async with temporary_folder(".incoming-", below=self._folder) as incoming:
            try:
                return await self._taken(last, generation, now_ms, incoming)
            except ChildFailed as failed:
                raise BadAnswer(
                    "origin", f"the index of {self._subdir} could not be taken in: {failed}"
                ) from failed

    async def _taken(self, last: Taken, generation: Generation | None, now_ms: int, incoming: Path) -> Taken:
        # The shard index is asked for first: the full file is then as new as it or newer, and a name that is
        # newer there is only fetched once more.
        sharded = await self._shard_index(last, generation, now_ms, incoming)
        if isinstance(sharded, Sharded):
            wanted = await asyncio.to_thread(_wanted, generation, sharded.index)
            if generation is not None and len(wanted) <= _MOST_SHARDS:
                return await self._by_shards(sharded, wanted, generation, now_ms, incoming)
            known = sharded.taken
        elif sharded is _UNCHANGED:
            return self._unchanged(last)
        else:
            known = msgspec.structs.replace(last, has_shards=False, shards_asked_ms=now_ms)
        download = await self._download(known if generation is not None else Taken(), incoming)
        if download is _UNCHANGED:
            return self._unchanged(known)
        if isinstance(download, Download):
            return await self._by_file(download, sharded, known, generation, now_ms, incoming)
        if isinstance(sharded, Sharded):
            return await self._by_shards(sharded, wanted, generation, now_ms, incoming)
        self._tally.count("index_answers", "absent")
        return Taken(has_shards=False, shards_asked_ms=now_ms)

    def _unchanged(self, last: Taken) -> Taken:
        self._tally.count("index_answers", "unchanged")
        return last

    # -- the full file -------------------------------------------------------------------------------------

    async def _download(self, last: Taken, incoming: Path) -> "Download | object":
        """Return the index file, _UNCHANGED, or _ABSENT where the origin has none in any packing."""
        asked: Sequence[str] = (
            (last.packing, *(p for p in _PACKINGS if p != last.packing)) if last.stem else _PACKINGS
        )
        for packing in asked:
            has_it = last.stem is not None and packing == last.packing
            validators = Validators(last.etag, last.last_modified) if has_it else None
            stream = await self._remote.open(
                f"{self._base}repodata.json{packing}", validators=validators,
                max_bytes=self._upstream.max_index_size_bytes,
            )  # fmt: skip
            async with stream:
                if stream.status == 304:
                    return _UNCHANGED
                if stream.status in (404, 410):
                    continue
                path = incoming / f"repodata.json{packing}"
                await _save(stream.chunks(), path)
                return Download(path, packing, stream.headers.get("etag"), stream.last_modified)
        return _ABSENT

    async def _by_file(
        self, download: Download, sharded: "Sharded | object", known: Taken, generation: Generation | None,
        now_ms: int, incoming: Path,
    ) -> Taken:  # fmt: skip
        made = await self._ingest(
            generation, now_ms, incoming, source=str(download.path), packing=download.packing,
            max_output=self._upstream.max_index_size_bytes,
            shard_index=str(sharded.path) if isinstance(sharded, Sharded) else None,
        )  # fmt: skip
        return msgspec.structs.replace(
            known, stem=made["stem"], names=made["names"], packing=download.packing, etag=download.etag,
            last_modified=download.last_modified,
        )  # fmt: skip

    # -- shards --------------------------------------------------------------------------------------------

    async def _shard_index(
        self, last: Taken, generation: Generation | None, now_ms: int, incoming: Path
    ) -> "Sharded | object":
        """Return the origin's shard index, _UNCHANGED, or _ABSENT where it has none (or had none today)."""
        if last.has_shards is False and abs(now_ms - last.shards_asked_ms) < _SHARDS_AGAIN_MS:
            return _ABSENT
        is_known = generation is not None and last.has_shards
        validators = Validators(last.shards_etag, last.shards_last_modified) if is_known else None
        answer = await self._remote.document(
            f"{self._base}{_SHARD_INDEX}", accept="*/*", validators=validators, max_bytes=_SHARD_INDEX_BYTES
        )
        if answer.status == 304:
            return _UNCHANGED
        if answer.status != 200:
            return _ABSENT
        path = incoming / _SHARD_INDEX
        await asyncio.to_thread(path.write_bytes, answer.body)
        try:
            index = await asyncio.to_thread(parse_index, answer.body)
        except BadShards as bad:
            _LOG.warning("the shard index of %s cannot be used: %s", self._base, bad)
            return _ABSENT
        taken = msgspec.structs.replace(
            last, has_shards=True, shards_asked_ms=now_ms, shards_etag=answer.headers.get("etag"),
            shards_last_modified=answer.headers.get("last-modified"),
        )  # fmt: skip
        return Sharded(index, path, taken)

    async def _by_shards(
        self,
        sharded: "Sharded",
        wanted: Sequence[str],
        generation: Generation | None,
        now_ms: int,
        incoming: Path,
    ) -> Taken:
        """Fetch what changed; a shard that does not come leaves its name as it was, and is wanted again."""
        await self._fetch_shards(sharded.index, wanted, incoming)
        made = await self._ingest(
            generation, now_ms, incoming, shard_index=str(sharded.path), shards=str(incoming)
        )
        return msgspec.structs.replace(sharded.taken, stem=made["stem"], names=made["names"])

    async def _fetch_shards(self, index: ShardIndex, wanted: Sequence[str], incoming: Path) -> None:
        """Fetch the shards; one that does not come leaves its name as it was (the child says so)."""
        index_url = f"{self._base}{_SHARD_INDEX}"
        queue = list(reversed(wanted))

        async def work() -> None:
            while queue:
                name = queue.pop()
                answer = await self._remote.document(
                    index.url(index_url, name), accept="*/*", max_bytes=_SHARD_BYTES, index=False
                )
                if answer.status == 200:
                    path = incoming / index.digests[name].hex()
                    await asyncio.to_thread(path.write_bytes, answer.body)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(len(queue), self._upstream.concurrency)):
                    group.create_task(work())
        except* UpstreamError as failed:
            raise failed.exceptions[0] from None

    # -- the child -----------------------------------------------------------------------------------------

    async def _ingest(
        self, generation: Generation | None, now_ms: int, incoming: Path, **source: Any
    ) -> dict[str, Any]:
        first_ms = await self._sightings.first_complete_ms(self._upstream.id, self._subdir)
        learned = incoming / "learned"
        order = Order(
            folder=str(self._folder), subdir=self._subdir, upstream=self._upstream.id, now_ms=now_ms,
            previous=generation.stem if generation is not None else None, state=str(self._state),
            is_initial=first_ms is None, stamps=self._stamps, learned=str(learned), **source,
        )  # fmt: skip
        made: dict[str, Any] = await run_in_child(
            "proxy.feeds.conda.ingest_job:run", {"order": msgspec.to_builtins(order)},
            memory_bytes=_CHILD_BYTES, timeout_s=_CHILD_S,
        )  # fmt: skip
        if "bad" in made:
            raise BadAnswer("origin", f"not an index of {self._subdir}: {made['bad']}")
        if made["names"] == 0 and generation is not None and len(generation.snapshot) > 0:
            raise BadAnswer("origin", f"the index of {self._subdir} has shrunk to nothing; the former stays")
        self._tell(made)
        await self._remember(learned, now_ms, is_first=first_ms is None)
        self._tally.count("index_answers", "changed")
        return made

    def _tell(self, made: dict[str, Any]) -> None:
        for file, why in made["reasons"]:
            _LOG.warning("a record of %s was left out: %s: %s", self._base, file, why)
        if made["dropped"]:
            self._tally.count("records_dropped", self._upstream.id, made["dropped"])
        if made["drifted"]:
            self._tally.count("drift", self._upstream.id, made["drifted"])
            _LOG.error("%s files of %s changed under their names and are held", made["drifted"], self._base)

    async def _remember(self, learned: Path, now_ms: int, *, is_first: bool) -> None:
        """Write first sights; on a full disk they are written by a later refresh."""
        with contextlib.suppress(Problem):
            await self._sightings.learn(self._upstream.id, self._subdir, learned)
            if is_first:
                await self._sightings.complete(self._upstream.id, self._subdir, now_ms)


def _wanted(generation: Generation | None, index: ShardIndex) -> list[str]:
    """Return the names whose shards are not what the generation was made of."""
    known = {} if generation is None else generation.snapshot.pack.entries
    return sorted(
        name
        for name, digest in index.digests.items()
        if (entry := known.get(name)) is None or entry.source != digest
    )


async def _save(chunks: AsyncIterator[bytes], path: Path) -> None:
    file = await asyncio.to_thread(path.open, "wb")
    try:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)
    finally:
        await asyncio.to_thread(file.close)
