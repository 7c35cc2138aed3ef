"""Sighting: when this server first saw each file of a name, and which digests it has had. Pure.

What the origin cannot tell again: it may say any date, and a file that changed under its name looks, there,
as if it had always been so. A file that left the index keeps its entry. Times are milliseconds since the epoch; a
clock that went backwards makes no time smaller than one already written.

A digest *binds* once its bytes came, or a person accepted it: another one under the name is drift from then on, and
the row only learns. One whose bytes never came binds nobody: where the index tells another, or a weaker one, the
file's first sight starts anew at that moment, so that an old name brings no new bytes past `min_age`.

Age (contract, section 4): a file of the first complete listing is as old as the origin says; one that
appeared later counts from the later of the origin's time and its first sight.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

import msgspec

from proxy.model.sights import Change

#: The first digests and the newest are kept; an origin that alternates for years does not grow the row.
MAX_DIGESTS = 16


class Standing(IntEnum):
    """What a digest is worth. All but the first bind."""

    #: The index tells it; its bytes never came.
    TOLD = 0
    #: Its bytes came. What was written before this was known counts as such.
    HELD = 1
    #: A person took it in place of the one before.
    ACCEPTED = 2
    #: No index told it: the SHA-256 of bytes that came where the index tells a weaker digest, or none.
    FOUND = 3


class Had(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A digest that a file had, and since when: `\\0` and 32 bytes of SHA-256, or `\\1` and "algorithm:hex"."""

    packed: bytes
    since_ms: int
    standing: Standing = Standing.HELD

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
        return len(self.digests) > 1 and self._first_of(self.digests[-1]).packed != self.digests[-1].packed

    @property
    def binds(self) -> bool:
        """Tell whether bytes of it came, or a person accepted it."""
        return any(had.standing is not Standing.TOLD for had in self.digests)

    @property
    def is_accepted(self) -> bool:
        """Tell whether its present digest is one that a person took."""
        return bool(self.digests) and self.digests[-1].standing is Standing.ACCEPTED

    def is_weakened_by(self, digest: str | None) -> bool:
        """Tell whether an index told a SHA-256 and tells none any more."""
        is_strong = digest is not None and pack_digest(digest)[0] == 0
        told = (had for had in self.digests if had.standing is not Standing.FOUND)
        return not is_strong and any(had.algorithm == "sha256" for had in told)

    def change(self, digest: str | None) -> Change:
        """Return what changed about a file that drifted; `digest` is what the index tells now."""
        strongest = next((had for had in self.digests if had.algorithm == "sha256"), self.digests[0])
        if digest is None:
            return Change(strongest.digest, None, None)
        last = self.digests[-1]
        first = self._first_of(last) if self.has_drifted else strongest
        return Change(first.digest, last.digest, last.since_ms)

    def _first_of(self, had: Had) -> Had:
        return next(each for each in self.digests if each.algorithm == had.algorithm)

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
            changed[name] = Seen(now_ms, is_initial and old is None, _told(digest, now_ms))
            continue
        learned = _learn(seen, digest, now_ms)
        if learned is not None:
            changed[name] = learned
            drifts += _drift(name, seen, learned)
    if old is not None and not changed:
        return old, ()
    return Sighting({**known, **changed}), tuple(drifts)


def land(sighting: Sighting, file: str, sha256: str, others: Collection[str]) -> Sighting | None:
    """Return what is remembered once bytes of a file came and were right; None where that says nothing new.

    `others` are the weaker digests that the index told of these bytes, as "algorithm:hex". From a digest that another
    listing has replaced meanwhile nothing follows.
    """
    seen = sighting.files.get(file)
    if seen is None:
        return None
    arrived = {pack_digest(digest) for digest in (sha256, *others)}
    landed = [had for had in seen.digests if had.packed in arrived]
    if seen.digests and not landed:
        return None
    told = Standing.TOLD
    digests = tuple(_held(had) if had in landed and had.standing is told else had for had in seen.digests)
    if not any(had.algorithm == "sha256" for had in digests):
        since_ms = digests[0].since_ms if digests else seen.first_ms
        digests = (Had(pack_digest(sha256), since_ms, Standing.FOUND), *digests)
    if digests == seen.digests:
        return None
    return Sighting({**sighting.files, file: Seen(seen.first_ms, seen.is_initial, digests)})


