"""Load on the other core: wrk for steady streams of requests, `client.py` for everything else."""

import json
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.machine import LOAD_CORE, PYTHON, output, pinned
from benchmarks.servers import get


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw."""

    requests_per_s: float
    bytes_per_s: float


_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def wrk(url: str, *, connections: int, seconds: float, headers: Mapping[str, str] | None = None) -> Load:
    """Ask for one URL over and over; raise RuntimeError if anything but whole answers with 200 came back."""
    _, body = get(url, dict(headers or {}))
    fields = [part for name, value in (headers or {}).items() for part in ("-H", f"{name}: {value}")]
    duration = f"{max(1, round(seconds))}s"
    told = output(
        pinned(
            LOAD_CORE, ["wrk", "-t1", f"-c{connections}", f"-d{duration}", "--timeout", "60s", *fields, url]
        )
    )
    if "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(f"wrk on {url}: {told}")
    load = Load(float(_found(r"Requests/sec:\s+([\d.]+)", told)[0]), _bytes(told))
    if load.bytes_per_s < 0.9 * load.requests_per_s * len(body):
        raise RuntimeError(f"answers of {url} were shorter than {len(body)} bytes: {told}")
    return load


def _bytes(told: str) -> float:
    number, unit = _found(r"Transfer/sec:\s+([\d.]+)([KMG]?)B", told)
    return float(number) * _UNITS[unit]


def _found(pattern: str, text: str) -> tuple[str, ...]:
    matched = re.search(pattern, text)
    if matched is None:
        raise RuntimeError(f"wrk said something else: {text}")
    return matched.groups()


def alternately(
    ours: str, peer: str, *, rounds: int, connections: int, seconds: float,
    headers: Mapping[str, str] | None = None,
) -> tuple[Load, Load]:  # fmt: skip
    """Load both in turns, after one short turn each to warm up, and return the medians."""
    loads: tuple[list[Load], list[Load]] = ([], [])
    for turn in range(rounds + 1):
        for url, kept in zip((ours, peer), loads, strict=True):
            load = wrk(url, connections=connections, seconds=seconds if turn else 1, headers=headers)
            if turn:
                kept.append(load)
    return _median(loads[0]), _median(loads[1])


def _median(loads: list[Load]) -> Load:
    return Load(
        statistics.median(load.requests_per_s for load in loads),
        statistics.median(load.bytes_per_s for load in loads),
    )


def client(what: str, **arguments: Any) -> dict[str, Any]:
    """Run our own client in a process on the load's core and return what it measured."""
    command = [PYTHON, "-m", "benchmarks.client", what, json.dumps(arguments)]
    told: dict[str, Any] = json.loads(output(pinned(LOAD_CORE, command)))
    return told
