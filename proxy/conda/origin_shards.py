"""Shards of an origin: its index and its shards, read (CEP 16). What they say is verified before it is believed.

A shard's bytes must have the digest that the index names. What comes out is the text of a repodata.json for one
name, hashes in hexadecimal and keys sorted as conda-index writes them, so that mending and all that follows is the
same for both roads.
"""

import hashlib
import io
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import msgspec

from proxy.conda.binary import with_text_hashes
from proxy.conda.info import base_url_of, relations_of
from proxy.conda.names import is_name, printable
from proxy.conda.reading import BadStream, Packing, read
from proxy.conda.split import Sections

#: conda refuses more than 128 MiB of index and 16 MiB of shard, libmamba 100 MB of either.
MAX_INDEX_BYTES, MAX_SHARD_BYTES = 128 * 1024**2, 64 * 1024**2
_DIGEST_BYTES = 32
_UNREADABLE = (msgspec.DecodeError, msgspec.EncodeError, ValueError, TypeError, OverflowError, RecursionError)


class BadShards(Exception):
    """The bytes are no shard index, or not the shard that the index names. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """An origin's shard index. Digests are raw bytes."""

    digests: dict[str, bytes]
    shards_base_url: str
    created_at: str | None
    relations: dict[str, list[str]]
    #: Where the packages lie, if not beside the index (CEP 15): never shown, only asked.
    base_url: str = ""

    def url(self, index_url: str, name: str) -> str:
        """Return the URL of a name's shard; `index_url` is where the index came from."""
        base = self.shards_base_url
        folder = base if not base or base.endswith("/") else f"{base}/"
        return urljoin(index_url, f"{folder}{self.digests[name].hex()}.msgpack.zst")


class _Index(msgspec.Struct):
    info: dict[str, Any]
    shards: dict[str, bytes]
    version: int = 1


class _Shard(msgspec.Struct):
    packages: dict[str, msgspec.Raw] = {}
    conda: dict[str, msgspec.Raw] = msgspec.field(name="packages.conda", default_factory=dict)
    removed: Any = None


_INDEX = msgspec.msgpack.Decoder(_Index)
_SHARD = msgspec.msgpack.Decoder(_Shard)
_RECORD = msgspec.msgpack.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder(order="sorted").encode


def parse_index(data: bytes) -> ShardIndex:
    """Read an origin's `repodata_shards.msgpack.zst`. Names that are none are left out. Raises BadShards."""
    try:
        index = _INDEX.decode(_unpacked(data, MAX_INDEX_BYTES))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadShards(f"not a shard index: {error}") from error
    if index.version != 1:
        raise BadShards(f"a shard index of version {index.version}")
    if any(len(digest) != _DIGEST_BYTES for digest in index.shards.values()):
        raise BadShards("a digest in the shard index is not a SHA-256")
    base, created_at = index.info.get("shards_base_url", ""), index.info.get("created_at")
    if not isinstance(base, str):
        raise BadShards("the shard index does not say where its shards are")
    return ShardIndex(
        {name.lower(): digest for name, digest in index.shards.items() if is_name(name)},
        base, created_at if isinstance(created_at, str) else None, relations_of(index.info),
        base_url_of(index.info),
    )  # fmt: skip


def parse_shard(data: bytes, digest: bytes) -> Sections:
    """Read one shard that must have this digest. Raises BadShards."""
    if hashlib.sha256(data).digest() != digest:
        raise BadShards("a shard does not have the digest that its index names")
    try:
        shard = _SHARD.decode(_unpacked(data, MAX_SHARD_BYTES))
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadShards(f"not a shard: {error}") from error
    found = Sections({}, {}, _strings(shard.removed))
    for section, files in (("packages", shard.packages), ("packages.conda", shard.conda)):
        for file, raw in files.items():
            found.put(file, section, _text(file, raw))
    return found


def _unpacked(data: bytes, max_output: int) -> bytearray:
    try:
        return read(io.BytesIO(data), Packing.ZST, max_output=max_output)
    except BadStream as error:
        raise BadShards(str(error)) from error


def _strings(removed: object) -> list[str]:
    return [each for each in removed if isinstance(each, str)] if isinstance(removed, list) else []


def _text(file: str, raw: msgspec.Raw) -> bytes:
    """Return a record as JSON; one that cannot be read becomes a text that cannot, for mending to say so."""
    try:
        return _encode(with_text_hashes({file: _RECORD.decode(raw)})[file])
    except _UNREADABLE as error:
        return _encode(printable(f"cannot be read: {error}"))
