"""Snapshots and shard packs made in memory, and what they hold as plain values."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
import zstandard

from proxy.conda.ingest import Ingest, Report, ingest_repodata, ingest_shards
from proxy.conda.origin_shards import ShardIndex
from proxy.conda.pack import Pack, open_pack
from proxy.conda.repodata import pieces, write
from proxy.conda.shard_pack import ShardPacker
from proxy.conda.shown import Shown
from proxy.conda.snapshot import Snapshot, Top, open_snapshot
from proxy.conda.split import split

Sections = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Made:
    """A snapshot with its shards, and the bytes of both."""

    snapshot: Snapshot
    shards: Pack
    report: Report
    data: bytes
    shard_data: bytes

    def shown(self, keep: Mapping[str, set[str]] | None = None) -> list[Shown]:
        names = self.snapshot if keep is None else sorted(keep)
        return [Shown(name, self.snapshot, None if keep is None else keep[name]) for name in names]

    def repodata(self) -> bytes:
        return text_of(self.snapshot.top.subdir, self.shown())


def make(
    document: bytes | Mapping[str, Any],
    subdir: str = "linux-64",
    previous: Made | None = None,
    append: bool = False,
) -> Made:
    """Ingest a repodata.json; with `append` into the files of `previous`."""
    text = document if isinstance(document, bytes) else _text(document)
    repodata = split(text)
    top = Top(subdir, repodata.relations)
    return _made(lambda ingest: ingest_repodata(ingest, repodata), top, previous, append)


def _text(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def make_from_shards(
    index: ShardIndex, shard_of: Callable[[str], bytes | None], previous: Made | None = None
) -> Made:
    """Ingest an origin's shards."""
    top = Top("linux-64", index.relations)
    return _made(lambda ingest: ingest_shards(ingest, index, shard_of), top, previous)


def _made(run: Callable[[Ingest], Report], top: Top, previous: Made | None, append: bool = False) -> Made:
    out, shards = io.BytesIO(), io.BytesIO()
    held = previous.snapshot if previous else None
    held_shards = previous.shards if previous else None
    base, base_shards = (held.pack, held_shards) if append and held else (None, None)
    with ThreadPoolExecutor(1) as executor:
        packer = ShardPacker(shards, executor, held_shards, base_shards)
        report = run(Ingest(out, top, held, packer, base))
    data, shard_data = out.getvalue(), shards.getvalue()
    if append and previous:
        data, shard_data = previous.data + data, previous.shard_data + shard_data
    snapshot, pack = open_snapshot(reader(data), len(data)), open_pack(reader(shard_data), len(shard_data))
    return Made(snapshot, pack, report, data, shard_data)


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: data[offset : offset + length]


def text_of(subdir: str, shown: list[Shown]) -> bytes:
    """Return the repodata.json of what is shown."""
    out = io.BytesIO()
    write(pieces(subdir, shown), plain=out)
    return out.getvalue()


def sections_of(repodata: bytes) -> Sections:
    """Return both sections of a repodata.json."""
    decoded = json.loads(repodata)
    return {section: decoded[section] for section in ("packages", "packages.conda")}


def sections_in(shards: Pack) -> Sections:
    """Return both sections of all shards of a pack, hashes as text again."""
    found: Sections = {"packages": {}, "packages.conda": {}}
    for shard in decoded_shards(shards):
        for section, files in found.items():
            files |= {file: _texts(record) for file, record in shard[section].items()}
    return found


def decoded_shards(shards: Pack) -> Iterator[dict[str, Any]]:
    for name in shards.entries:
        (data,) = shards.parts(name)
        yield msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data))


def _texts(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in record.items()}


def record(name: str, version: str = "1.0", build: str = "0", **changes: Any) -> dict[str, Any]:
    """Return a sound record; `...` takes a key away."""
    made: dict[str, Any] = {
        "build": build, "build_number": 0, "depends": [], "license": "MIT", "md5": "a" * 32, "name": name,
        "sha256": "b" * 64, "size": 10, "subdir": "linux-64", "timestamp": 1_600_000_000_000, "version": version,
    } | changes  # fmt: skip
    return {key: value for key, value in made.items() if value is not ...}


def index(*records: dict[str, Any], **top: Any) -> dict[str, Any]:
    """Return a repodata.json of `.conda` files."""
    files = {f"{each['name']}-{each['version']}-{each['build']}.conda": each for each in records}
    return {"info": {"subdir": "linux-64"}, "packages": {}, "packages.conda": files} | top
