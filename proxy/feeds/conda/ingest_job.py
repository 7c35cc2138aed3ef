"""The child's part of an ingest: an index file in, a generation out (records, shards, shard index).

Runs in a fresh process: half a million records are split, mended, packed and compressed here, and the state
database is only read. What is to be remembered of first sights goes out in a file, for the one writer of state.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec

from proxy.conda.ingest import Ingest, Report, ingest_repodata, ingest_shards
from proxy.conda.origin_shards import BadShards, ShardIndex, parse_index
from proxy.conda.pack import BadPack
from proxy.conda.reading import BadStream, Packing, read
from proxy.conda.shard_pack import ShardPacker
from proxy.conda.snapshot import Top
from proxy.conda.split import BadRepodata, Repodata, split
from proxy.feeds.conda.draft import Draft, drafting
from proxy.feeds.conda.first_sight import FirstSight
from proxy.feeds.conda.packs import Generation, open_generation
from proxy.feeds.conda.publishing import publish
from proxy.state.learned import write_learned
from proxy.state.remembered import Remembered
from proxy.state.sighting import Sighting, pack
from proxy.upstream.decode import decode
from proxy.upstream.errors import UpstreamError


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
    #: The Content-Encoding in which it came, if any.
    coding: str = ""
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

    "dropped" and "reasons" are of the records that were left out and had not been before.

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
    before = previous.snapshot.top if previous is not None else Top(order.subdir)
    sights = FirstSight(
        order.now_ms, order.is_initial, order.stamps, _known(order), held_before=before.held,
        changed_before=before.changed, changes_before=before.changes,
    )  # fmt: skip
    read_in = _read_in(order)
    with drafting(folder, order.now_ms, previous) as draft:
        report = _written(order, read_in, draft, previous, sights)
        if not report.names and previous and len(previous.snapshot) and not order.may_vanish:
            raise BadRepodata("it has shrunk to nothing; the former stays")
        stem = publish(draft, folder, order.now_ms, previous)
    _write_learned(order, sights)
    known = before.dropped_files
    news = [(file, why) for file, why in report.reasons if file not in known]
    return {
        "stem": stem, "names": report.names, "fresh": report.fresh, "records": report.records,
        "dropped": report.dropped - (len(report.reasons) - len(news)), "reasons": news[:20],
        "drifted": len(sights.drifted), "drifted_files": sights.drifted[:20], "learned": len(sights.learned),
    }  # fmt: skip


def _written(
    order: Order, read_in: "_ReadIn", draft: Draft, previous: Generation | None, sights: FirstSight
) -> Report:
    base = draft.base
    with ThreadPoolExecutor(1) as pool:
        packer = ShardPacker(
            draft.shards, pool, previous.shards if previous else None, base.shards if base else None
        )
        ingest = Ingest(
            draft.records, read_in.top(order.subdir), previous.snapshot if previous else None, packer,
            base.snapshot.pack if base else None, judge=sights,
        )  # fmt: skip
        report = read_in.into(ingest)
    draft.finish()
    return report


@dataclass(frozen=True, slots=True)
class _ReadIn:
    """An index that was read, and how it goes into an ingest."""

    relations: dict[str, list[str]]
    base_url: str
    into: Callable[[Ingest], Report]

    def top(self, subdir: str) -> Top:
        return Top(subdir, self.relations, bases={0: self.base_url} if self.base_url else {})


def _read_in(order: Order) -> _ReadIn:
    index = parse_index(Path(order.shard_index).read_bytes()) if order.shard_index is not None else None
    if order.source is None:
        assert index is not None and order.shards is not None
        reader = _shard_reader(index, Path(order.shards))
        return _ReadIn(index.relations, index.base_url, lambda ingest: ingest_shards(ingest, index, reader))
    repodata = cut(Path(order.source), order)
    digests = index.digests if index is not None else {}
    return _ReadIn(
        repodata.relations, repodata.base_url, lambda ingest: ingest_repodata(ingest, repodata, digests)
    )


def cut(source: Path, order: Order) -> Repodata:
    """Cut the full index as it was sent, else without the coding that it is said to have.

    Servers name a packing (`.zst`, `.bz2`) as a coding, or one that is not there. Raises BadStream, BadRepodata.
    """
    packing = Packing(order.packing)
    with source.open("rb") as file:
        try:
            return split(read(file, packing, max_output=order.max_output))
        except (BadStream, BadRepodata):
            if not order.coding:
                raise
    return split(read(BytesIO(_uncoded(source.read_bytes(), order)), packing, max_output=order.max_output))


def _uncoded(data: bytes, order: Order) -> bytes:
    """Take off a coding that nobody asked for: some servers code whatever is JSON."""
    try:
        return decode(data, order.coding, max_bytes=order.max_output)
    except UpstreamError as error:
        raise BadStream(error.detail) from error


def _shard_reader(index: ShardIndex, folder: Path) -> Callable[[str], bytes | None]:
    def shard_of(name: str) -> bytes | None:
        path = folder / index.digests[name].hex()
        return path.read_bytes() if path.exists() else None

    return shard_of


def _write_learned(order: Order, sights: FirstSight) -> None:
    write_learned(
        Path(order.learned), ((name, pack(sights.learned[name])) for name in sorted(sights.learned))
    )


def _known(order: Order) -> Mapping[str, Sighting]:
    if order.state is None:
        return {}
    known = Remembered(Path(order.state), order.upstream, order.subdir)
    return known if known.has_any() else {}
