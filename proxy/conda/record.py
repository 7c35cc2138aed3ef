"""Records: one file's entry in an index, as the origin's own JSON bytes, and the few facts that rules need.

The bytes are never decoded and encoded again unless something in them had to be mended, so no field that a client
may know is lost. Facts are decoded from them on demand (1 µs a record), a whole name at once where possible. What
a record says about where its file lies is not a fact: the directory's subdir is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from proxy.conda.names import FileName, parse_file
from proxy.model.bounds import LONGEST

#: Timestamps below this are seconds, others milliseconds (fact sheet 7; the year 9999 in seconds).
_MILLISECONDS_FROM = 253_402_300_800
#: More dependencies than any package has (a metapackage of a whole distribution has some 500).
MOST_SPECS = 5000
_Spec = Annotated[str, msgspec.Meta(max_length=LONGEST)]
_Specs = Annotated[list[_Spec], msgspec.Meta(max_length=MOST_SPECS)]


@dataclass(frozen=True, slots=True)
class Record:
    """One file and its JSON. `name` is the package's name in lower case."""

    file: str
    name: str
    raw: bytes

    @property
    def section(self) -> str:
        """`packages` for `.tar.bz2`, `packages.conda` for `.conda`."""
        return self.parsed.section

    @property
    def parsed(self) -> FileName:
        """What the file's name says."""
        parsed = parse_file(self.file)
        if parsed is None:
            raise ValueError("a record's file name is checked when it is taken in")
        return parsed


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What rules ask of a record. Missing and null are the same; the hashes are lower-case hexadecimal.

    Names, versions and builds are bounded by the file name that says them. `depends` and `constrains` are None where
    they are more than may be read (proxy.model.bounds): too many, or one that is too long.
    """

    name: str
    version: str
    build: str
    build_number: int
    depends: _Specs | None = []
    constrains: _Specs | None = []
    license: str | None = None
    license_family: str | None = None
    md5: str | None = None
    sha256: str | None = None
    size: int | None = None
    timestamp: int | None = None
    indexed_timestamp: int | None = None
    noarch: str | bool | None = None
    track_features: str | list[str] | None = None
    revoked: bool | None = None
    attestations_sha256: str | None = None

    @property
    def timestamp_ms(self) -> int | None:
        """When the package was built, as its builder says: UTC milliseconds."""
        return as_ms(self.timestamp)

    @property
    def indexed_ms(self) -> int | None:
        """When its server first listed the file (CEP 47): UTC milliseconds."""
        return as_ms(self.indexed_timestamp)

    @property
    def is_noarch(self) -> bool:
        """`true` is an old spelling of `generic`."""
        return bool(self.noarch)

    @property
    def features(self) -> frozenset[str]:
        """The tracked features; a string holds several, parted by spaces or commas."""
        found = self.track_features or []
        return frozenset(found.replace(",", " ").split() if isinstance(found, str) else found)


_FACTS = msgspec.json.Decoder(Facts)
_ALL_FACTS = msgspec.json.Decoder(dict[str, Facts])
_RAWS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SPECS = msgspec.json.Decoder(_Specs | None)
_OF_SPECS = frozenset({"depends", "constrains"})


def as_ms(stamp: int | None) -> int | None:
    """Return a record's timestamp in milliseconds; 0 and below mean that there is none."""
    if stamp is None or stamp <= 0:
        return None
    return stamp * 1000 if stamp < _MILLISECONDS_FROM else stamp


def facts(raw: bytes) -> Facts:
    """Decode a record's facts. The record has been taken in before; for another one msgspec.DecodeError is raised."""
    try:
        return _FACTS.decode(raw)
    except msgspec.ValidationError:
        return _FACTS.decode(_without_unreadable(raw))


def facts_of(members: bytes) -> dict[str, Facts]:
    """Decode the facts of `"file":record,…`, the members of a section, in their order."""
    try:
        return _ALL_FACTS.decode(b"{%b}" % members)
    except msgspec.ValidationError:
        return {file: facts(bytes(raw)) for file, raw in raws_of(members).items()}


def _without_unreadable(raw: bytes) -> bytes:
    """Return the record with null for those of its lists that are more than may be read."""
    record: dict[str, Any] = _RAWS.decode(raw)
    for key in _OF_SPECS & record.keys():
        try:
            _SPECS.decode(record[key])
        except msgspec.ValidationError:
            record[key] = None
    return msgspec.json.encode(record)


def raws_of(members: bytes) -> dict[str, msgspec.Raw]:
    """Cut the members of a section into records without decoding them; they are slices of a copy."""
    return _RAWS.decode(b"{%b}" % members)


def joined(records: Mapping[str, bytes | msgspec.Raw]) -> bytes:
    """Return the members of a section, `"file":record,…`, in the order given."""
    names = "".join(records)
    if names.isascii() and names.isprintable() and '"' not in names and "\\" not in names:
        return b",".join([b'"%b":%b' % (file.encode(), raw) for file, raw in records.items()])
    return b",".join([b"%b:%b" % (msgspec.json.encode(file), raw) for file, raw in records.items()])


def stamped(raw: bytes, indexed_ms: int) -> bytes:
    """Return the record with an `indexed_timestamp` where it has none: the one field that a feed adds."""
    if facts(raw).indexed_timestamp is not None:
        return raw
    return b'%b,"indexed_timestamp":%d}' % (raw.rstrip()[:-1], indexed_ms)
