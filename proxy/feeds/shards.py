"""What a kind of feed tells the shared rooms about its index: how a name is asked for, and what the answer means.

This is the contract of an ecosystem whose index is sharded by name (PyPI's is; a channel with CEP-16 shards is).
Implementations are pure: they turn names into asks and answers into shards, and know no network, disk or clock.
A new ecosystem is a folder that implements it, and a line in the table of kinds (proxy/site.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from proxy.model.sights import Sights


@dataclass(frozen=True, slots=True)
class Ask:
    """One document to ask an upstream for. `url` may be relative to the upstream's own URL."""

    url: str
    accept: str


@dataclass(frozen=True, slots=True)
class Received:
    """A document as it came: final URL, media type, decoded body."""

    url: str
    content_type: str
    body: bytes
    serial: int | None = None
    #: False when nothing but the end of the connection marked the end of the body.
    is_framed: bool = True


@dataclass(frozen=True, slots=True)
class Ingested:
    """A shard that was read from an answer and is not yet packed."""

    payload: object
    #: file name -> best digest the origin tells (a SHA-256 in hex, else "algorithm:hex"), None where it tells none.
    files: Mapping[str, str | None]
    serial: int | None = None
    #: What was left out, and why: for the log.
    dropped: Sequence[tuple[str, str]] = field(default_factory=tuple)
    #: False when a companion that belongs to it did not answer.
    is_complete: bool = True
    #: True when the document is there but has no such name: one page of links for every name.
    is_absent: bool = False
    #: True when nothing is listed, not even what was left out: some answer so for names that they do not know.
    is_empty: bool = False


class BadIndex(Exception):
    """The answer is not an index page of this name; the stored one stays. The text says what is wrong."""


class NameIndex(Protocol):
    """The contract."""

    #: The module whose `ingest` and `pack` do the same in a child, for pages that are large.
    job: str

    def settings(self) -> Mapping[str, str | None]:
        """Return what the job makes this index from."""
        ...

    def page(self, name: str) -> Ask:
        """Return the ask for a name's page."""
        ...

    def root(self) -> Ask:
        """Return the ask for the document that belongs to no name: a list of names that may be very large, or none."""
        ...

    def companion(self, name: str) -> Ask | None:
        """Return the ask for the document that adds what a poor page lacks, if this upstream may have one."""
        ...

    def needs_companion(self, page: Received) -> bool:
        """Tell from its media type whether a page lacks facts that the companion has."""
        ...

    def ingest(self, name: str, page: Received, companion: bytes | None, previous: bytes | None) -> Ingested:
        """Read a page; `previous` is the packed shard before it. Raises BadIndex.

        `companion` is b"" when the origin has none, None when it belongs here and did not come.
        """
        ...

    def pack(self, ingested: Ingested, sights: Sights, previous: bytes | None) -> bytes:
        """Return the stored form, in which what drifted is held and every file has its first sight."""
        ...

    def is_readable(self, packed: bytes) -> bool:
        """Return whether this program can read a stored shard; another version may have written it."""
        ...
