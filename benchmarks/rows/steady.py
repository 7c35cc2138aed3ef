"""Steady load on what is cached: a small file, two pages, a large file."""

from benchmarks.load import alternately
from benchmarks.servers import Bench, get
from benchmarks.site import JSON
from benchmarks.table import Row

_PAGE_HEADERS = {"Accept": JSON, "Accept-Encoding": "gzip"}


def small_file(bench: Bench) -> list[Row]:
    """A cached 10 KB file at 32 connections, with gate and access log on."""
    ours, peer = bench.our_files("small")[0], bench.peer_files("small")[0]
    mine, theirs = alternately(
        ours, peer, rounds=bench.scale.rounds, connections=32, seconds=bench.scale.load_s
    )
    return [
        _requests("cached 10 KB file, 32 connections", mine.requests_per_s, theirs.requests_per_s, 0.4, 0.9)
    ]


def small_page(bench: Bench) -> list[Row]:
    """A project page of 31 KB, asked for with gzip."""
    return [_page(bench, "page31k", "31 KB page with gzip", 1.0, 3.0)]


def large_page(bench: Bench) -> list[Row]:
    """A project page of 1.6 MB, asked for with gzip."""
    return [_page(bench, "page1600k", "1.6 MB page with gzip", 20.0, 60.0)]


def large_file(bench: Bench) -> list[Row]:
    """A cached 50 MB file at 4 connections."""
    ours, peer = bench.our_files("large")[0], bench.peer_files("large")[0]
    for url in (ours, peer):
        get(url, {})
    mine, theirs = alternately(
        ours, peer, rounds=bench.scale.rounds, connections=4, seconds=bench.scale.load_s
    )
    return [
        Row(
            name="cached 50 MB file, 4 connections",
            ours=f"{mine.bytes_per_s / 1e6:.0f} MB/s",
            peer=f"{theirs.bytes_per_s / 1e6:.0f} MB/s",
            value=mine.bytes_per_s / theirs.bytes_per_s,
            floor=0.7,
            aim=1.0,
        )
    ]


def _page(bench: Bench, project: str, name: str, floor: float, aim: float) -> Row:
    _, body = get(bench.our_page(project), {"Accept": JSON})
    peer = bench.same_page(project)
    mine, theirs = alternately(
        bench.our_page(project), peer, rounds=bench.scale.rounds, connections=32,
        seconds=bench.scale.load_s, headers=_PAGE_HEADERS,
    )  # fmt: skip
    note = f"{len(body) / 1000:.0f} KB of JSON"
    return _requests(name, mine.requests_per_s, theirs.requests_per_s, floor, aim, note)


def _requests(name: str, ours: float, peer: float, floor: float, aim: float, note: str = "") -> Row:
    return Row(
        name=name,
        ours=f"{ours:.0f}/s",
        peer=f"{peer:.0f}/s",
        value=ours / peer,
        floor=floor,
        aim=aim,
        note=note,
    )
