"""The child's part of an ingest: an index file in, a generation out (records, shards, shard index).

Runs in a fresh process: half a million records are split, mended, packed and compressed here, and the state
database is only read. What is to be remembered of first sights goes out in a file, for the one writer of state.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from proxy.conda.ingest import Ingest, Report, ingest_repodata, ingest_shards
from proxy.conda.origin_shards import BadShards, ShardIndex, parse_index
from proxy.conda.pack import BadPack
from proxy.conda.reading import BadStream, Packing, read
from proxy.conda.shard_pack import ShardPacker
from proxy.conda.shard_render import index_of
from proxy.conda.snapshot import Top
from proxy.conda.split import BadRepodata, split
from proxy.feeds.conda.first_sight import FirstSight
from proxy.feeds.conda.packs import (
    BUFFER_BYTES,
    Generation,
    index_path,
    open_files,
    open_generation,
    records_path,
    shards_path,
    write_index,
)
from proxy.feeds.conda.superseded import prune_superseded, write_superseded
from proxy.state.learned import write_learned
from proxy.state.remembered import Remembered
from proxy.state.sighting import Sighting, pack


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. Paths are absolute."""

    folder: str
    subdir: str
    upstream: str
    now_ms: int
    #: The index file, and how it is packed (".zst", ".bz2", ""); None: shards are taken.
    source: str | None = None
    packing: str = ""
    #: The origin's shard index, and the folder with those of its shards that were fetched.
    shard_index: str | None = None
    shards: str | None = None
    max_output: int = 1024**3
    previous: str | None = None
    #: Whether an index that has become empty may take the place of one that was not.
    may_vanish: bool = False
    state: str | None = None
    is_initial: bool = True
    stamps: bool = True
    learned: str = ""


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Make the generation; return {"stem", "names", "records", "fresh", "dropped", "reasons", …}.

    `{"bad": reason}` is returned for what is no index, `{"damaged": reason}` where the generation before cannot be
    read; it is untouched then, as after any error.
    """
    asked = msgspec.convert(order, Order)
    try:
        return _made(asked)
    except (BadRepodata, BadShards, BadStream) as bad:
        return {"bad": str(bad)}
    except (BadPack, EOFError, FileNotFoundError) as damage:
        return {"damaged": str(damage)}


def _made(order: Order) -> dict[str, Any]:
    folder = Path(order.folder)
    previous = open_generation(folder, order.previous) if order.previous is not None else None
    before = previous.snapshot.top.held if previous is not None else {}
    sights = FirstSight(order.now_ms, order.is_initial, order.stamps, _known(order), held_before=before)
    read_in = _read_in(order)
    records, shards = folder / f".{order.now_ms}.records", folder / f".{order.now_ms}.shards"
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        out = stack.enter_context(records.open("wb", BUFFER_BYTES))
        packer = ShardPacker(
            stack.enter_context(shards.open("wb", BUFFER_BYTES)), pool, previous.shards if previous else None
        )
        top = Top(order.subdir, read_in.relations)
        ingest = Ingest(out, top, previous.snapshot if previous else None, packer, judge=sights)
        report = read_in.into(ingest)
    if not report.names and previous and len(previous.snapshot) and not order.may_vanish:
        records.unlink()
        shards.unlink()
        raise BadRepodata("it has shrunk to nothing; the former stays")
    stem = _publish(order, folder, records, shards, previous)
    _write_learned(order, sights)
    return {
        "stem": stem, "names": report.names, "fresh": report.fresh, "records": report.records,
        "dropped": report.dropped, "reasons": report.reasons[:20], "drifted": len(sights.drifted),
        "drifted_files": sights.drifted[:20], "learned": len(sights.learned),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _ReadIn:
    """An index that was read, and how it goes into an ingest."""

    relations: dict[str, list[str]]
    into: Callable[[Ingest], Report]


def _read_in(order: Order) -> _ReadIn:
    index = parse_index(Path(order.shard_index).read_bytes()) if order.shard_index is not None else None
    if order.source is None:
        assert index is not None and order.shards is not None
        reader = _shard_reader(index, Path(order.shards))
        return _ReadIn(index.relations, lambda ingest: ingest_shards(ingest, index, reader))
    with Path(order.source).open("rb") as file:
        document = read(file, Packing(order.packing), max_output=order.max_output)
    cut = split(document)
    digests = index.digests if index is not None else {}
    return _ReadIn(cut.relations, lambda ingest: ingest_repodata(ingest, cut, digests))


def _shard_reader(index: ShardIndex, folder: Path) -> Callable[[str], bytes | None]:
    def shard_of(name: str) -> bytes | None:
        path = folder / index.digests[name].hex()
        return path.read_bytes() if path.exists() else None

    return shard_of


def _publish(order: Order, folder: Path, records: Path, shards: Path, previous: Generation | None) -> str:
    """Give the files their names; the shard index first, the records last: they make the generation."""
    made = open_files(records, shards)
    stem = made.stem
    if previous is not None and previous.stem == stem:
        records.unlink()
        shards.unlink()
        return stem
    created_at = datetime.fromtimestamp(order.now_ms / 1000, UTC).isoformat()
    write_index(index_path(folder, stem), index_of(made.shards, order.subdir, created_at))
    shards.rename(shards_path(folder, stem))
    records.rename(records_path(folder, stem))
    if previous is not None:
        write_superseded(folder, previous.shards, made.shards, order.now_ms)
    prune_superseded(folder, order.now_ms)
    return stem


def _write_learned(order: Order, sights: FirstSight) -> None:
    write_learned(
        Path(order.learned), ((name, pack(sights.learned[name])) for name in sorted(sights.learned))
    )


def _known(order: Order) -> Mapping[str, Sighting]:
    if order.state is None:
        return {}
    known = Remembered(Path(order.state), order.upstream, order.subdir)
    return known if known.has_any() else {}
