"""256 readers at 100 KB/s each: all are answered, others do not notice, memory stays; twice as many on a cold one."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep

from benchmarks.load import client
from benchmarks.machine import rss_bytes
from benchmarks.servers import Bench, Server, get
from benchmarks.table import Row, mib

_BYTES_PER_S = 100_000
#: The large file that nobody has asked for when the readers of an arriving file come; the other rows leave it alone.
_ARRIVING = -2


def crowd(bench: Bench) -> list[Row]:
    """Measure both servers; what counts is ours."""
    mine, mine_rss = _measured(bench, bench.ours, bench.our_files("large")[0], bench.our_files("small")[0])
    peer, peer_rss = _measured(bench, bench.peer, bench.peer_files("large")[0], bench.peer_files("small")[0])
    readers = bench.scale.readers
    return [
        Row(
            name=f"{readers} readers at 100 KB/s: answered",
            ours=f"{mine['answered']} of {readers}",
            peer=f"{peer['answered']} of {readers}",
            value=mine["answered"],
            unit="",
            floor=readers,
            aim=readers,
            note=f"they got {mine['bytes'] / readers / bench.scale.readers_s / 1000:.0f} KB/s each",
        ),
        Row(
            name=f"{readers} readers: a probe's p50 meanwhile",
            ours=_ms(mine),
            peer=_ms(peer),
            value=mine["probe_p50_s"] * 1000,
            unit="ms",
            floor=5,
            aim=5,
            better="lower",
            note="a new connection and a 10 KB file",
        ),
        Row(
            name=f"{readers} readers: memory at its highest",
            ours=mib(mine_rss),
            peer=mib(peer_rss),
            value=mine_rss / 1024**2,
            unit="MiB",
            floor=120,
            aim=120,
            better="lower",
        ),
    ]


def arriving(bench: Bench) -> list[Row]:
    """Twice the readers on a file of which nothing is held: what others wait meanwhile."""
    readers = 2 * bench.scale.readers
    mine, theirs = (
        _crowd(bench, files("large")[_ARRIVING], files("small")[0], readers)
        for files in (bench.our_files, bench.peer_files)
    )
    return [
        Row(
            name=f"{readers} readers at 100 KB/s of an arriving file: a probe's p99 meanwhile",
            ours=_ms(mine),
            peer=_ms(theirs),
            value=mine["probe_p99_s"] / theirs["probe_p99_s"],
            floor=3,
            aim=1.5,
            better="lower",
            note=f"{mine['answered']:.0f} answered; a new connection and a 10 KB file",
        )
    ]


def _measured(bench: Bench, server: Server, large: str, small: str) -> tuple[dict[str, float], int]:
    get(large, {})
    highest = 0
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(_crowd, bench, large, small, bench.scale.readers)
        while not task.done():
            highest = max(highest, rss_bytes(server.process.pid))
            sleep(0.1)  # a sample of memory ten times a second
    return task.result(), highest


def _crowd(bench: Bench, large: str, small: str, readers: int) -> dict[str, float]:
    get(small, {})
    return client(
        "crowd",
        url=large,
        probe=small,
        readers=readers,
        seconds=bench.scale.readers_s,
        bytes_per_s=_BYTES_PER_S,
    )


def _ms(told: dict[str, float]) -> str:
    return f"{told['probe_p50_s'] * 1000:.1f} ms (p99 {told['probe_p99_s'] * 1000:.0f})"
