"""Snapshots: what one upstream lists in one subdir, as a pack of blocks, and what its top says.

A snapshot that another version of the mending made is readable, but nothing is copied from it, and it is not current:
its origin is asked again without conditions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from proxy.conda.block import Block, parse_block
from proxy.conda.pack import BadPack, Pack, Read, open_pack
from proxy.model.sights import Change

#: Raised whenever the same input is mended or stored differently.
FORM = 2


class Top(msgspec.Struct, frozen=True):
    """What a snapshot says beside its blocks."""

    subdir: str
    relations: dict[str, list[str]] = {}
    form: int = FORM
    #: file -> why it is held; it has no record here.
    held: dict[str, str] = {}
    #: Where the packages of each upstream lie, if not beside its index: a base URL by the place of the upstream.
    bases: dict[int, str] = {}
    #: file -> the origin's record of now, where another is shown or none, because its bytes changed under its name, or
    #: those of its twin in the other format did.
    changed: dict[str, str] = {}
    #: name -> file -> why its record was left out: nobody could read it. "" has what could not be assigned to a name.
    dropped: dict[str, dict[str, str]] = {}
    #: file -> what changed about it, of those whose bytes changed under their names.
    changes: dict[str, Change] = {}
    #: name -> file -> the last record of a file that the origin's `removed` names now: it still downloads.
    removed: dict[str, dict[str, str]] = {}

    @property
    def dropped_files(self) -> dict[str, str]:
        """Every file whose record was left out, with the reason."""
        return {file: why for files in self.dropped.values() for file, why in files.items()}


#: Of more records than this that were left out, the others are only counted and logged; of more that an origin took
#: out of its index, the others are unknown.
_MOST_FILES = 2000


def bounded(files_of: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return what a top keeps of records that were left out or taken out: name -> file -> what is kept of it."""
    kept: dict[str, dict[str, str]] = {}
    left = _MOST_FILES
    for name, files in sorted(files_of.items()):
        if left <= 0:
            break
        kept[name] = dict(list(files.items())[:left])
        left -= len(kept[name])
    return kept


_TOP = msgspec.json.Decoder(Top)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An opened snapshot."""

    pack: Pack
    top: Top

    def __iter__(self) -> Iterator[str]:
        return iter(self.pack.entries)

    def __len__(self) -> int:
        return len(self.pack.entries)

    @property
    def is_current(self) -> bool:
        """Whether this program would store the same input the same way."""
        return self.top.form == FORM

    def __bool__(self) -> bool:
        """A snapshot of an empty channel is one too."""
        return True

    def block(self, name: str) -> Block | None:
        """Return what the upstream lists under a name (lower case), with one read. Raises BadPack for damage."""
        return parse_block(name, self.pack.parts(name)) if name in self.pack.entries else None


def pack_top(top: Top) -> bytes:
    """Return the meta of a snapshot's pack."""
    return msgspec.json.encode(top)


def open_snapshot(read: Read, size: int) -> Snapshot:
    """Open a snapshot. Raises BadPack."""
    pack = open_pack(read, size)
    try:
        return Snapshot(pack, _TOP.decode(pack.meta))
    except msgspec.DecodeError as error:
        raise BadPack(f"not a snapshot: {error}") from error
