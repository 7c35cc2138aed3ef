"""What is kept of a key's value: a digest under a salt of this server, never the value (law 9).

A value that was made here has 190 bits of chance: one HMAC is enough, because nobody can try them all. A given one
may be a person's idea, so it goes through scrypt, and whoever steals the table tries some 20 of them a second. One
salt for the whole table, because a presented value is found by its digest, and nobody says whose key it is. Both
compare digests that depend on the salt, so how long a comparison takes tells nothing about a value (E08).
"""

import hashlib
import hmac
import secrets

from proxy.model.key_value import is_made

_N, _R, _P = 2**14, 8, 1
_MEMORY_BYTES = 64 * 1024**2


def new_salt() -> bytes:
    return secrets.token_bytes(32)


def fast(value: str, salt: bytes) -> bytes:
    """Return the digest of a value that was made here; microseconds."""
    return hmac.digest(salt, value.encode(), "sha256")


def slow(value: str, salt: bytes) -> bytes:
    """Return the digest of a given value. Blocks for some 50 ms without the interpreter's lock."""
    return hashlib.scrypt(value.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=_MEMORY_BYTES, dklen=32)


def digest(value: str, salt: bytes) -> bytes:
    """Return the digest that a value of either kind has. Blocks."""
    return fast(value, salt) if is_made(value) else slow(value, salt)
