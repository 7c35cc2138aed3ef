"""Mending: one name's records as an origin lists them, made so that no client stumbles over one of them.

The one reader of an origin's records: what it keeps is read by everything that comes after (`Sound` is `Facts`, checked
more strictly), and what it cannot read is dropped alone, with a reason.

conda refuses a whole subdir for one record without a build number, rattler a whole name for one bad licence (fact
sheet 6, "Strictness"; every field below was tried with rattler). A record is dropped when what it is cannot be known:
its file is not named after the package (case D05), one of the four fields is missing or of a wrong type, its
dependencies are no list of strings; and when it is too large or too deep for anybody. Anything else is mended, and
only a record that needs it is encoded again: `depends` and `constrains` that are null or begin with a blank, a subdir
that is not the directory's, fields that lead elsewhere, fields of a wrong type that only inform, numbers that no shard
can hold, hashes and names in upper case. Seconds in a timestamp stay: every client reads them. A file may be called
after another version or build than its record says (it was renamed): both clients go by the record.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from proxy.conda.binary import EMPTY, HASHES, Records, binary
from proxy.conda.members import is_deeper, is_nested_deeper
from proxy.conda.names import FILE_LIMIT, is_build, is_version, parse_file, printable
from proxy.conda.record import Facts, facts, joined

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
#: Seconds or milliseconds; rattler refuses what is later than the year 9999.
_Stamp = Annotated[int, msgspec.Meta(ge=0, le=253_402_207_200_000)]
_Strings = list[str] | None
_StringLists = dict[str, list[str]] | None

#: Fields of clients that leak into some exports, and fields that lead out of the feed (fact sheet 6 and 7).
STRIPPED = ("base_url", "channel", "fn", "package_type", "schannel", "url")
#: Fields that only inform, and what they must be: one of another type is taken out.
_INFORMATIVE: Mapping[str, Any] = {
    "arch": str | None,
    "experimental_extra_depends": _StringLists,
    "extra_depends": _StringLists,
    "features": str | None,
    "flags": _Strings,
    "indexed_timestamp": _Stamp,
    "legacy_bz2_size": _Count,
    "license": str | None,
    "license_family": str | None,
    "platform": str | None,
    "purls": _Strings,
    "python_site_packages_path": str | None,
    "run_exports": _StringLists,
    "size": _Count,
    "timestamp": _Stamp,
    "track_features": str | list[str] | None,
}
_SAFE = re.compile(r"[A-Za-z0-9_.!+~*=-]*\Z")
_HEX = re.compile(r"[0-9a-f]+\Z")
_UNREADABLE = (msgspec.DecodeError, msgspec.EncodeError, ValueError, OverflowError, RecursionError)
#: The largest real record has some 20 KiB, the deepest is a map of lists.
_MOST_BYTES, _DEEPEST = 1024**2, 32
#: What one number of a shard can be (msgpack).
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1


class _Sound(Facts, frozen=True, gc=False, kw_only=True):
    """A record that needs nothing: what is read of it later on, and what clients read. Unknown keys are let through."""

    build_number: _Count
    depends: list[str]
    constrains: list[str] = msgspec.field(default_factory=list)
    noarch: Literal["python", "generic", ""] | bool | None = None
    timestamp: _Stamp = 0
    indexed_timestamp: _Stamp = 0
    size: _Count = 0
    subdir: str | UnsetType = UNSET
    arch: str | None = None
    #: `Facts.features` are something else: `track_features`, parted.
    old_features: str | None = msgspec.field(default=None, name="features")
    legacy_bz2_md5: str | None = None
    legacy_bz2_size: _Count = 0
    platform: str | None = None
    track_features: str | list[str] | None = None
    run_exports: _StringLists = None
    extra_depends: _StringLists = None
    experimental_extra_depends: _StringLists = None
    python_site_packages_path: str | None = None
    purls: _Strings = None
    flags: _Strings = None
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
_encode = msgspec.json.Encoder().encode


def mend(place: Place, files: Mapping[str, bytes | msgspec.Raw], members: bytes) -> Mended:
    """Return the sound and the mended of the records, which are sorted by file name; `members` is their text, joined.

    Nothing that an origin says raises.
    """
    if not files:
        return Mended(b"", EMPTY, 0, 0, [])
    return _all_sound(place, files, members) or _one_by_one(place, files)


# -- the usual case: nothing to do ------------------------------------------------------------------------------


def _all_sound(place: Place, files: Mapping[str, bytes | msgspec.Raw], members: bytes) -> Mended | None:
    text = b"{%b}" % members
    if is_deeper(text, _DEEPEST):
        return None
    if len(text) > _MOST_BYTES and max(len(memoryview(raw)) for raw in files.values()) > _MOST_BYTES:
        return None
    try:
        records = _RECORDS.decode(text)
        sound = msgspec.convert(records, dict[str, _Sound])
        # Spelled as we would spell it, so no key stands twice and a shard can say the same.
        if _encode(records) != text or not _SAFE.match("".join(sound)):
            return None
        if _all_in(place, sound) and not _has_blanks(sound.values()):
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
        if each.attestations_sha256 is not None and not _is_sha256(each.attestations_sha256):
            return False
    return True


def _has_blanks(records: Collection[_Sound]) -> bool:
    """Tell whether a dependency begins with a blank, or is empty."""
    specs = [*chain.from_iterable([each.depends for each in records])]
    specs += chain.from_iterable([each.constrains for each in records])
    text = "\n" + "\n".join(specs) + "\n"
    return bool(specs) and any(blank in text for blank in ("\n\n", "\n ", "\n\t", "\n\r"))


# -- the others ------------------------------------------------------------------------------------------------


def _one_by_one(place: Place, files: Mapping[str, bytes | msgspec.Raw]) -> Mended:
    kept: dict[str, bytes] = {}
    edited = 0
    dropped = []
    for file, found in files.items():
        raw = bytes(found)
        try:
            kept[file] = _mended(place, file, raw)
            edited += kept[file] != raw
        except _Hopeless as reason:
            dropped.append((printable(file), printable(str(reason))))
        except _UNREADABLE as error:
            dropped.append((printable(file), printable(f"cannot be read: {error}")))
    text = joined(kept)
    return Mended(text, binary(_RECORDS.decode(b"{%b}" % text)), len(kept), edited, dropped)


def _mended(place: Place, file: str, raw: bytes) -> bytes:
    if len(raw) > _MOST_BYTES:
        raise _Hopeless(f"it is larger than {_MOST_BYTES} bytes")
    if is_nested_deeper(raw, _DEEPEST):
        raise _Hopeless(f"it is nested deeper than {_DEEPEST} levels")
    record = _RECORD.decode(raw)
    said = _encode(record)
    if said != raw:
        json.loads(raw, object_pairs_hook=_refuse_repeated_keys)
    _cure(record, place)
    try:
        sound = msgspec.convert(record, _Sound)
    except msgspec.ValidationError as error:
        raise _Hopeless(str(error)) from error
    parsed = parse_file(file)
    if parsed is None or (parsed.name, parsed.extension) != (place.name, place.extension):
        raise _Hopeless("not the name of a file of this package")
    if sound.name != place.name:
        raise _Hopeless(f"it says {sound.name} {sound.version} {sound.build} of itself")
    if not is_version(sound.version):
        raise _Hopeless(f"{sound.version} is no version")
    if not is_build(sound.build):
        raise _Hopeless(f"{sound.build} is no build string")
    cured = _encode(record)
    kept = raw if cured == said else cured
    # What reads it from now on: shards, which hold no number of more than 64 bits, and rules.
    binary({file: _RECORD.decode(kept)})
    facts(kept)
    return kept


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise _Hopeless("a key stands twice in it")


def _cure(record: dict[str, Any], place: Place) -> None:
    """Mend a record in place."""
    for key in STRIPPED:
        record.pop(key, None)
    record["depends"] = [] if record.get("depends") is None else _trimmed(record["depends"])
    if "constrains" in record:
        record["constrains"] = [] if record["constrains"] is None else _trimmed(record["constrains"])
    if record.get("subdir", place.subdir) != place.subdir:
        record["subdir"] = place.subdir
    for key in ("name", "noarch"):
        if isinstance(record.get(key), str):
            record[key] = record[key].lower()
    licenses = record.get("license")
    if isinstance(licenses, list) and all(isinstance(each, str) for each in licenses):
        record["license"] = ", ".join(licenses)
    for key, size in HASHES.items():
        _cure_hash(record, key, size)
    _cure_hash(record, "attestations_sha256", HASHES["sha256"])
    if record.get("revoked") is not None:
        # Whatever is said in its place, it was said of a record that is not to be installed.
        record["revoked"] = bool(record["revoked"])
    for key in _INFORMATIVE.keys() & record.keys():
        if not _is_a(record[key], _INFORMATIVE[key]):
            del record[key]
    for key in [key for key, value in record.items() if key != "build_number" and not _fits(value)]:
        del record[key]


def _trimmed(specs: object) -> object:
    """Return dependencies without the blanks before them, which conda does not mind, and without empty ones."""
    if not isinstance(specs, list) or not all(isinstance(each, str) for each in specs):
        return specs
    return [spec for each in specs if (spec := each.lstrip(" \t\r\n"))]


def _fits(value: object) -> bool:
    """Tell whether every number in it has a place in a shard."""
    match value:
        case int():
            return _LOWEST <= value <= _HIGHEST
        case list():
            return all(map(_fits, value))
        case dict():
            return all(map(_fits, value.values()))
        case _:
            return True


def _cure_hash(record: dict[str, Any], key: str, size: int) -> None:
    found = record.get(key)
    if found is None:
        return
    text = found.lower() if isinstance(found, str) else ""
    if len(text) == 2 * size and _HEX.match(text):
        record[key] = text
    else:
        del record[key]


def _is_sha256(text: str) -> bool:
    return len(text) == 2 * HASHES["sha256"] and _HEX.match(text) is not None


def _is_a(value: object, wanted: object) -> bool:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        return False
    return True
