"""Shards: sharded repodata, written (CEP 16). The bytes of a shard are a function of its block and nothing else.

A shard is one zstd frame of a msgpack map with both sections always; files stand in the order of the block, fields in
the order of the record. Its name is the SHA-256 of the frame. So the same records have the same URL after a
restart, in every worker and on every host with the same zstd.
"""

from collections.abc import Mapping, Sequence

import msgspec
import zstandard

from proxy.conda.binary import Records, binary
from proxy.conda.block import Block

#: Part of a document's key: another level or another library makes other bytes.
FORM = f"shard-1-zstd-{'.'.join(map(str, zstandard.ZSTD_VERSION))}"
_LEVEL = 3
_RECORDS = msgspec.json.Decoder(Records)
_encode = msgspec.msgpack.Encoder().encode


def plain_shard(tar: bytes, conda: bytes, removed: Sequence[str]) -> bytes:
    """Return an unpacked shard of two sections that are msgpack maps already (proxy.conda.binary)."""
    return _encode({"packages": msgspec.Raw(tar), "packages.conda": msgspec.Raw(conda), "removed": removed})


def plain_shard_of(block: Block) -> bytes:
    """Return the unpacked shard of a block."""
    tar, conda = (binary(_RECORDS.decode(b"{%b}" % each)) for each in (block.tar, block.conda))
    return plain_shard(tar, conda, block.removed)


def render_shard(block: Block) -> bytes:
    """Return a shard as it is served."""
    return packed([plain_shard_of(block)])[0]


def packed(shards: Sequence[bytes], *, threads: int = 1) -> list[bytes]:
    """Return unpacked shards as they are served. The GIL is released for as long as it takes."""
    if not shards:
        return []
    found = zstandard.ZstdCompressor(level=_LEVEL).multi_compress_to_buffer(list(shards), threads=threads)
    return [found[index].tobytes() for index in range(len(found))]


def render_index(subdir: str, digests: Mapping[str, bytes], created_at: str) -> bytes:
    """Return the shard index as it is served: name -> SHA-256 of its shard, which lies beside the index.

    `created_at` is RFC 3339, and part of the bytes: the time of the snapshot, not of the rendering.
    """
    info = {"base_url": "", "created_at": created_at, "shards_base_url": "", "subdir": subdir}
    index = {"info": info, "shards": dict(sorted(digests.items())), "version": 1}
    return packed([_encode(index)])[0]
