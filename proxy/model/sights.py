"""First sight, as a catalog hands it on: when this server first saw each file of a name, and what is held for drift."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec


class Change(msgspec.Struct, frozen=True, array_like=True):
    """What changed about a file: digests as SHA-256 in hex, others as "algorithm:hex", and since when (UTC ms).

    None for what nobody knows: a digest that the origin does not tell, a moment that nobody noted.
    """

    before: str | None
    after: str | None
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class Sights:
    """What is remembered of the files of one listing."""

    #: file -> UTC milliseconds of its first sight, and whether the first listing of its name had it.
    first: Mapping[str, tuple[int, bool]] = field(default_factory=dict)
    #: file whose digest changed -> why it is held.
    drifted: Mapping[str, str] = field(default_factory=dict)
    #: What changed about each of these.
    changes: Mapping[str, Change] = field(default_factory=dict)
    #: When the listing was taken in: UTC milliseconds.
    at_ms: int = 0
