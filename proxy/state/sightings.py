"""First sight and digest history of every file: read through memory, written when something is new.

The rules are in `sighting.py`; here rows are fetched, merged in a thread, and written in one transaction,
together with what else waits for one (`batches.py`). What was returned is on disk. A listing that tells nothing new
costs no write and, while the row is in memory, no read.

That bytes of a digest came is written beside their way to the client, a moment after they proved right (`land`);
whoever compares a new listing waits for it (`quiet`, `sights`). It is state, because the cache, which says so as
well, may be wiped.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from proxy.model.audit_entry import AuditEntry
from proxy.model.problem import Problem
from proxy.model.sights import Sights
from proxy.state.batches import Batches
from proxy.state.database import Database
from proxy.state.row_memory import RowMemory
from proxy.state.sighting import Drift, Sighting, accept, drift_reason, land, merge, pack, unpack

_LOG = logging.getLogger("feedgate.sightings")
#: Packed rows kept in memory, in bytes.
MEMORY_BYTES = 16 * 1024**2
#: Names per transaction: a channel of 60,000 names does not keep others waiting.
_NAMES_AT_ONCE = 1000
#: So many landings are remembered until the disk takes them.
_MOST_OWED = 10_000

Place = tuple[str, str]
Files = Mapping[str, str | None]
Recorded = tuple[Sighting, tuple[Drift, ...]]


@dataclass(frozen=True, slots=True)
class Landed:
    """A file whose bytes came from an upstream; `others` are the weaker digests that its index told of them."""

    upstream: str
    subdir: str
    name: str
    file: str
    sha256: str
    others: tuple[str, ...] = ()

    @property
    def place(self) -> "Place":
        return self.upstream, self.subdir


class Sightings:
    """What was seen when, of every upstream."""

    def __init__(self, database: Database, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._database = database
        self._memory = RowMemory(memory_bytes)
        self._snapshots: dict[tuple[str, str], int] | None = None
        self._turn = asyncio.Lock()
        self._batches = Batches[Place, tuple[Files, int], Recorded](self._turn, self._record, _NAMES_AT_ONCE)
        self._landings = Batches[Place, Landed, None](self._turn, self._record_landed, _NAMES_AT_ONCE)
        self._landing: dict[asyncio.Task[None], Place] = {}
        #: What the disk did not take; one entry for each of them.
        self._owed: dict[Landed, None] = {}
        #: The places whose rows are being made elsewhere: what lands there waits.
        self._quiet: dict[Place, asyncio.Event] = {}

    def land(self, *landed: Landed) -> None:
        """Remember, in a moment, that bytes came; files that no listing told of are left alone."""
        for each in landed:
            task = asyncio.create_task(self._land(each), name="note landing")
            self._landing[task] = each.place
            task.add_done_callback(self._landing.pop)

    @asynccontextmanager
    async def quiet(self, upstream: str, subdir: str) -> AsyncIterator[None]:
        """Keep the rows of a place as they are but for what is written inside: landings wait, and are no less true.

        What has come so far is on the disk, unless that refuses it. One at a time.
        """
        place = (upstream, subdir)
        await self._settle(place)
        while (busy := self._quiet.get(place)) is not None:
            await busy.wait()
        self._quiet[place] = asyncio.Event()
        try:
            yield
        finally:
            self._quiet.pop(place).set()

    async def _settle(self, place: Place | None = None) -> None:
        """Wait until what has come so far is on the disk, or the disk refuses it."""
        owed = [each for each in self._owed if place in (None, each.place)]
        for each in owed:
            del self._owed[each]
        self.land(*owed)
        waited = [task for task, its in self._landing.items() if place in (None, its)]
        await asyncio.gather(*waited, return_exceptions=True)

    async def close(self) -> None:
        """Write what is owed. Nothing may land afterwards."""
        await self._settle()

    async def accept(
        self, upstream: str, subdir: str, name: str, file: str, expected: str, entry: AuditEntry
    ) -> Sighting | None:
        """Take what the index tells of a file now in place of what binds, with the audit; return what is known then.

        None, and nothing has changed, where `expected` is not the digest that the index told last. Raises Problem.
        """
        async with self.quiet(upstream, subdir), self._turn:
            old = (await self._fetch(upstream, subdir, [name]))[name]
            seen = old.files.get(file) if old is not None else None
            if old is None or seen is None or not seen.digests or seen.digests[-1].digest != expected:
                return None
            taken = accept(old, file)
            self._memory.drop((upstream, subdir, name))
            rows = await self._database.rows()
            async with self._database.change(entry) as connection:
                await rows.change_sighting(connection, upstream, subdir, name, pack(taken))
            return taken

    async def record(self, upstream: str, subdir: str, name: str, files: Files, now_ms: int) -> Recorded:
        """Remember one name's listing (file -> digest or None); return what is known now and what drifted.

        Raises Problem('disk-full') when something new cannot be written; nothing has changed then.
        """
        return await self._batches.add((upstream, subdir), name, (files, now_ms))

    async def record_many(
        self, upstream: str, subdir: str, listings: Mapping[str, Files], now_ms: int
    ) -> dict[str, Recorded]:
        """Remember the listings of many names, a thousand per transaction."""
        names, done = list(listings), dict[str, Recorded]()
        for at in range(0, len(names), _NAMES_AT_ONCE):
            part = {name: (listings[name], now_ms) for name in names[at : at + _NAMES_AT_ONCE]}
            async with self._turn:
                done.update(await self._record((upstream, subdir), part))
        return done

    async def of(self, upstream: str, subdir: str, name: str) -> Sighting | None:
        """Return what is remembered of a name."""
        async with self._turn:
            return (await self._fetch(upstream, subdir, [name]))[name]

    async def complete(self, upstream: str, subdir: str, now_ms: int) -> None:
        """Remember that the first complete listing has been taken: what appears from now on is new."""
        async with self._turn:
            taken = await self._taken()
            if (upstream, subdir) not in taken:
                await (await self._database.rows()).write_snapshot(upstream, subdir, now_ms)
                taken[upstream, subdir] = now_ms

    async def first_complete_ms(self, upstream: str, subdir: str) -> int | None:
        """Return when the first complete listing had been taken."""
        async with self._turn:
            return (await self._taken()).get((upstream, subdir))

    async def sights(self, upstream: str, name: str, files: dict[str, str | None], now_ms: int) -> Sights:
        """Record a listing without subdirs (PyPI); return its files' first sight, and those that drifted.

        A file stays among these for as long as its digest is another than its first. The reason goes to
        clients of hidden files, so it names no digest (contract, section 3).
        """
        await self._settle((upstream, ""))
        try:
            sighting, _ = await self.record(upstream, "", name, files, now_ms)
        except Problem as full:
            # The disk takes nothing: what is known still judges, what is new is recorded by a later refresh.
            _LOG.warning("first sight of %s could not be recorded: %s", name, full.detail)
            sighting, _ = merge(await self.of(upstream, "", name), files, now_ms, is_initial=False)
        drifts = sighting.drifts(files)
        known = ((file, sighting.files[file]) for file in files)
        return Sights(
            {file: (seen.first_ms, seen.is_initial) for file, seen in known},
            {file: drift_reason(seen, files[file]) for file, seen in drifts.items()},
            {file: seen.change(files[file]) for file, seen in drifts.items()},
        )

    async def has_listed(self, upstream: str, name: str) -> bool:
        """Tell whether an upstream without subdirs (PyPI) ever listed a file of the name."""
        sighting = await self.of(upstream, "", name)
        return sighting is not None and bool(sighting.files)

    async def learn(self, upstream: str, subdir: str, learned: Path) -> None:
        """Write what a child learned (`learned.py`). Raises Problem('disk-full').

        A thousand names a transaction; the subdir is forgotten here, so that the next reader sees the rows.
        """
        rows, at, taken = await self._database.rows(), 0, _NAMES_AT_ONCE
        while taken == _NAMES_AT_ONCE:
            async with self._turn, rows.learned(learned):
                taken = await rows.take_learned(upstream, subdir, at, _NAMES_AT_ONCE)
                at += taken
                if taken:
                    self._memory.forget(upstream, subdir)

    async def _land(self, landed: Landed) -> None:
        key = f"{landed.name}\0{landed.file}"
        while (busy := self._quiet.get(landed.place)) is not None:
            await busy.wait()
        try:
            await self._landings.add(landed.place, key, landed)
        except Problem as refused:
            if not self._owed:
                _LOG.warning("that files came is not written down for now: %s", refused.detail)
            if len(self._owed) < _MOST_OWED:
                self._owed[landed] = None

    async def _record_landed(self, place: Place, landed: Mapping[str, Landed]) -> dict[str, None]:
        upstream, subdir = place
        old = await self._fetch(upstream, subdir, list({each.name for each in landed.values()}))
        payloads = await asyncio.to_thread(_landed, old, tuple(landed.values()))
        await self._write(upstream, subdir, payloads)
        return dict.fromkeys(landed)

    async def _record(self, place: Place, listings: Mapping[str, tuple[Files, int]]) -> dict[str, Recorded]:
        upstream, subdir = place
        old = await self._fetch(upstream, subdir, list(listings))
        is_initial = place not in await self._taken()
        merged, payloads = await asyncio.to_thread(_merged, old, listings, is_initial)
        await self._write(upstream, subdir, payloads)
        return merged

    async def _write(self, upstream: str, subdir: str, payloads: Mapping[str, bytes]) -> None:
        # Whoever is cancelled may have written: then what is on the disk counts, and not what is remembered.
        for name in payloads:
            self._memory.drop((upstream, subdir, name))
        if payloads:
            await (await self._database.rows()).write_sightings(upstream, subdir, payloads)
        for name, payload in payloads.items():
            self._memory.put((upstream, subdir, name), payload)

    async def _fetch(self, upstream: str, subdir: str, names: list[str]) -> dict[str, Sighting | None]:
        payloads: dict[str, bytes | None] = {}
        for name in names:
            key = (upstream, subdir, name)
            if key in self._memory:
                payloads[name] = self._memory.get(key)
        missing = [name for name in names if name not in payloads]
        if missing:
            rows = await (await self._database.rows()).sightings(upstream, subdir, missing)
            for name in missing:
                payloads[name] = rows.get(name)
                self._memory.put((upstream, subdir, name), rows.get(name))
        return await asyncio.to_thread(_unpacked, payloads)

    async def _taken(self) -> dict[tuple[str, str], int]:
        if self._snapshots is None:
            self._snapshots = await (await self._database.rows()).snapshots()
        return self._snapshots


def _unpacked(payloads: Mapping[str, bytes | None]) -> dict[str, Sighting | None]:
    return {name: None if payload is None else unpack(payload) for name, payload in payloads.items()}


def _merged(
    old: Mapping[str, Sighting | None], listings: Mapping[str, tuple[Files, int]], is_initial: bool
) -> tuple[dict[str, Recorded], dict[str, bytes]]:
    """Return what is known of every name, and the payloads that must be written."""
    merged = {
        name: merge(old[name], files, now_ms, is_initial=is_initial)
        for name, (files, now_ms) in listings.items()
    }
    changed = {name: sighting for name, (sighting, _) in merged.items() if sighting is not old[name]}
    return merged, {name: pack(sighting) for name, sighting in changed.items()}


def _landed(old: Mapping[str, Sighting | None], landed: tuple[Landed, ...]) -> dict[str, bytes]:
    """Return the payloads that must be written."""
    known, changed = dict(old), set[str]()
    for each in landed:
        sighting = known[each.name]
        after = land(sighting, each.file, each.sha256, each.others) if sighting is not None else None
        if after is not None:
            known[each.name] = after
            changed.add(each.name)
    return {
        name: pack(sighting) for name, sighting in known.items() if name in changed and sighting is not None
    }