def accept(sighting: Sighting, file: str) -> Sighting:
    """Return what is remembered once a person took the digest that the index tells of a file now.

    It binds from now on, and the file's age counts from the moment at which it was told first.
    """
    last = sighting.files[file].digests[-1]
    taken = Had(last.packed, last.since_ms, Standing.ACCEPTED)
    return Sighting({**sighting.files, file: Seen(last.since_ms, False, (taken,))})


def _held(had: Had) -> Had:
    return Had(had.packed, had.since_ms, Standing.HELD)


def _told(digest: str | None, now_ms: int) -> tuple[Had, ...]:
    return (Had(pack_digest(digest), now_ms, Standing.TOLD),) if digest is not None else ()


def _learn(seen: Seen, digest: str | None, now_ms: int) -> Seen | None:
    """Return the file with the digest added, or begun anew; None if it is the one it has."""
    latest_ms = max(now_ms, seen.digests[-1].since_ms if seen.digests else seen.first_ms)
    if not seen.binds and _is_other(seen, digest):
        return Seen(latest_ms, False, _told(digest, latest_ms))
    if digest is None:
        return None
    packed = pack_digest(digest)
    last = seen.digests[-1] if seen.digests else None
    if last is not None and last.packed == packed:
        if last.standing is not Standing.FOUND:
            return None
        return Seen(seen.first_ms, seen.is_initial, (*seen.digests[:-1], _held(last)))
    digests = (*seen.digests, Had(packed, latest_ms, Standing.TOLD))
    if len(digests) > MAX_DIGESTS:
        # Of a file whose index tells weak digests, the first two are what bytes were found to be, and what was told.
        digests = (*digests[:2], *digests[-(MAX_DIGESTS - 2) :])
    return Seen(seen.first_ms, seen.is_initial, digests)


def _is_other(seen: Seen, digest: str | None) -> bool:
    """Tell whether a listing's digest says that these are other bytes, or hides what they are."""
    if seen.is_weakened_by(digest):
        return True
    if digest is None:
        return False
    told = Had(pack_digest(digest), 0)
    same = [had for had in seen.digests if had.algorithm == told.algorithm]
    return bool(same) and same[-1].packed != told.packed


def _drift(name: str, before: Seen, after: Seen) -> list[Drift]:
    """Return that the file's digest changed just now, if it did and the one before binds."""
    if not before.binds or not after.digests:
        return []
    new = after.digests[-1]
    same = [had for had in before.digests if had.algorithm == new.algorithm]
    is_new = same and same[-1].packed != new.packed
    return [Drift(name, same[-1].digest, new.digest, after.first_ms, new.since_ms)] if is_new else []


def drift_reason(seen: Seen, digest: str | None) -> str:
    """The reason goes to clients of hidden files, so it names no digest (contract, section 3)."""
    if seen.is_weakened_by(digest):
        return (
            "changed: the origin tells no SHA-256 of it any more, as it did when it was first seen "
            f"{_day(seen.first_ms)}"
        )
    since = _day(seen.digests[-1].since_ms)
    return f"changed: its bytes are others at the origin since {since}; first seen {_day(seen.first_ms)}"


def _day(moment_ms: int) -> str:
    return f"{datetime.fromtimestamp(moment_ms / 1000, UTC):%Y-%m-%d}"


_decoder = msgspec.msgpack.Decoder(Sighting)


def pack(sighting: Sighting) -> bytes:
    """Return the row's payload."""
    return msgspec.msgpack.encode(sighting)


def unpack(payload: bytes) -> Sighting:
    """Return what a row's payload says; raise ValueError for anything else."""
    return _decoder.decode(payload)
