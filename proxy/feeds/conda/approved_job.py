"""The next generation of what is approved in one subdir: changed names in, a generation out, the others copied.

Records go in byte for byte as they were approved: they were mended when the source took them in. A name's source is
the digest of its block, so that after a restart it is known which names the generation does not yet tell.

Blocks: the server runs it in a thread where little is to be done, in a child where much is.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from proxy.conda.block import Block
from proxy.conda.pack import BadPack, digest_of
from proxy.conda.pack_writer import PackWriter
from proxy.conda.shard_pack import ShardPacker
from proxy.conda.shards import plain_shard_of
from proxy.conda.snapshot import Top, pack_top
from proxy.feeds.conda.draft import Draft, drafting
from proxy.feeds.conda.packs import Generation, open_generation
from proxy.feeds.conda.publishing import publish


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. `changes` is a file of packed `Change`s, one after the other."""

    folder: str
    subdir: str
    now_ms: int
    changes: str
    previous: str | None = None


class Change(msgspec.Struct, array_like=True, frozen=True):
    """A name and its members of the two sections now; a name without any is gone."""

    name: str
    tar: bytes
    conda: bytes

    @property
    def block(self) -> Block:
        return Block(self.name, self.tar, self.conda)


_encode = msgspec.msgpack.Encoder().encode
_CHANGE = msgspec.msgpack.Decoder(Change)


def write_changes(path: Path, changes: Iterable[Change]) -> None:
    """Write what an order's `changes` names, each behind its length, in small steps. Blocks."""
    with path.open("wb") as out:
        for change in changes:
            packed = _encode(change)
            out.write(len(packed).to_bytes(4, "big") + packed)


def _read_changes(path: Path) -> Iterator[Change]:
    data, at = path.read_bytes(), 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        yield _CHANGE.decode(data[at + 4 : end])
        at = end


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Make the generation; return {"stem"}, or {"damaged": reason} where the one before cannot be read."""
    asked = msgspec.convert(order, Order)
    try:
        return {"stem": make(asked)}
    except (BadPack, EOFError, FileNotFoundError) as damage:
        return {"damaged": str(damage)}


def make(order: Order) -> str:
    """Make the generation and return its stem. Blocks. Raises BadPack, OSError; nothing has changed then."""
    folder = Path(order.folder)
    changes = {change.name: change for change in _read_changes(Path(order.changes))}
    previous = open_generation(folder, order.previous) if order.previous is not None else None
    with drafting(folder, order.now_ms, previous) as draft:
        _write(draft, previous, changes, order.subdir)
        return publish(draft, folder, order.now_ms, previous)


def _write(draft: Draft, previous: Generation | None, changes: Mapping[str, Change], subdir: str) -> None:
    base = draft.base
    writer = PackWriter(draft.records, pack_top(Top(subdir)), base.snapshot.pack if base else None)
    before = previous.snapshot.pack if previous is not None else None
    with ThreadPoolExecutor(1) as pool:
        packer = ShardPacker(
            draft.shards, pool, previous.shards if previous else None, base.shards if base else None
        )
        for name in sorted({*(before.entries if before else ()), *changes}):
            change = changes.get(name)
            if change is not None:
                _add(writer, packer, change.block)
            elif before is not None:
                digest = writer.copy(before, name)
                if not packer.copy(name, digest):
                    raise BadPack(f"the shard of {name} is missing")
        writer.finish()
        packer.finish()
    draft.finish()


def _add(writer: PackWriter, packer: ShardPacker, block: Block) -> None:
    if block.is_empty:
        return
    parts = block.parts()
    digest = digest_of(parts)
    writer.add(block.name, parts, source=digest, digest=digest)
    if not packer.copy(block.name, digest):
        packer.add(block.name, digest, plain_shard_of(block))
