"""Conda feeds at one size of channel: several lives of a server, then steady load on what it has.

A life begins on an empty data folder and goes through a day: the first ask, the full document, the same through a
filter, the next day's index. Medians of the lives are compared with floor and aim; of memory and of the loop's lag
the worst counts.
"""

import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.channels import CHANGED_NAMES, Channels, channels, static
from benchmarks.conda import HALF, RULED, SHARDS, WHOLE, ZST, Answer, CondaServer, Memory, Probe, serving
from benchmarks.load import alternately
from benchmarks.machine import SERVER_CORE
from benchmarks.site import Scale
from benchmarks.table import Row

#: Larger channels are lived through once: a life of half a million records takes a minute.
_LARGE = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What one life of a server showed. Seconds and bytes."""

    first_s: float
    zst_s: float
    half_first_s: float
    half_zst_s: float
    zst_bytes: int
    half_zst_bytes: int
    next_s: float
    half_next_s: float
    ruled_first_s: float
    ruled_change_s: float
    ruled_zst_s: float
    ruled_next_s: float
    sharded_first_s: float
    next_shards_s: float
    peak_bytes: int
    #: The loop's own word and the probe's; the first is from the start on, the second from readiness.
    lag_s: float
    probe_s: float
    probe_p99_s: float


def conda(folder: Path, records: int, scale: Scale) -> list[Row]:
    """Measure one size."""
    place = folder / f"conda-{records}"
    place.mkdir()
    with channels(place, records) as made:
        lives = []
        for number in range(1 if records > _LARGE else scale.rounds):
            print(f"measuring a life with {records} records …", file=sys.stderr)
            lives.append(life(place / f"life{number}", made))
        rows = [*_times(lives), *_limits(lives), *_again(place / "life0", made, scale)]
    return [_named(row, records) for row in rows]


def life(folder: Path, made: Channels) -> Life:
    """Let a server live through a day on an empty folder."""
    for form in ("file", "sharded"):
        made.turn_to(form, 0)
    with serving(folder, made, "file") as server, Memory(server) as memory:
        with Probe(server) as probe:
            first, zst = server.ask(WHOLE, SHARDS), server.ask(WHOLE, ZST)
            half_first, half_zst = server.ask(HALF, SHARDS), server.ask(HALF, ZST)
            ruled_first = server.ask(RULED, SHARDS)
            server.reload("m*")
            ruled_change_s = server.until_changed(RULED, ruled_first.etag)
            ruled_zst, ruled = server.ask(RULED, ZST), server.ask(RULED, SHARDS)
            server.grow_old()
            made.turn_to("file", 1)
            next_s = server.until_changed(WHOLE, first.etag)
            half_next_s = server.until_changed(HALF, half_first.etag)
            ruled_next_s = server.until_changed(RULED, ruled.etag)
        lag_s = server.worst_lag_s()
    with serving(folder / "sharded", made, "sharded") as server:
        sharded = server.ask(WHOLE, SHARDS)
        server.grow_old()
        made.turn_to("sharded", 1)
        next_shards_s = server.until_changed(WHOLE, sharded.etag)
    return Life(
        first_s=first.seconds, zst_s=zst.seconds, half_first_s=half_first.seconds, half_zst_s=half_zst.seconds,
        zst_bytes=len(zst.body), half_zst_bytes=len(half_zst.body), next_s=next_s, half_next_s=half_next_s,
        ruled_first_s=ruled_first.seconds, ruled_change_s=ruled_change_s, ruled_zst_s=ruled_zst.seconds,
        ruled_next_s=ruled_next_s, sharded_first_s=sharded.seconds, next_shards_s=next_shards_s,
        peak_bytes=memory.peak_bytes, lag_s=lag_s, probe_s=probe.worst_s, probe_p99_s=probe.p99_s,
    )  # fmt: skip


def _times(lives: list[Life]) -> list[Row]:
    last = lives[-1]
    plain = f"{last.zst_bytes / 1e6:.1f} MB"
    share = f"{last.half_zst_bytes / 1e6:.1f} of {plain}"
    return [
        _time("first ask to first answer", lives, "first_s", 10, 5, "shard index, no data yet"),
        _time("first ask, half filtered out", lives, "half_first_s", 10, 5, "half of the records hidden by `except`"),
        _time("first ask, an origin with shards", lives, "sharded_first_s", 10, 5, "its full file is taken first"),
        _time(".json.zst after the catalog", lives, "zst_s", 4, 1.5, f"to its last byte, {plain}"),
        _time(".json.zst, half filtered out", lives, "half_zst_s", 4, 1.5, share),
        _time("next day from one file", lives, "next_s", 4, 2, "until another shard index is there"),
        _time("next day from one file, half filtered out", lives, "half_next_s", 4, 2, "the same"),
        _time("first ask, judged by a policy", lives, "ruled_first_s", 15, 8, "some twenty rules"),
        _time("another policy", lives, "ruled_change_s", 8, 4, "reload until another shard index is there"),
        _time(".json.zst, judged by a policy", lives, "ruled_zst_s", 4, 1.5, "after the change"),
        _time("next day from one file, judged by a policy", lives, "ruled_next_s", 4, 2, "only what changed is judged"),
        _time("next day from shards", lives, "next_shards_s", 1, 0.3, f"{CHANGED_NAMES} names changed"),
    ]  # fmt: skip


def _time(name: str, lives: list[Life], key: str, floor: float, aim: float, note: str) -> Row:
    found: list[float] = [getattr(life, key) for life in lives]
    value = statistics.median(found)
    spread = f"{min(found):.2f}–{max(found):.2f} s" if len(found) > 1 else f"{value:.2f} s"
    return Row(
        name=name, ours=spread, value=value, unit="s", floor=floor, aim=aim, better="lower", note=note
    )  # fmt: skip


def _limits(lives: list[Life]) -> list[Row]:
    peak = max(life.peak_bytes for life in lives)
    worst = max(lives, key=lambda life: life.probe_s)
    lag_ms = max(life.lag_s for life in lives) * 1000
    note = f"a probe of /healthz, 100/s (p99 {worst.probe_p99_s * 1000:.0f} ms); the loop's own sight {lag_ms:.0f} ms"
    return [
        Row(
            name="memory of all processes at its highest", ours=f"{peak / 1e6:.0f} MB", value=peak / 1e9, unit="GB",
            floor=1.2, aim=0.9, better="lower", note="sum of what is resident",
        ),
        Row(
            name="worst lag of the serving process meanwhile", ours=f"{worst.probe_s * 1000:.0f} ms",
            value=worst.probe_s * 1000, unit="ms", floor=50, aim=20, better="lower", note=note,
        ),
    ]  # fmt: skip


# -- steady load -----------------------------------------------------------------------------------------------


def _again(folder: Path, made: Channels, scale: Scale) -> list[Row]:
    """Load what a former life has on disk, and the same bytes at nginx."""
    with serving(folder, made, "file", ttl="2h") as server:
        wanted = {
            ("shard index", WHOLE, SHARDS): 32, (".json.zst", WHOLE, ZST): 4,
            ("shard index, half filtered out,", HALF, SHARDS): 32,
        }  # fmt: skip
        bodies = {key: server.ask(*key[1:]) for key in wanted}
        server.pin(SERVER_CORE)
        root = folder / "same"
        for (_, feed, file), answer in bodies.items():
            (root / feed).mkdir(parents=True, exist_ok=True)
            (root / feed / file).write_bytes(answer.body)
        with static(folder / "nginx", root, SERVER_CORE) as peer:
            return [
                _ratio(server, peer.url, key, connections, bodies[key], scale)
                for key, connections in wanted.items()
            ]


def _ratio(
    server: CondaServer, peer: str, key: tuple[str, str, str], connections: int, answer: Answer, scale: Scale
) -> Row:
    name, feed, file = key
    mine, theirs = alternately(
        server.url(feed, file), f"{peer}/{feed}/{file}", rounds=scale.rounds, connections=connections,
        seconds=scale.load_s,
    )  # fmt: skip
    return Row(
        name=f"{name} again, {connections} connections", ours=f"{mine.requests_per_s:.0f}/s",
        peer=f"{theirs.requests_per_s:.0f}/s", value=mine.requests_per_s / theirs.requests_per_s,
        floor=0.6, aim=1.0, note=f"{len(answer.body) / 1e6:.2f} MB",
    )  # fmt: skip


def _named(row: Row, records: int) -> Row:
    return replace(row, name=f"{records:,} records: {row.name}")
