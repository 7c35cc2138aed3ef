"""`python -m benchmarks.channel.sharded TODAY TOMORROW [--changed 300]`: give two days of a channel CEP-16 shards.

The shards are those that this program would serve: the full file of each folder is taken in, and what comes out is
rendered, so the folders must be there (`python -m benchmarks.channel`). Of tomorrow's names as many differ as is
asked: where the generated day changed fewer, further names get one more build; the full file does not have it, which
no server sees that goes by the shards.
"""

import argparse
import hashlib
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from benchmarks.channel.measure import SUBDIR, ingesting, snapshot
from proxy.conda.block import Block
from proxy.conda.ingest import ingest_repodata
from proxy.conda.reading import Packing, read
from proxy.conda.record import joined, raws_of
from proxy.conda.shards import render_index, render_shard
from proxy.conda.snapshot import Top
from proxy.conda.split import split

INDEX = "repodata_shards.msgpack.zst"
_DAYS = ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z")
_LIMIT = 2 * 1024**3

#: name -> SHA-256 of its shard.
Digests = dict[str, bytes]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.channel.sharded")
    parser.add_argument("today", type=Path)
    parser.add_argument("tomorrow", type=Path)
    parser.add_argument("--changed", type=int, default=300)
    wanted = parser.parse_args()
    before = _write(wanted.today, _blocks(wanted.today), _DAYS[0])
    missing = wanted.changed - _changed(before, _digests(wanted.tomorrow))
    after = _write(wanted.tomorrow, _with_builds(wanted.tomorrow, before, missing), _DAYS[1])
    print(f"{len(before)} names today, {len(after)} tomorrow, {_changed(before, after)} changed")


def _changed(before: Digests, after: Digests) -> int:
    return sum(before.get(name) != digest for name, digest in after.items())


def _blocks(folder: Path) -> Iterator[Block]:
    """Yield what is listed under every name, mended, in ascending order."""
    with (folder / SUBDIR / "repodata.json.zst").open("rb") as source:
        document = read(source, Packing.ZST, max_output=_LIMIT)
    with tempfile.TemporaryDirectory() as name:
        out = Path(name, "records")
        with ingesting(None, out, Top(SUBDIR)) as ingest:
            ingest_repodata(ingest, split(document))
        made = snapshot(out)
        for each in made:
            block = made.block(each)
            if block is not None and not block.is_empty:
                yield block


def _with_builds(folder: Path, before: Digests, missing: int) -> Iterator[Block]:
    """Yield tomorrow's blocks, `missing` of the unchanged ones with a build more."""
    for block in _blocks(folder):
        is_same = before.get(block.name) == hashlib.sha256(render_shard(block)).digest()
        yield _with_build(block) if is_same and missing > 0 else block
        missing -= is_same


def _with_build(block: Block) -> Block:
    file, raw = next(iter({**raws_of(block.conda), **raws_of(block.tar)}.items()))
    record = msgspec.json.decode(raw)
    record |= {"build": f"{record['build']}_later", "sha256": hashlib.sha256(file.encode()).hexdigest()}
    later = f"{block.name}-{record['version']}-{record['build']}.conda"
    conda = {**raws_of(block.conda), later: msgspec.json.encode(record)}
    return Block(block.name, block.tar, joined(dict(sorted(conda.items()))), block.removed)


def _digests(folder: Path) -> Digests:
    return {block.name: hashlib.sha256(render_shard(block)).digest() for block in _blocks(folder)}


def _write(folder: Path, blocks: Iterator[Block], created_at: str) -> Digests:
    digests: Digests = {}
    for block in blocks:
        shard = render_shard(block)
        digests[block.name] = hashlib.sha256(shard).digest()
        (folder / SUBDIR / f"{digests[block.name].hex()}.msgpack.zst").write_bytes(shard)
    index = folder / SUBDIR / INDEX
    index.write_bytes(render_index(SUBDIR, digests, created_at))
    moment = datetime.fromisoformat(created_at).timestamp()
    os.utime(
        index, (moment, moment)
    )  # a web server's ETag is made of it, and small channels are made within a second
    return digests


if __name__ == "__main__":
    main()
