"""`python -m benchmarks.keys`: what telling who asks costs, and whether its time tells anything of a key (E08).

Times of the guard alone, in one process; `benchmarks --only closed-file` has the whole server. The second part asks
with wrong keys that share half and all but the last four characters with a good one, each beside one that shares
nothing, in random order, so that the machine's changes of speed meet both; |t| above 4.5 over the differences would be
a difference above noise. The first line compares nothing with nothing: what noise alone gives.
"""

import asyncio
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from multidict import CIMultiDict, CIMultiDictProxy

from proxy.config.settings import Feed, Settings
from proxy.model import key_value
from proxy.model.actor import LOCAL, Actor, Grant
from proxy.model.clock import SystemClock
from proxy.model.key import Key
from proxy.model.problem import Problem
from proxy.state.database import Database
from proxy.state.keys import Keys
from proxy.web.attempts import Attempts
from proxy.web.guard import Guard
from proxy.web.holders import Holders
from proxy.web.inbound import Inbound
from proxy.web.outbound import Outbound
from proxy.web.routes import Found, Route, Routes

SAMPLES = 10_000
ROUNDS = 200_000
MAX_OPEN_US, MAX_KEY_US, MAX_T = 1.0, 2.5, 4.5


async def main() -> int:
    with tempfile.TemporaryDirectory(prefix="feedgate-keys-") as folder:
        clock = SystemClock()
        database = Database(Path(folder), clock)
        await database.open()
        keys = Keys(database, clock)
        value = key_value.make()
        await keys.create(Key("bench", "bench", (Grant("closed", ("read",)),)), value, LOCAL)
        try:
            return _told(_costs(keys, value), _timing(keys, value))
        finally:
            await database.close()


def _told(costs: dict[str, float], timing: dict[str, float]) -> int:
    for name, cost_us in costs.items():
        print(f"{name}: {cost_us:.2f} us a request")
    for name, t in timing.items():
        print(f"wrong key that shares {name} with a good one: t = {t:+.2f}")
    is_dear = costs["open feed"] > MAX_OPEN_US or costs["closed feed, known key"] > MAX_KEY_US
    return int(is_dear or any(abs(t) > MAX_T for t in timing.values()))


def _costs(keys: Keys, value: str) -> dict[str, float]:
    settings = Settings(
        feeds={name: Feed(name, "pypi", anonymous=name == "open") for name in ("open", "closed")}
    )
    guard = Guard(lambda: settings, keys, SystemClock())
    routes = Routes([Route(("GET",), "/pypi/{feed}/simple/{project}/", _answer)])
    fields = [
        ("Host", "h"),
        ("User-Agent", "pip/26.3"),
        ("Accept", "*/*"),
        ("Authorization", f"Bearer {value}"),
    ]
    headers = CIMultiDictProxy(CIMultiDict(fields))

    def asking(feed: str) -> Callable[[], object]:
        found = routes.find("GET", ("pypi", feed, "simple", "demo", ""))
        assert isinstance(found, Found)
        return lambda: guard.admit(found, "GET", headers, "127.0.0.1")

    return {
        "open feed": _microseconds(asking("open")),
        "closed feed, known key": _microseconds(asking("closed")),
    }


def _microseconds(work: Callable[[], object]) -> float:
    """Return the best of five rounds: what it costs when nothing else takes the processor."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(ROUNDS // 5):
            work()
        times.append((time.perf_counter() - began) / (ROUNDS // 5) * 1e6)
    return min(times)


def _timing(keys: Keys, value: str) -> dict[str, float]:
    """Return Welch's t of each kind of wrong key against one that shares nothing with a good one."""

    def alike(shared: int) -> str:
        while True:
            wrong = value[:shared] + key_value.make()[shared:]
            if wrong != value:
                return wrong

    holders = Holders(keys, Attempts(SystemClock()))
    nothing = len(key_value.PREFIX)
    kinds = {"nothing": nothing, "half": len(value) // 2, "all but the last four characters": len(value) - 4}
    differences: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(SAMPLES):
        for name, shared in kinds.items():
            # Made beforehand: what was done just before must be the same for both.
            pair = [(alike(nothing), 1), (alike(shared), -1)]
            random.shuffle(pair)
            differences[name].append(sum(sign * _nanoseconds(holders, wrong) for wrong, sign in pair))
    return {name: _t(each) for name, each in differences.items()}


def _nanoseconds(holders: Holders, wrong: str) -> int:
    began = time.perf_counter_ns()
    told = holders.known(wrong)
    took = time.perf_counter_ns() - began
    assert not isinstance(told, Actor)
    return took


def _t(differences: list[float]) -> float:
    """Return Student's t of differences without the tenth at both ends, which are interruptions by the machine."""
    kept = sorted(differences)[len(differences) // 10 : -len(differences) // 10]
    return statistics.fmean(kept) / (statistics.stdev(kept) / math.sqrt(len(kept)))


async def _answer(inbound: Inbound) -> Outbound:
    raise Problem("unknown", "no request gets here: only the guard is asked")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
