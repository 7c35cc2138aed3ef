"""Running digests of one artifact: always SHA-256, and those others that its index named.

Only algorithms that this machine has are kept; a name nobody knows is no reason to refuse a file.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Protocol, Self

from proxy.model.digest import Sha256


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...
    def copy(self) -> "_Hash": ...


def _maker(name: str) -> Callable[[], _Hash] | None:
    plain = name.lower().replace("-", "_")
    if plain in ("blake2_256", "blake2b_256"):
        return lambda: hashlib.blake2b(digest_size=32)
    if plain in hashlib.algorithms_guaranteed and not plain.startswith("shake"):
        return lambda: hashlib.new(plain, usedforsecurity=False)
    return None


class Hashes:
    """Digests of the bytes so far, and how many these are."""

    __slots__ = ("_others", "_sha256", "size")

    def __init__(self, others: Iterable[str] = ()) -> None:
        self.size = 0
        self._sha256: _Hash = hashlib.sha256()
        self._others: dict[str, _Hash] = {}
        for name in others:
            maker = _maker(name)
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
