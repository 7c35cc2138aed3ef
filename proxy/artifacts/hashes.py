"""Running digests of one artifact: always SHA-256, and those others that its index named.

An index names an algorithm as `hashlib` does and states its digest in hexadecimal (the simple API's `hashes`). Only
those of a fixed size count, and blake2 in the size that is stated; a name nobody knows, or a digest of another length
than its algorithm's, is no reason to refuse a file, and proves nothing.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Protocol, Self

from proxy.model.digest import Sha256


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...
    def copy(self) -> "_Hash": ...


#: What indexes write besides `hashlib`'s own names.
_ALIASES = {"blake2_256": "blake2b", "blake2b_256": "blake2b"}
_FIXED = {
    name: hashlib.new(name, usedforsecurity=False).digest_size
    for name in hashlib.algorithms_guaranteed
    if not name.startswith(("shake", "blake2"))
}
_SIZED: Mapping[str, tuple[Callable[..., _Hash], int]] = {
    "blake2b": (hashlib.blake2b, hashlib.blake2b.MAX_DIGEST_SIZE),
    "blake2s": (hashlib.blake2s, hashlib.blake2s.MAX_DIGEST_SIZE),
}
#: A blake2 that is shorter than an MD5 says nothing.
_LEAST_BYTES = 16


def is_checkable(name: str, digest: str) -> bool:
    """Tell whether the stated digest is one that bytes can be compared with."""
    return _maker(name, digest) is not None


def _maker(name: str, digest: str) -> Callable[[], _Hash] | None:
    plain = name.lower().replace("-", "_")
    if plain in _ALIASES and len(digest) != 64:
        return None
    plain, size = _ALIASES.get(plain, plain), len(digest) // 2
    if len(digest) % 2:
        return None
    if plain in _SIZED:
        sized, most = _SIZED[plain]
        return partial(sized, digest_size=size) if _LEAST_BYTES <= size <= most else None
    if _FIXED.get(plain) == size:
        return lambda: hashlib.new(plain, usedforsecurity=False)
    return None


class Hashes:
    """Digests of the bytes so far, and how many these are."""

    __slots__ = ("_others", "_sha256", "size")

    def __init__(self, others: Mapping[str, str] = MappingProxyType({})) -> None:
        """Begin with nothing; `others` are the digests that are stated, by algorithm."""
        self.size = 0
        self._sha256: _Hash = hashlib.sha256()
        self._others: dict[str, _Hash] = {}
        for name, digest in others.items():
            maker = _maker(name, digest)
            if maker is not None:
                self._others[name] = maker()

    def update(self, data: bytes) -> None:
        """Take the next bytes; large ones belong in a thread (hashlib lets the others run meanwhile)."""
        self._sha256.update(data)
        for other in self._others.values():
            other.update(data)
        self.size += len(data)

    def copy(self) -> Self:
        twin = type(self)()
        twin.size = self.size
        twin._sha256 = self._sha256.copy()
        twin._others = {name: other.copy() for name, other in self._others.items()}
        return twin

    def sha256(self) -> Sha256:
        return Sha256(self._sha256.hexdigest())

    def other(self, name: str) -> str | None:
        """Return another digest in hexadecimal, None if its algorithm is not known here."""
        found = self._others.get(name)
        return None if found is None else found.hexdigest()
