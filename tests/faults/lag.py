"""How late the event loop is by its own fault (I9).

The server shares its loop with the test's origin and clients, and the machine with whatever else runs there. So
of every beat that came late, the time is taken off that the process waited for a processor (Linux tells it per
thread): what is left is somebody who held the loop or the interpreter.

The heap is the test run's as well. Walking it, the collector held the loop for 200 ms and more late in a whole run
(measured on 2026-11-20: 214 ms over 312,000 objects, of which a server makes a part), so what was there before the
server is set aside for as long as the watch runs; what the server makes is collected as ever.
"""

import asyncio
import contextlib
import gc
from pathlib import Path
from time import perf_counter

_BEAT_S = 0.02
_TASKS = Path("/proc/self/task")


class LagWatch:
    """Runs from `start` to `stop`; `worst_s` is the longest lag so far."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            gc.freeze()
            self._task = asyncio.create_task(self._watch(), name="lag watch")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            gc.unfreeze()

    async def _watch(self) -> None:
        waited = _waited_s()
        while True:
            began = perf_counter()
            await asyncio.sleep(_BEAT_S)
            before, waited = waited, _waited_s()
            lag = perf_counter() - began - _BEAT_S - max(0.0, waited - before)
            self.worst_s = max(self.worst_s, lag)


def _waited_s() -> float:
    """Return how long the process's threads, all together, have waited for a processor."""
    waited = 0
    for task in _TASKS.iterdir() if _TASKS.is_dir() else ():
        with contextlib.suppress(OSError, ValueError, IndexError):
            waited += int((task / "schedstat").read_text().split()[1])
    return waited / 1e9
