"""Upkeep of the store, in the background: sweep, scan, ledger, scrub. None of it delays a request.

The scrub verifies every blob within `scrub_s` seconds however little it is read. It goes through the blobs
at such a pace that a round takes a quarter of that time, hashes with a quarter of one thread, and remembers
over restarts (in the ledger) what it has done.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from proxy.artifacts import ledger
from proxy.artifacts.accounting import Accounting
from proxy.artifacts.files import DiskError, Files, NotRegularError
from proxy.artifacts.pools import Pools
from proxy.artifacts.scan import scan, sweep
from proxy.model.clock import Clock
from proxy.model.digest import Sha256

_LOG = logging.getLogger("feedgate.store")
_LEDGER_S = 60.0
#: A ledger of a million blobs takes seconds of a thread: at most this share of the time goes into it.
_LEDGER_SHARE = 0.01
_SCRUB_DUTY = 0.25
_FIRST_SCRUB_S = 30.0
_LONGEST_PAUSE_S = 60.0
#: How many entries are handled between two turns of the loop.
_BATCH = 500


class Upkeep:
    """The background work on one store's folder. `token` begins the names of this run's own temps."""

    def __init__(
        self,
        root: Path,
        temps: Path,
        token: str,
        accounting: Accounting,
        files: Files,
        pools: Pools,
        clock: Clock,
    ) -> None:
        self._root = root
        self._temps = temps
        self._token = token
        self._accounting = accounting
        self._files = files
        self._pools = pools
        self._clock = clock
        self._saved_revision = 0
        self._tasks: list[asyncio.Task[None]] = []
        #: Set once the accounting knows every blob of the folder.
        self.is_scanned = asyncio.Event()

    def start(
        self,
        make_room: Callable[[], Awaitable[None]],
        check: Callable[[Sha256, float], Awaitable[object]],
        scrub_s: float,
    ) -> None:
        """Begin; `make_room` evicts what is too much, `check(digest, duty)` verifies one blob."""
        self._tasks = [
            asyncio.create_task(self._begin(make_room), name="scan blobs"),
            asyncio.create_task(self._keep_ledger(), name="keep ledger"),
        ]
        if scrub_s > 0:
            self._tasks.append(asyncio.create_task(self._scrub(check, scrub_s), name="scrub"))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._save_ledger()

    # -- parts

    async def _begin(self, make_room: Callable[[], Awaitable[None]]) -> None:
        swept = await self._pools.run(sweep, self._temps, self._token, self._files)
        if swept:
            _LOG.info("leftovers of an earlier run are gone: %s files", swept)
        times = await self._load_ledger()
        for first in range(256):
            found = await self._pools.run(scan, self._root, first, times, self._clock.now().timestamp())
            for at in range(0, len(found), _BATCH):
                self._accounting.restore(found[at : at + _BATCH])
                await asyncio.sleep(0)
        self._accounting.settle()
        self.is_scanned.set()
        await make_room()

    async def _load_ledger(self) -> ledger.Times:
        try:
            return await self._pools.run(ledger.load, self._root / "ledger", self._files)
        except (DiskError, NotRegularError) as error:
            _LOG.warning("the times of last use are not known: error %s", error)
            return ledger.Times()

    async def _keep_ledger(self) -> None:
        await self.is_scanned.wait()
        took_s = 0.0
        while True:
            await asyncio.sleep(max(_LEDGER_S, took_s / _LEDGER_SHARE))
            begun = self._clock.monotonic()
            await self._save_ledger()
            took_s = self._clock.monotonic() - begun

    async def _save_ledger(self) -> None:
        revision = self._accounting.revision
        if revision == self._saved_revision or not self.is_scanned.is_set():
            return
        temp = self._temps / f"{self._token}-ledger"
        try:
            await self._pools.run(
                ledger.save, self._root / "ledger", temp, self._accounting.items(), self._files
            )
        except DiskError as error:
            _LOG.warning("the times of last use were not kept: error %s", error)
        self._saved_revision = revision

    async def _scrub(self, check: Callable[[Sha256, float], Awaitable[object]], scrub_s: float) -> None:
        await self.is_scanned.wait()
        await asyncio.sleep(min(_FIRST_SCRUB_S, scrub_s / 10))
        while True:
            pause = min(_LONGEST_PAUSE_S, scrub_s / 4 / max(1, len(self._accounting)))
            for number, (digest, _) in enumerate(self._accounting.items()):
                entry = self._accounting.find(digest)
                if entry and entry.checked_at + scrub_s / 2 <= self._clock.now().timestamp():
                    await check(digest, _SCRUB_DUTY)
                    await asyncio.sleep(pause)
                elif number % _BATCH == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(min(3600.0, scrub_s / 20))
