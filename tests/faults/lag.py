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
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time, thread_time

from proxy.process import SWITCH_INTERVAL_S

_BEAT_S = 0.02
_TASKS = Path("/proc/self/task")


@dataclass(frozen=True)
class Beat:
    """One beat that came late, and what the processor did meanwhile: what to look for if it is too late."""

    late_s: float = 0.0
    loop_s: float = 0.0
    process_s: float = 0.0
    waited_s: float = 0.0

    def __str__(self) -> str:
        loop, process, waited = (round(each * 1000) for each in (self.loop_s, self.process_s, self.waited_s))
        return (
            f"{self.late_s * 1000:.0f} ms (processor: the loop's thread {loop} ms, the process {process} ms; "
            f"threads waited {waited} ms for one)"
        )


class LagWatch:
    """Runs from `start` to `stop`; `worst` is the latest beat so far."""

    def __init__(self) -> None:
        self.worst = Beat()
        self._task: asyncio.Task[None] | None = None
        self._switch_interval_s = sys.getswitchinterval()

    def start(self) -> None:
        if self._task is None:
            gc.freeze()
            self._switch_interval_s = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_INTERVAL_S)
            self._task = asyncio.create_task(self._watch(), name="lag watch")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            sys.setswitchinterval(self._switch_interval_s)
            gc.unfreeze()

    async def _watch(self) -> None:
        waited_s = _waited_s()
        while True:
            began, loop_s, process_s, before_s = perf_counter(), thread_time(), process_time(), waited_s
            await asyncio.sleep(_BEAT_S)
            waited_s = _waited_s()
            late_s = perf_counter() - began - _BEAT_S - max(0.0, waited_s - before_s)
            if late_s > self.worst.late_s:
                self.worst = Beat(
                    late_s, thread_time() - loop_s, process_time() - process_s, waited_s - before_s
                )


def _waited_s() -> float:
    """Return how long the process's threads, all together, have waited for a processor."""
    waited = 0
    for task in _TASKS.iterdir() if _TASKS.is_dir() else ():
        with contextlib.suppress(OSError, ValueError, IndexError):
            waited += int((task / "schedstat").read_text().split()[1])
    return waited / 1e9
