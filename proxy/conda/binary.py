"""Hashes in their two spellings: lower-case hexadecimal in JSON, bytes in shards (CEP 16)."""

from binascii import a2b_hex
from typing import Any

import msgspec

Records = dict[str, dict[str, Any]]

#: The fields that a shard spells as bytes, and their length in bytes.
HASHES = {"md5": 16, "sha256": 32, "legacy_bz2_md5": 16}
_encode = msgspec.msgpack.Encoder().encode
#: A section without records.
EMPTY = _encode({})


def binary(records: Records) -> bytes:
    """Return a section's records as the msgpack map of a shard; they are changed on the way.

    Raises ValueError where a hash is not lower-case hexadecimal, OverflowError for a number of more than 64 bits.
    """
    for key, size in HASHES.items():
        for record in records.values():
            text = record.get(key)
            if text is not None:
                found = a2b_hex(text)
                if len(found) != size or found.hex() != text:
                    raise ValueError(f"{key} is not {2 * size} lower-case hexadecimal digits")
                record[key] = found
    return _encode(records)


def with_text_hashes(records: Records) -> Records:
    """Make the hashes of a section's records text again, those that are bytes; what is wrong with them stays."""
    for record in records.values():
        for key in (*HASHES, "attestations_sha256"):
            found = record.get(key)
            if isinstance(found, bytes):
                record[key] = found.hex()
    return records
