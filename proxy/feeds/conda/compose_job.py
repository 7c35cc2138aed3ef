"""The child's part of a feed with several upstreams, or with names withheld: one generation out of theirs.

Whole names are taken over, records and shards as they are, each from the upstream that owns the name (contract,
section 1: the first that has it and may have it, over all subdirs of the feed; remembered; a change is held). The
first byte of an entry's source tells which upstream that is.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from proxy.conda.pack import BadPack, Pack
from proxy.conda.pack_writer import PackWriter
from proxy.conda.shard_render import index_of
from proxy.conda.shards import FORM
from proxy.conda.snapshot import Top, pack_top
from proxy.feeds.conda.packs import (
    Generation,
    index_path,
    open_files,
    open_generation,
    records_path,
    shards_path,
    sweep_generations,
)
from proxy.feeds.conda.superseded import prune_superseded, write_superseded
from proxy.feeds.ownership import matches


class Part(msgspec.Struct, frozen=True):
    """One upstream: its generation in the subdir that is made (None: it has none), and in the other subdirs."""

    upstream: str
    here: tuple[str, str] | None
    elsewhere: tuple[tuple[str, str], ...] = ()
    only: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. Folders are absolute; a generation is (folder, stem)."""

    folder: str
    subdir: str
    now_ms: int
    parts: tuple[Part, ...]
    remembered: str
    previous: str | None = None


class _Upstream:
    """An upstream's names, opened."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.here = open_generation(Path(part.here[0]), part.here[1]) if part.here is not None else None
        self.names = set(self.here.snapshot.pack.entries) if self.here is not None else set()
        for folder, stem in part.elsewhere:
            self.names |= open_generation(Path(folder), stem).snapshot.pack.entries.keys()

    def may_have(self, name: str) -> bool:
        return (not self.part.only or matches(name, self.part.only)) and not matches(name, self.part.withheld)


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Make the generation; return {"stem", "names", "learned": {name: upstream}, "held": [name…]}."""
    asked = msgspec.convert(order, Order)
    remembered = msgspec.msgpack.decode(Path(asked.remembered).read_bytes(), type=dict[str, str])
    upstreams = [_Upstream(part) for part in asked.parts]
    chosen, learned, held = _owned(upstreams, remembered)
    stem = _written(asked, upstreams, chosen)
    return {
        "stem": stem,
        "names": len(chosen),
        "learned": learned,
        "held": held[:20],
        "held_count": len(held),
    }


def _owned(
    upstreams: Sequence[_Upstream], remembered: Mapping[str, str]
) -> tuple[dict[str, int], dict[str, str], list[str]]:
    """Return name -> place of its owner in the order, the owners that are new, and the names that are held."""
    chosen: dict[str, int] = {}
    learned: dict[str, str] = {}
    held: list[str] = []
    by_id = {upstream.part.upstream: place for place, upstream in enumerate(upstreams)}
    for name in sorted(set().union(*(upstream.names for upstream in upstreams))):
        able = [place for place, upstream in enumerate(upstreams) if upstream.may_have(name)]
        owner = by_id.get(remembered.get(name, ""))
        if owner is None or owner not in able:
            owner = next((place for place in able if name in upstreams[place].names), None)
            if owner is None:
                continue
            learned[name] = upstreams[owner].part.upstream
        if name not in upstreams[owner].names:
            held.append(name)
        elif (here := upstreams[owner].here) is not None and name in here.snapshot.pack.entries:
            chosen[name] = owner
    return chosen, learned, held


def _written(order: Order, upstreams: Sequence[_Upstream], chosen: Mapping[str, int]) -> str:
    folder = Path(order.folder)
    folder.mkdir(parents=True, exist_ok=True)
    records, shards = folder / f".{order.now_ms}.records", folder / f".{order.now_ms}.shards"
    held = {file: why for each in upstreams if each.here for file, why in each.here.snapshot.top.held.items()}
    with ExitStack() as stack:
        top = Top(order.subdir, held=held)
        writer = PackWriter(stack.enter_context(records.open("wb")), pack_top(top))
        packer = PackWriter(stack.enter_context(shards.open("wb")), FORM.encode())
        for name, place in chosen.items():
            here = upstreams[place].here
            assert here is not None
            writer.copy(here.snapshot.pack, name, source=bytes([place]))
            if name in here.shards.entries:
                packer.copy(here.shards, name)
        writer.finish()
        packer.finish()
    return publish(folder, records, shards, order)


def publish(folder: Path, records: Path, shards: Path, order: Order) -> str:
    """Give the files their names, the records last: they make the generation."""
    made = open_files(records, shards)
    if made.stem == order.previous:
        records.unlink()
        shards.unlink()
        return made.stem
    created_at = datetime.fromtimestamp(order.now_ms / 1000, UTC).isoformat()
    index_path(folder, made.stem).write_bytes(index_of(made.shards, order.subdir, created_at))
    shards.rename(shards_path(folder, made.stem))
    records.rename(records_path(folder, made.stem))
    if order.previous is not None:
        _keep_superseded(folder, order.previous, made.shards, order.now_ms)
    prune_superseded(folder, order.now_ms)
    sweep_generations(folder, made.stem, order.previous)
    return made.stem


def _keep_superseded(folder: Path, previous: str, shards: Pack, now_ms: int) -> None:
    try:
        before: Generation = open_generation(folder, previous)
    except (OSError, BadPack):
        return
    write_superseded(folder, before.shards, shards, now_ms)
