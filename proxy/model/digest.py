"""Digests: the names of blobs. A digest is 64 lower-case hexadecimal digits of a SHA-256, nothing else."""

import re
from typing import Annotated, NewType

import msgspec

Sha256 = NewType("Sha256", str)
#: The type of a digest in a stored struct: whatever else stands in its place is refused when it is decoded.
StoredSha256 = Annotated[Sha256, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def parse_sha256(text: str) -> Sha256:
    """Return the digest that the text spells, in either case; raise ValueError for anything else."""
    lowered = text.lower() if text.isascii() else text
    if not _SHA256.match(lowered):
        raise ValueError("a SHA-256 digest is 64 hexadecimal digits")
    return Sha256(lowered)


def read_sha256(data: bytes | None) -> Sha256 | None:
    """Return the digest that stored bytes spell, or None for anything else: a damaged note is no note."""
    try:
        return None if data is None else parse_sha256(data.decode("ascii"))
    except ValueError:
        return None
