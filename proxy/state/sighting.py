"""Sighting: when this server first saw each file of a name, and which digests it has had. Pure.

What the origin cannot tell again: it may say any date, and a file that changed under its name looks, there,
as if it had always been so. A row only ever learns: first sight never moves, digests are only added, a file
that left the index keeps its entry. Times are milliseconds since the epoch; a clock that went backwards
makes no time smaller than one already written.

Age (contract, section 4): a file of the first complete listing is as old as the origin says; one that
appeared later counts from the later of the origin's time and its first sight.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

#: The first digests and the newest are kept; an origin that alternates for years does not grow the row.
MAX_DIGESTS = 16


class Had(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A digest that a file had, and since when: `\\0` and 32 bytes of SHA-256, or `\\1` and "algorithm:hex"."""

    packed: bytes
    since_ms: int

    @property
    def digest(self) -> str:
        rest = self.packed[1:]
        return rest.hex() if self.packed[0] == 0 else rest.decode()

    @property
    def algorithm(self) -> str:
        """Digests of two algorithms say nothing about each other: an index may begin to tell a better one."""
        return "sha256" if self.packed[0] == 0 else self.packed[1:].decode().partition(":")[0]


class Seen(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One file: its first sight, whether the first complete listing had it, the digests it has had."""

    first_ms: int
    is_initial: bool
    digests: tuple[Had, ...] = ()

    @property
    def has_drifted(self) -> bool:
        """Tell whether its present digest is another than its first of that algorithm."""
        if len(self.digests) < 2:
            return False
        last = self.digests[-1]
        return next(had for had in self.digests if had.algorithm == last.algorithm).packed != last.packed

    def is_weakened_by(self, digest: str | None) -> bool:
        """Tell whether a SHA-256 is known and the index tells none any more."""
        is_strong = digest is not None and pack_digest(digest)[0] == 0
        return not is_strong and any(had.algorithm == "sha256" for had in self.digests)

    def counts_from_ms(self, origin_ms: int | None) -> int | None:
        """Return the moment from which the file's age counts; None means old without a date."""
        if self.is_initial:
            return origin_ms
        return self.first_ms if origin_ms is None else max(origin_ms, self.first_ms)

    def age_ms(self, origin_ms: int | None, now_ms: int) -> int | None:
        """Return the file's age, never negative; None means old without a date."""
        start = self.counts_from_ms(origin_ms)
        return None if start is None else max(0, now_ms - start)


class Sighting(msgspec.Struct, array_like=True, frozen=True):
    """All that is remembered of one name: one row per upstream, subdir and name."""

    files: dict[str, Seen] = {}

    def drifts(self, files: Mapping[str, str | None]) -> dict[str, Seen]:
        """Return those of the listed files (name -> digest) that are not known to be what they were first.

        Their digest is another, or the index tells a weaker one, or none, where it told a SHA-256 before: what
        cannot be compared any more is not believed.
        """
        found = ((name, digest, self.files.get(name)) for name, digest in files.items())
        return {
            name: seen
            for name, digest, seen in found
            if seen is not None and (seen.has_drifted or seen.is_weakened_by(digest))
        }


@dataclass(frozen=True, slots=True)
class Drift:
    """A file whose digest changed just now."""

    file: str
    before: str
    after: str
    first_ms: int
    at_ms: int


def pack_digest(digest: str) -> bytes:
    """Return the stored form of a digest: 33 bytes for a SHA-256, else its text."""
    if len(digest) == 64:
        try:
            return b"\0" + bytes.fromhex(digest)
        except ValueError:
            pass
    return b"\1" + digest.encode()


def merge(
    old: Sighting | None, files: Mapping[str, str | None], now_ms: int, *, is_initial: bool
) -> tuple[Sighting, tuple[Drift, ...]]:
    """Return what is remembered after this listing, and what drifted; `old` itself if nothing is new.

    `files` maps a file's name to its digest, or to None where the index tells none. `is_initial` says that
    the name is part of the first complete listing; it matters only while `old` is None.
    """
    known = old.files if old is not None else {}
    changed: dict[str, Seen] = {}
    drifts: list[Drift] = []
    for name, digest in files.items():
        seen = known.get(name)
        if seen is None:
            had = (Had(pack_digest(digest), now_ms),) if digest is not None else ()
            changed[name] = Seen(now_ms, is_initial and old is None, had)
        elif digest is not None:
            learned = _learn(seen, digest, now_ms)
            if learned is not None:
                changed[name] = learned
                drifts += _drift(name, seen, learned)
    if old is not None and not changed:
        return old, ()
    return Sighting({**known, **changed}), tuple(drifts)


def _learn(seen: Seen, digest: str, now_ms: int) -> Seen | None:
    """Return the file with the digest added, or None if it is the one it has."""
    packed = pack_digest(digest)
    if seen.digests and seen.digests[-1].packed == packed:
        return None
    latest_ms = seen.digests[-1].since_ms if seen.digests else seen.first_ms
    digests = (*seen.digests, Had(packed, max(now_ms, latest_ms)))
    if len(digests) > MAX_DIGESTS:
        digests = (digests[0], *digests[-(MAX_DIGESTS - 1) :])
    return Seen(seen.first_ms, seen.is_initial, digests)


def _drift(name: str, before: Seen, after: Seen) -> list[Drift]:
    new = after.digests[-1]
    same = [had for had in before.digests if had.algorithm == new.algorithm]
    return [Drift(name, same[-1].digest, new.digest, after.first_ms, new.since_ms)] if same else []


_decoder = msgspec.msgpack.Decoder(Sighting)


def pack(sighting: Sighting) -> bytes:
    """Return the row's payload."""
    return msgspec.msgpack.encode(sighting)


def unpack(payload: bytes) -> Sighting:
    """Return what a row's payload says; raise ValueError for anything else."""
    return _decoder.decode(payload)
