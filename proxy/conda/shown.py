"""What of a name is shown: which files of it, and when this server first saw them. What a view hands to the renderers.

Every index form is made from the same list of these, so they cannot disagree. A feed may show names of several
upstreams; a name has one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from proxy.conda.block import Block, narrowed
from proxy.conda.pack import BadPack
from proxy.conda.record import joined, raws_of, stamped
from proxy.conda.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Shown:
    """A name of a snapshot. What is not listed anywhere is hidden."""

    name: str
    snapshot: Snapshot
    #: The visible files; None: all, which costs nothing.
    keep: Collection[str] | None = None
    #: file -> UTC milliseconds: the `indexed_timestamp` of records that have none (contract, section 4).
    stamps: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """True when the stored text is what is shown."""
        return self.keep is None and not self.stamps

    def block(self) -> Block:
        """Return what is shown. Raises BadPack when the name is damaged or gone."""
        found = self.snapshot.block(self.name)
        if found is None:
            raise BadPack(f"{self.name} is not in the snapshot")
        if self.keep is not None:
            found = found.narrowed(self.keep)
        if self.stamps:
            found = Block(found.name, self._stamped(found.tar), self._stamped(found.conda), found.removed)
        return found

    def part(self, number: int) -> bytes:
        """Return one part of what is shown: the `.tar.bz2` members (0) or the `.conda` members (1).

        Documents take all first parts, then all second ones; the whole name is checked with its first. Raises BadPack.
        """
        pack = self.snapshot.pack
        members = pack.part(self.name, number) if number else pack.parts(self.name)[0]
        if members and self.keep is not None:
            members = narrowed(members, self.keep)
        return self._stamped(members)

    def removed(self) -> tuple[str, ...]:
        """Return the entries of `removed` that are shown with the name."""
        has_any = self.snapshot.pack.entries[self.name].lengths[2]
        return self.block().removed if has_any else ()

    def _stamped(self, members: bytes) -> bytes:
        if not self.stamps or not members:
            return members
        return joined({file: self._stamp(file, bytes(raw)) for file, raw in raws_of(members).items()})

    def _stamp(self, file: str, raw: bytes) -> bytes:
        return stamped(raw, self.stamps[file]) if file in self.stamps else raw
