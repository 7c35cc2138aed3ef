"""First sight and digest history of every file: read through memory, written when something is new.

The rules are in `sighting.py`; here rows are fetched, merged in a thread, and written in one transaction,
together with what else waits for one (`batches.py`). What was returned is on disk. A listing that tells nothing new
costs no write and, while the row is in memory, no read.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from proxy.model.problem import Problem
from proxy.model.sights import Sights
from proxy.state.batches import Batches
from proxy.state.database import Database
from proxy.state.sighting import Drift, Seen, Sighting, merge, pack, unpack

_LOG = logging.getLogger("feedgate.sightings")
#: Packed rows kept in memory, in bytes.
MEMORY_BYTES = 16 * 1024**2
#: Names per transaction: a channel of 60,000 names does not keep others waiting.
_NAMES_AT_ONCE = 1000

Files = Mapping[str, str | None]
Recorded = tuple[Sighting, tuple[Drift, ...]]


class Sightings:
    """What was seen when, of every upstream."""

    def __init__(self, database: Database, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._database = database
        self._memory = _Memory(memory_bytes)
        self._snapshots: dict[tuple[str, str], int] | None = None
        self._turn = asyncio.Lock()
        self._batches = Batches[tuple[str, str], tuple[Files, int], Recorded](
            self._turn, self._record, _NAMES_AT_ONCE
        )

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
        try:
            sighting, _ = await self.record(upstream, "", name, files, now_ms)
        except Problem as full:
            # The disk takes nothing: what is known still judges, what is new is recorded by a later refresh.
            _LOG.warning("first sight of %s could not be recorded: %s", name, full.detail)
            sighting, _ = merge(await self.of(upstream, "", name), files, now_ms, is_initial=False)
        drifted = {file: _reason(seen, files[file]) for file, seen in sighting.drifts(files).items()}
        known = ((file, sighting.files[file]) for file in files)
        return Sights({file: (seen.first_ms, seen.is_initial) for file, seen in known}, drifted)

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

    async def _record(
        self, place: tuple[str, str], listings: Mapping[str, tuple[Files, int]]
    ) -> dict[str, Recorded]:
        upstream, subdir = place
        old = await self._fetch(upstream, subdir, list(listings))
        is_initial = place not in await self._taken()
        merged, payloads = await asyncio.to_thread(_merged, old, listings, is_initial)
        # Whoever is cancelled may have written: then what is on the disk counts, and not what is remembered.
        for name in payloads:
            self._memory.drop((upstream, subdir, name))
        if payloads:
            await (await self._database.rows()).write_sightings(upstream, subdir, payloads)
        for name, payload in payloads.items():
            self._memory.put((upstream, subdir, name), payload)
        return merged

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


class _Memory:
    """Packed rows, the least recently used leave first; None remembers that there is no row."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._held: OrderedDict[tuple[str, str, str], bytes | None] = OrderedDict()
        self._bytes = 0

    def __contains__(self, key: tuple[str, str, str]) -> bool:
        return key in self._held

    def get(self, key: tuple[str, str, str]) -> bytes | None:
        self._held.move_to_end(key)
        return self._held[key]

    def drop(self, key: tuple[str, str, str]) -> None:
        if key in self._held:
            self._bytes -= _weight(self._held.pop(key))

    def forget(self, upstream: str, subdir: str) -> None:
        for key in [key for key in self._held if key[:2] == (upstream, subdir)]:
            self.drop(key)

    def put(self, key: tuple[str, str, str], payload: bytes | None) -> None:
        self.drop(key)
        self._held[key] = payload
        self._bytes += _weight(payload)
        while self._bytes > self._max and self._held:
            self._bytes -= _weight(self._held.popitem(last=False)[1])


def _weight(payload: bytes | None) -> int:
    """The payload and what the entry itself costs."""
    return 300 + len(payload or b"")


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


def _reason(seen: Seen, digest: str | None) -> str:
    """The reason goes to clients of hidden files, so it names no digest (contract, section 3)."""
    if seen.is_weakened_by(digest):
        return f"the origin tells no SHA-256 of it any more, as it did when it was first seen {_day(seen.first_ms)}"
    since = _day(seen.digests[-1].since_ms)
    return f"its bytes changed at the origin on {since}; first seen {_day(seen.first_ms)}"


def _day(moment_ms: int) -> str:
    return f"{datetime.fromtimestamp(moment_ms / 1000, UTC):%Y-%m-%d}"
