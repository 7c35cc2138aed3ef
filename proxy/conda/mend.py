"""Mending: one name's records as an origin lists them, made so that no client stumbles over one of them.

conda refuses a whole subdir for one record without a build number, rattler a whole name for one bad licence (fact
sheet 6, "Strictness"). A record is dropped when what it is cannot be known: its file name does not say what its
fields say (case D05), one of the four fields is missing or of a wrong type, its dependencies are no list of
strings. Anything else is mended, and only a record that needs it is encoded again: `depends` and `constrains` that
are null, a subdir that is not the directory's, fields that lead elsewhere, fields of a wrong type that only inform,
hashes in upper case, a name in upper case. Seconds in a timestamp stay: every client reads them.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from proxy.conda.binary import EMPTY, HASHES, Records, binary
from proxy.conda.names import FILE_LIMIT, parse_file
from proxy.conda.record import joined

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

#: Fields of clients that leak into some exports, and fields that lead out of the feed (fact sheet 6 and 7).
STRIPPED = ("base_url", "channel", "fn", "package_type", "schannel", "url")
#: Fields that only inform, and what they must be: one of another type is taken out.
_INFORMATIVE: Mapping[str, Any] = {
    "arch": str | None,
    "features": str | None,
    "indexed_timestamp": _Count,
    "legacy_bz2_size": _Count,
    "license": str | None,
    "license_family": str | None,
    "platform": str | None,
    "size": _Count,
    "timestamp": _Count,
    "track_features": str | list[str],
}
_SAFE = re.compile(r"[A-Za-z0-9_.!+~*=-]*\Z")
_HEX = re.compile(r"[0-9a-f]+\Z")
_UNREADABLE = (msgspec.DecodeError, msgspec.EncodeError, ValueError, OverflowError, RecursionError)


class _Sound(msgspec.Struct, gc=False):
    """A record that needs nothing. Types are checked, unknown keys let through."""

    name: str
    version: str
    build: str
    build_number: _Count
    depends: list[str]
    constrains: list[str] = []
    subdir: str | UnsetType = UNSET
    noarch: Literal["python", "generic", ""] | bool | None = None
    arch: str | None = None
    features: str | None = None
    indexed_timestamp: _Count = 0
    legacy_bz2_md5: str | None = None
    legacy_bz2_size: _Count = 0
    license: str | None = None
    license_family: str | None = None
    md5: str | None = None
    platform: str | None = None
    sha256: str | None = None
    size: _Count = 0
    timestamp: _Count = 0
    track_features: str | list[str] = ""
    base_url: UnsetType = UNSET
    channel: UnsetType = UNSET
    fn: UnsetType = UNSET
    package_type: UnsetType = UNSET
    schannel: UnsetType = UNSET
    url: UnsetType = UNSET


class Place(NamedTuple):
    """Where records were found: name (in lower case), extension (which is the section) and subdir."""

    name: str
    extension: str
    subdir: str


@dataclass(frozen=True, slots=True)
class Mended:
    """The records of one section of a name."""

    #: `"file":record,…` as it is kept and served, sorted by file name.
    members: bytes
    #: The same as a msgpack map with hashes as bytes: what a shard says.
    binary: bytes
    count: int
    #: How many records were encoded again.
    edited: int
    #: (file name, reason).
    dropped: list[tuple[str, str]]


class _Hopeless(Exception):
    """The record cannot be mended; the text says why."""


_RECORDS = msgspec.json.Decoder(Records)
_RECORD = msgspec.json.Decoder(dict[str, Any])
_RAWS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def mend(place: Place, members: bytes) -> Mended:
    """Return the sound and the mended of the records `"file":record,…`. Nothing that an origin says raises."""
    if not members:
        return Mended(b"", EMPTY, 0, 0, [])
    return _all_sound(place, members) or _one_by_one(place, members)


# -- the usual case: nothing to do ------------------------------------------------------------------------------


def _all_sound(place: Place, members: bytes) -> Mended | None:
    text = b"{%b}" % members
    try:
        records = _RECORDS.decode(text)
        sound = msgspec.convert(records, dict[str, _Sound])
        # Spelled as we would spell it, so no key stands twice and a shard can say the same.
        if _encode(records) != text or not _SAFE.match("".join(sound)):
            return None
        if _all_in(place, sound):
            return Mended(members, binary(records), len(records), 0, [])
    except _UNREADABLE:
        pass
    return None


def _all_in(place: Place, records: dict[str, _Sound]) -> bool:
    name, subdir, extension = place.name, place.subdir, place.extension
    for file, each in records.items():
        version, build = each.version, each.build
        if each.name != name or file != f"{name}-{version}-{build}{extension}":
            return False
        # The rest of what makes a file name that can be asked for (proxy.conda.names); `_SAFE` has seen the letters.
        if not (0 < len(version) <= 64 and 0 < len(build) <= 64 and len(file) <= FILE_LIMIT) or "*" in build:
            return False
        if each.subdir != subdir and each.subdir is not UNSET:
            return False
    return True


# -- the others ------------------------------------------------------------------------------------------------


def _one_by_one(place: Place, members: bytes) -> Mended:
    kept: dict[str, bytes] = {}
    edited = 0
    dropped = []
    for file, raw in _RAWS.decode(b"{%b}" % members).items():
        try:
            kept[file] = _mended(place, file, bytes(raw))
            edited += kept[file] != bytes(raw)
        except _Hopeless as reason:
            dropped.append((file, str(reason)))
        except _UNREADABLE as error:
            dropped.append((file, f"cannot be read: {error}"))
    text = joined(kept)
    return Mended(text, binary(_RECORDS.decode(b"{%b}" % text)), len(kept), edited, dropped)


def _mended(place: Place, file: str, raw: bytes) -> bytes:
    record = _RECORD.decode(raw)
    if _encode(record) != raw:
        json.loads(raw, object_pairs_hook=_refuse_repeated_keys)
    is_changed = _cure(record, place)
    try:
        sound = msgspec.convert(record, _Sound)
    except msgspec.ValidationError as error:
        raise _Hopeless(str(error)) from error
    if parse_file(file) is None or not file.lower().startswith(f"{place.name}-"):
        raise _Hopeless("not the name of a file of this package")
    if (
        sound.name != place.name
        or file[len(place.name) :] != f"-{sound.version}-{sound.build}{place.extension}"
    ):
        raise _Hopeless(f"it says {sound.name} {sound.version} {sound.build} of itself")
    binary({file: dict(record)})  # raises for a number that no shard can hold
    return _encode(record) if is_changed else raw


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise _Hopeless("a key stands twice in it")


def _cure(record: dict[str, Any], place: Place) -> bool:
    """Mend a record in place; tell whether anything changed."""
    before = dict(record)
    for key in STRIPPED:
        record.pop(key, None)
    if record.get("depends") is None:
        record["depends"] = []
    if record.get("constrains", ...) is None:
        record["constrains"] = []
    if record.get("subdir", place.subdir) != place.subdir:
        record["subdir"] = place.subdir
    if isinstance(record.get("name"), str):
        record["name"] = record["name"].lower()
    licenses = record.get("license")
    if isinstance(licenses, list) and all(isinstance(each, str) for each in licenses):
        record["license"] = ", ".join(licenses)
    for key, size in HASHES.items():
        _cure_hash(record, key, size)
    for key in _INFORMATIVE.keys() & record.keys():
        if not _is_a(record[key], _INFORMATIVE[key]):
            del record[key]
    return record != before


def _cure_hash(record: dict[str, Any], key: str, size: int) -> None:
    found = record.get(key)
    if found is None:
        return
    text = found.lower() if isinstance(found, str) else ""
    if len(text) == 2 * size and _HEX.match(text):
        record[key] = text
    else:
        del record[key]


def _is_a(value: object, wanted: object) -> bool:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        return False
    return True
