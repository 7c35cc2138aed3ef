"""A large file that nobody has yet, from an origin at 20 MB/s: one client, then a herd.

Every measurement takes another file, so that it is cold: rounds 1… for one client, the last one for the herd.
"""

import statistics

from benchmarks.load import client
from benchmarks.servers import Bench
from benchmarks.site import LARGE_FILES
from benchmarks.table import Row

_HERD = 32
_SWARM = 200


def alone(bench: Bench) -> list[Row]:
    """One client: the time to the first megabyte and to the end, as a share of the peer's."""
    ours, peer = bench.our_files("large"), bench.peer_files("large")
    mine, theirs = [], []
    for number in range(1, 1 + bench.scale.rounds):
        mine.append(client("herd", url=ours[number], clients=1))
        theirs.append(client("herd", url=peer[number], clients=1))
    return [
        _times("cold 50 MB at 20 MB/s: first MB", "median_first_s", mine, theirs),
        _times("cold 50 MB at 20 MB/s: all of it", "total_s", mine, theirs),
    ]


def swarm(bench: Bench) -> list[Row]:
    """Two hundred clients on two thousand names of which nothing is held: each its page, then its file of 10 KB."""
    mine = _swarm(bench, f"{bench.ours.url}/pypi/bench/simple/")
    theirs = _swarm(bench, f"{bench.peer.url}/simple/")
    names = bench.scale.cold_names
    what = f"{_SWARM} clients on {names} cold names"
    return [
        Row(
            name=f"{what}: page and 10 KB file of each",
            ours=f"{mine['total_s']:.1f} s",
            peer=f"{theirs['total_s']:.1f} s",
            value=mine["total_s"] / theirs["total_s"],
            floor=6,
            aim=3,
            better="lower",
            note=f"{names / mine['total_s']:.0f} names a second; ours are judged, synced and remembered",
        ),
        Row(
            name=f"{what}: p99 of a request",
            ours=f"{mine['p99_s']:.2f} s",
            peer=f"{theirs['p99_s']:.2f} s",
            value=mine["p99_s"],
            unit="s",
            floor=3,
            aim=1.5,
            better="lower",
            note=f"p50 {mine['p50_s']:.2f} s, the peer's {theirs['p50_s']:.2f} s",
        ),
    ]


def _swarm(bench: Bench, index: str) -> dict[str, float]:
    return client("swarm", index=index, names=bench.scale.cold_names, clients=_SWARM)


def _times(name: str, key: str, mine: list[dict[str, float]], theirs: list[dict[str, float]]) -> Row:
    ours_s, peer_s = (statistics.median(one[key] for one in many) for many in (mine, theirs))
    return Row(
        name=name,
        ours=f"{ours_s * 1000:.0f} ms",
        peer=f"{peer_s * 1000:.0f} ms",
        value=ours_s / peer_s,
        floor=1.2,
        aim=1.0,
        better="lower",
    )


def herd(bench: Bench) -> list[Row]:
    """Thirty-two clients at once: how far behind the leader the median is, and what the origin was asked."""
    ours, peer = bench.our_files("large")[LARGE_FILES - 1], bench.peer_files("large")[LARGE_FILES - 1]
    before = bench.upstream_gets(peer)
    mine = client("herd", url=ours, clients=_HERD)
    between = bench.upstream_gets(peer)
    theirs = client("herd", url=peer, clients=_HERD)
    after = bench.upstream_gets(peer)
    return [
        Row(
            name="herd of 32, cold: median first MB behind the leader's",
            ours=_behind(mine),
            peer=_behind(theirs),
            value=mine["median_first_s"] - mine["leader_first_s"],
            unit="s",
            floor=0.1,
            aim=0.1,
            better="lower",
        ),
        Row(
            name="herd of 32, cold: GETs at the origin",
            ours=str(between - before),
            peer=str(after - between),
            value=float(between - before),
            unit="GET",
            floor=1,
            aim=1,
            better="lower",
        ),
    ]


def _behind(told: dict[str, float]) -> str:
    return f"{(told['median_first_s'] - told['leader_first_s']) * 1000:.0f} ms"
