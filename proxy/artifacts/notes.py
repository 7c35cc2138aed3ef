"""Notes: small facts that may be lost (design, section 4): what an origin answered, a document's key.

One thread does all the work. A note that cannot be written is not remembered, a note that cannot be read is
not there, a damaged database is made anew: nobody who takes notes ever sees an error. After a refusal of
the disk writes rest for `retry_s` seconds, so a read-only or full disk costs nothing (reliability, section
0).
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from proxy.artifacts.disk import MAX_VALUE_BYTES, Shelf, ShelfDamagedError, ShelfFailedError, rebuild
from proxy.model.clock import Clock
from proxy.model.tally import Tally

_LOG = logging.getLogger("feedgate.notes")
#: So many keys are kept in mind at most.
_MOST_VOID = 100_000
P = ParamSpec("P")
T = TypeVar("T")


class Notes:
    """Notes in `folder`, opened when they are first used."""

    def __init__(
        self, folder: Path, clock: Clock, *, retry_s: float = 30.0, tally: Tally | None = None
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._retry_s = retry_s
        self._tally = tally or Tally()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="notes")
        # The rest belongs to the thread.
        self._shelf: Shelf | None = None
        self._reads_rest_until = -math.inf
        self._writes_rest_until = -math.inf
        # Keys whose last change could not be written: what the database has under them is out of date.
        self._void: set[str] = set()

    async def start(self) -> None:
        """Begin to open the database, which the first note would otherwise wait for; does not wait itself."""
        self._thread.submit(self._read, lambda shelf: None, None)

    async def get(self, key: str) -> bytes | None:
        """Return the note, None if there is none or it has expired."""
        return await self._run(self._get, key, self._now())

    async def set(self, key: str, value: bytes, expire_s: float | None = None) -> None:
        """Keep a note of at most a MiB (a larger one is not remembered), for so many seconds if given."""
        if len(value) > MAX_VALUE_BYTES:
            self._tally.count("notes", "too-large")
            await self.delete(key)
            return
        expires_at = math.inf if expire_s is None else self._now() + expire_s
        await self._run(self._write, key, lambda shelf: shelf.set(key, value, expires_at))

    async def delete(self, key: str) -> None:
        await self._run(self._write, key, lambda shelf: shelf.delete(key))

    async def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with the prefix, in order; some may have expired."""
        return await self._run(self._keys, prefix)

    async def close(self) -> None:
        """Close the database. Nothing may be asked afterwards."""
        await self._run(self._close)
        await asyncio.to_thread(self._thread.shutdown)

    # -- parts

    def _now(self) -> float:
        return self._clock.now().timestamp()

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args, **kwargs))

    # -- in the thread

    def _get(self, key: str, now: float) -> bytes | None:
        return None if key in self._void else self._read(lambda shelf: shelf.get(key, now), None)

    def _keys(self, prefix: str) -> list[str]:
        nothing: list[str] = []
        found = self._read(lambda shelf: shelf.keys(prefix), nothing)
        return [key for key in found if key not in self._void]

    def _read(self, work: Callable[[Shelf], T], otherwise: T) -> T:
        if self._clock.monotonic() < self._reads_rest_until:
            return otherwise
        try:
            return self._with_shelf(work)
        except ShelfFailedError as error:
            self._reads_rest_until = self._refused("cannot be read", error)
            self._close()
            return otherwise

    def _write(self, key: str, work: Callable[[Shelf], None]) -> None:
        if self._clock.monotonic() >= self._writes_rest_until:
            try:
                self._with_shelf(work)
                self._void.discard(key)
                return
            except ShelfFailedError as error:
                self._writes_rest_until = self._refused("cannot be written", error)
        if len(self._void) < _MOST_VOID:
            self._void.add(key)

    def _refused(self, what: str, error: ShelfFailedError) -> float:
        """Take note of a refusal; return until when nothing is tried."""
        self._tally.count("notes", "refused")
        _LOG.warning("notes are not remembered for now: the database %s, error %s", what, error)
        return self._clock.monotonic() + self._retry_s

    def _with_shelf(self, work: Callable[[Shelf], T]) -> T:
        """Do the work, with a new database if the old one proves damaged. Raises ShelfFailedError."""
        try:
            return work(self._opened())
        except ShelfDamagedError as error:
            self._tally.count("notes", "rebuilt")
            _LOG.error("the database of the notes is damaged and made anew: error %s", error)
        self._close()
        rebuild(self._folder)
        try:
            return work(self._opened())
        except ShelfDamagedError as error:
            raise ShelfFailedError(str(error)) from error

    def _opened(self) -> Shelf:
        if self._shelf is None:
            self._shelf = Shelf(self._folder)
        return self._shelf

    def _close(self) -> None:
        shelf, self._shelf = self._shelf, None
        if shelf is not None:
            with contextlib.suppress(ShelfFailedError, ShelfDamagedError):
                shelf.close()
