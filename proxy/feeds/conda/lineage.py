"""Where a name of a feed comes from: through which feeds of this server, and from which origin.

What is remembered of first sights belongs to an origin's upstream, so a feed that takes from another feed has to know
whose file it judges. A composed generation notes with each name the *way*: the place of its owner among the feed's
upstreams, then, where that is a composed feed as well, the place there, and so on. A `Lineage` says what these mean.
"""

import msgspec

from proxy.conda.pack import BadPack


class Lineage(msgspec.Struct, frozen=True):
    """An origin (`upstream` and the URL of its channel without credentials), or the upstreams of a composed feed."""

    upstream: str = ""
    channel: str = ""
    parts: tuple["Lineage", ...] = ()
    #: Whether the state remembers when its files were first seen; else they are as old as they say.
    has_sights: bool = True

    @property
    def is_origin(self) -> bool:
        """Whether it is an origin's channel, which shows what it likes: no approvals, no other feed's verdicts."""
        return bool(self.channel)

    def origin_of(self, source: bytes) -> "Lineage":
        """Return the origin of a name, whose pack entry has this source."""
        found, way = self, noted(source).way if self.parts else b""
        for place in way:
            if not found.parts:
                break
            found = found.parts[place]
        return found

    def way_of(self, source: bytes) -> bytes:
        """Return the way of a name of this upstream, as the next feed notes it behind the upstream's place."""
        return noted(source).way if self.parts else b""


NOWHERE = Lineage()


class Noted(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a composed generation notes with a name."""

    way: bytes
    #: What its verdicts were made of: while it stays the same and `until_ms` is not reached, so do they.
    basis: bytes = b""
    #: The first tick at which a verdict may change, 0: never.
    until_ms: int = 0
    #: "outcome rule" -> files.
    counts: dict[str, int] = {}
    #: Files that a package list needs and that are hidden nevertheless -> the artifact that needs them.
    needed: dict[str, str] = {}


_DECODER = msgspec.msgpack.Decoder(Noted)


def pack_noted(noted: Noted) -> bytes:
    """Return the source of a composed entry; its first byte is the owner's place."""
    plain = Noted(noted.way)
    return (
        noted.way if len(noted.way) == 1 and noted == plain else noted.way[:1] + msgspec.msgpack.encode(noted)
    )


def noted(source: bytes) -> Noted:
    """Return what a composed entry's source says. Raises BadPack for what another version noted."""
    try:
        return Noted(source) if len(source) == 1 else _DECODER.decode(source[1:])
    except msgspec.DecodeError as other:
        raise BadPack(f"what is noted with a name cannot be read: {other}") from other
