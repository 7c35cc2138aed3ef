"""The flights: one fetch per key, however many ask and however long it takes (design, law 5).

The key names the upstream as well as the artifact: what another upstream sends is no answer for this one's clients.

A fetch belongs to nobody. When its last reader has left it is given a few seconds; then it goes on only if
it is half done or small (reliability, C03). Every task ends before `close` returns.
"""

import asyncio
import logging
from collections.abc import Sequence

from proxy.artifacts.blob import Blob
from proxy.artifacts.fetch import Fetch, Look
from proxy.artifacts.flight import Flight
from proxy.artifacts.rules import Rules
from proxy.artifacts.source import Expected, Source
from proxy.artifacts.store import BlobStore
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.problem import Problem

_LOG = logging.getLogger("feedgate.flights")
_DEFAULT = Rules()


async def _no_look() -> Blob | None:
    return None


class _Run:
    """A fetch and its task."""

    def __init__(self, fetch: Fetch, task: asyncio.Task[None], *, is_kept: bool) -> None:
        self.fetch = fetch
        self.task = task
        #: It goes on without readers, whatever its size.
        self.is_kept = is_kept
        self.timer: asyncio.TimerHandle | None = None


class Flights:
    """The fetches under way."""

    def __init__(self, store: BlobStore, clock: Clock, *, rules: Rules = _DEFAULT) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._tally = store.tally
        self._by_key: dict[str, _Run] = {}
        self._runs: set[_Run] = set()
        self._is_closed = False

    def join(
        self,
        key: str,
        sources: Sequence[Source],
        expected: Expected,
        *,
        keep: bool = False,
        look: Look = _no_look,
    ) -> Flight:
        """Return a place in the fetch under this key, which begins if there is none.

        A fetch under way takes the sources along, for the case that its own fail. A new one asks `look` first, which
        returns the artifact if it is held: one that ended after its caller had looked in vain is not begun again.
        With `keep` it goes on to its end even if nobody reads it. Raises Problem('busy') once closing.
        """
        if self._is_closed:
            raise Problem("busy", "the server is stopping", retry_after_s=5)
        run = self._by_key.get(key)
        if run is not None and run.fetch.is_joinable:
            run.is_kept = run.is_kept or keep
            run.fetch.add(sources)
            self._tally.count("flights", "joined")
        else:
            run = self._begin(Fetch(key, sources, expected, self._store, self._rules, look), is_kept=keep)
        return Flight(run.fetch, self._clock)

    def is_flying(self, key: str) -> bool:
        """Tell whether a join would meet a fetch under way."""
        run = self._by_key.get(key)
        return run is not None and run.fetch.is_joinable

    def current(self) -> int:
        """Return how many fetches are under way."""
        return len(self._runs)

    def arrived_bytes(self, digest: Sha256) -> int:
        """Return how much of these bytes has come by now in a fetch that is under way."""
        spools = (run.fetch.spool for run in self._runs if run.fetch.expected.sha256 == digest)
        return max((spool.size for spool in spools if spool is not None), default=0)

    async def close(self, timeout_s: float = 0.0) -> None:
        """Take no more, wait that long for those under way, stop the rest and wait for their end.

        What arrived whole and right is never given up for the moment that the disk needs: a client may have
        it already.
        """
        self._is_closed = True
        tasks = {run.task for run in self._runs}
        if tasks and timeout_s > 0:
            await asyncio.wait(tasks, timeout=timeout_s)
        for task in {run.task for run in self._runs if not run.fetch.is_verified}:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- parts

    def _begin(self, fetch: Fetch, *, is_kept: bool) -> _Run:
        task = asyncio.create_task(fetch.run(), name="fetch")
        run = _Run(fetch, task, is_kept=is_kept)
        fetch.on_idle = lambda: self._idle(run)
        self._by_key[fetch.key] = run
        self._runs.add(run)
        task.add_done_callback(lambda task: self._ended(run, task))
        self._tally.count("flights", "started")
        self._idle(run)
        return run

    def _idle(self, run: _Run) -> None:
        """Nobody reads it: look again in a while."""
        if run.timer is not None:
            run.timer.cancel()
        if not run.task.done():
            loop = asyncio.get_running_loop()
            run.timer = loop.call_later(self._rules.grace_s, self._abandon, run)

    def _abandon(self, run: _Run) -> None:
        if not run.fetch.interest and not run.is_kept and not run.fetch.is_worth_finishing():
            self._tally.count("flights", "abandoned")
            run.task.cancel()

    def _ended(self, run: _Run, task: asyncio.Task[None]) -> None:
        if run.timer is not None:
            run.timer.cancel()
        self._runs.discard(run)
        if self._by_key.get(run.fetch.key) is run:
            del self._by_key[run.fetch.key]
        if task.cancelled():
            run.fetch.stopped(Problem("origin-unavailable", "the fetch was given up", retry_after_s=1))
        elif (fault := task.exception()) is not None:
            _LOG.error("a fetch failed for a fault of this program", exc_info=fault)
            run.fetch.stopped(Problem("internal", "the fetch failed"))
        self._tally.count("flights", "stored" if isinstance(run.fetch.outcome, Blob) else "failed")
