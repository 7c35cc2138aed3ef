"""The child's part of accepting a change: the next generation has one file as its origin lists it now.

Everything else is copied. The origin is not asked: its record of now lies beside those that are shown (`Top.changed`).
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from proxy.conda.block import Block
from proxy.conda.ingest import Ingest
from proxy.conda.names import parse_file, twin
from proxy.conda.pack import BadPack
from proxy.conda.record import joined, raws_of, stamped
from proxy.conda.shard_pack import ShardPacker
from proxy.conda.snapshot import Snapshot, Top
from proxy.feeds.conda.draft import Draft, drafting
from proxy.feeds.conda.packs import Generation, open_generation
from proxy.feeds.conda.publishing import publish
from proxy.model.sights import Change


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. `first_ms`: the stamp of a record that has none, None where none is wanted."""

    folder: str
    previous: str
    file: str
    first_ms: int | None
    now_ms: int


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Make the generation; return {"stem"}, or {"missing": true} where the origin's record is not known.

    `{"damaged": reason}` is returned where the generation before cannot be read.
    """
    asked = msgspec.convert(order, Order)
    try:
        return _made(asked)
    except (BadPack, EOFError, FileNotFoundError) as damage:
        return {"damaged": str(damage)}


def _made(order: Order) -> dict[str, Any]:
    folder = Path(order.folder)
    previous = open_generation(folder, order.previous)
    parsed = parse_file(order.file)
    top = previous.snapshot.top
    if parsed is None or order.file not in top.changed or not previous.snapshot.is_current:
        return {"missing": True}
    with drafting(folder, order.now_ms, previous) as draft:
        _write(draft, previous, parsed.name, _Taken(top, order.file), order.first_ms)
        draft.finish()
        return {"stem": publish(draft, folder, order.now_ms, previous)}


class _Taken:
    """What is left of what the generation before holds (`ingest.Judge`).

    The twin of the file is let go with it, unless it has changed itself.
    """

    def __init__(self, top: Top, file: str) -> None:
        self._top = top
        other = twin(file)
        is_freed = other in top.held and other not in top.changes and other in top.changed
        #: The files that are shown as the origin lists them.
        self.files = (file, other) if other is not None and is_freed else (file,)

    def judge(self, block: Block, previous: Block | None) -> Block:
        return block

    def held(self) -> dict[str, str]:
        return {file: why for file, why in self._top.held.items() if file not in self.files}

    def changed(self) -> dict[str, str]:
        return {file: raw for file, raw in self._top.changed.items() if file not in self.files}

    def changes(self) -> dict[str, Change]:
        return {file: change for file, change in self._top.changes.items() if file not in self.files}


def _write(draft: Draft, previous: Generation, name: str, taken: _Taken, first_ms: int | None) -> None:
    base, snapshot = draft.base, previous.snapshot
    with ThreadPoolExecutor(1) as pool:
        packer = ShardPacker(draft.shards, pool, previous.shards, base.shards if base else None)
        top = Top(snapshot.top.subdir, snapshot.top.relations, bases=snapshot.top.bases)
        ingest = Ingest(
            draft.records, top, snapshot, packer, base.snapshot.pack if base else None, judge=taken
        )
        for each in sorted({*snapshot.pack.entries, name}):
            if each == name:
                ingest.put(_block(snapshot, name, taken, first_ms), _source(snapshot, name))
            else:
                ingest.copy(each)
        left_out = snapshot.top.dropped.get("")
        ingest.drop("", list(left_out.items()) if left_out else [])
        ingest.finish()


def _block(snapshot: Snapshot, name: str, taken: _Taken, first_ms: int | None) -> Block:
    before = snapshot.block(name) or Block(name)
    records = {file: bytes(raw) for part in (before.tar, before.conda) for file, raw in raws_of(part).items()}
    for file in taken.files:
        raw = snapshot.top.changed[file].encode()
        records[file] = stamped(raw, first_ms) if first_ms is not None and file == taken.files[0] else raw
    ordered = dict(sorted(records.items()))

    def of(extension: str) -> bytes:
        return joined({file: raw for file, raw in ordered.items() if file.endswith(extension)})

    return Block(name, of(".tar.bz2"), of(".conda"), before.removed)


def _source(snapshot: Snapshot, name: str) -> bytes:
    """Return what the name was made of; one that had no record left is looked at again by the next refresh."""
    entry = snapshot.pack.entries.get(name)
    return entry.source if entry is not None else b""
