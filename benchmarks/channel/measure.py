"""`python -m benchmarks.channel.measure TODAY TOMORROW`: what each step of serving such a channel costs.

The folders are what `python -m benchmarks.channel` wrote. Every phase runs in a process of its own, so that its time
and its peak of memory are its own; nothing is made durable (no fsync), and files come from the page cache.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from proxy.conda.ingest import Ingest, ingest_repodata, ingest_shards, wanted_shards
from proxy.conda.origin_shards import parse_index
from proxy.conda.pack import Pack, open_pack
from proxy.conda.reading import Packing, read
from proxy.conda.repodata import pieces, write
from proxy.conda.shard_pack import ShardPacker
from proxy.conda.shard_render import index_of, pack_shards
from proxy.conda.shown import Shown
from proxy.conda.snapshot import Snapshot, Top, open_snapshot
from proxy.conda.split import split

SUBDIR = "linux-64"
WHEN = "2026-11-20T00:00:00Z"
_LIMIT = 1024**3
_BUFFER = 1024**2
Steps = dict[str, float]


@contextmanager
def timed(steps: Steps, name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    steps[name] = time.perf_counter() - start


def reader(path: Path) -> tuple[Callable[[int, int], bytes], int]:
    descriptor = os.open(path, os.O_RDONLY)
    return lambda offset, length: os.pread(descriptor, length, offset), path.stat().st_size


def snapshot(path: Path) -> Snapshot:
    return open_snapshot(*reader(path))


def shards(path: Path) -> Pack:
    return open_pack(*reader(path.with_suffix(".shards")))


@contextmanager
def ingesting(before: Path | None, out: Path, top: Top) -> Iterator[Ingest]:
    """Give an ingest that writes `out`; where there was one before, it appends, and `out` is another name of it."""
    held, held_shards = (snapshot(before), shards(before)) if before else (None, None)
    if before:
        out.hardlink_to(before)
        out.with_suffix(".shards").hardlink_to(before.with_suffix(".shards"))
    with ThreadPoolExecutor(1) as executor, ExitStack() as files:
        pack, shard_file = (
            files.enter_context(path.open("ab", _BUFFER)) for path in (out, out.with_suffix(".shards"))
        )
        packer = ShardPacker(shard_file, executor, held_shards, held_shards)
        yield Ingest(pack, top, held, packer, held.pack if held else None)


def whole(folder: Path, out: Path, before: Path | None = None) -> Steps:
    """Full file -> snapshot and shards."""
    steps: Steps = {}
    with timed(steps, "read .zst"), (folder / SUBDIR / "repodata.json.zst").open("rb") as source:
        document = read(source, Packing.ZST, max_output=_LIMIT)
    with timed(steps, "split"):
        repodata = split(document)
        del document
    with timed(steps, "mend, pack, shards"), ingesting(before, out, Top(SUBDIR)) as ingest:
        ingest_repodata(ingest, repodata)
    with timed(steps, "open, shard index"):
        index_of(shards(out), SUBDIR, WHEN)
        snapshot(out)
    return steps


def half(pack: Path, out: Path) -> Steps:
    """A filter that keeps half of the records of every name, then every index form of it."""
    steps: Steps = {}
    opened = snapshot(pack)
    with timed(steps, "decide by facts (of every record)"):
        keep = {}
        for name in opened:
            block = opened.block(name)
            facts = block.facts() if block else {}
            keep[name] = {file for file, each in facts.items() if (each.timestamp or 0) % 2}
    shown = [Shown(name, opened, files) for name, files in keep.items()]
    with timed(steps, ".json.zst"), out.with_suffix(".zst").open("wb") as packed:
        write(pieces(SUBDIR, shown), zst=packed)
    with (
        timed(steps, ".json and .json.zst"),
        out.open("wb") as plain,
        out.with_suffix(".zst").open("wb") as packed,
    ):
        write(pieces(SUBDIR, shown), plain, packed)
    shard_path = out.with_suffix(".shards")
    with (
        timed(steps, "shards"),
        ThreadPoolExecutor(1) as executor,
        shard_path.open("wb", _BUFFER) as shard_file,
    ):
        pack_shards(ShardPacker(shard_file, executor, shards(pack)), shown)
    return steps


def everything(pack: Path, out: Path) -> Steps:
    """No filter."""
    steps: Steps = {}
    opened = snapshot(pack)
    with timed(steps, ".json.zst"), out.open("wb") as packed:
        write(pieces(SUBDIR, [Shown(name, opened) for name in opened]), zst=packed)
    return steps


def from_shards(origin: Path, out: Path, before: Path | None = None) -> Steps:
    """An origin's shards -> snapshot and shards; what another one of us serves plays the origin."""
    steps: Steps = {}
    source = shards(origin)
    data = index_of(source, SUBDIR, WHEN)
    with timed(steps, "all"), ingesting(before, out, Top(SUBDIR)) as ingest:
        index = parse_index(data)
        wanted = wanted_shards(snapshot(before) if before else None, index)
        ingest_shards(ingest, index, lambda name: source.parts(name)[0])
    with timed(steps, "open, shard index"):
        index_of(shards(out), SUBDIR, WHEN)
        snapshot(out)
    return steps | {"names fetched": len(wanted)}


PHASES: dict[str, Callable[..., Steps]] = {
    "whole": whole, "next": whole, "half": half, "everything": everything, "shards": from_shards,
    "next shards": from_shards,
}  # fmt: skip


def phase(name: str, *paths: Path) -> None:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.channel.measure", "--phase", name, *map(str, paths)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    print(f"{name}: {time.perf_counter() - start:.2f} s with the start, peak {found.pop('peak_mib'):.0f} MiB")
    for step, value in found.items():
        print(f"    {step:<40} {value:8.2f}")


def main() -> None:
    if sys.argv[1] == "--phase":
        steps = PHASES[sys.argv[2]](*map(Path, sys.argv[3:]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(steps | {"peak_mib": peak}))
        return
    today, tomorrow = map(Path, sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        phase("whole", today, place / "today")
        phase("everything", place / "today", place / "all")
        phase("half", place / "today", place / "half")
        phase("whole", tomorrow, place / "origin")
        phase("shards", place / "today", place / "sharded")
        phase("next", tomorrow, place / "tomorrow", place / "today")
        phase("next shards", place / "origin", place / "sharded-tomorrow", place / "sharded")


if __name__ == "__main__":
    main()
