"""Splitting: the bytes of a `repodata.json` to names and their records, which stay as they stand (CEP 36).

The document is cut, not decoded: half a million records in half a second. What is not the index of a channel (a
login page, half a document, repeated keys, wrong types) raises BadRepodata; no damage yields an empty channel.
`{}` is a channel without packages. The single records are judged in proxy.conda.mend; the name part of a file name
only says where a record is looked for, and is checked there.

That no key is repeated is seen from the lengths: in compact JSON the members of an object fill it, and a repeated
one would leave a gap. A document with white space is made compact first (token by token; numbers and strings keep
their spelling).
"""

import codecs
from dataclasses import dataclass

import msgspec

from proxy.conda.info import base_url_of, relations_of
from proxy.conda.names import SECTIONS, is_name, parse_file

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_REMOVED = msgspec.json.Decoder(list[str] | None)
_KNOWN_KEYS = frozenset({*SECTIONS.values(), "info", "removed", "repodata_version", "signatures", "v3"})
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PIECE = 1024**2

Members = dict[str, msgspec.Raw]


class BadRepodata(Exception):
    """The bytes are not the index of a channel; the stored one stays. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Sections:
    """One name's files as the origin lists them, in no order: `.tar.bz2`, `.conda`, and those taken out."""

    tar: dict[str, bytes | msgspec.Raw]
    conda: dict[str, bytes | msgspec.Raw]
    removed: list[str]


@dataclass(frozen=True, slots=True)
class Repodata:
    """A cut repodata.json. The records are slices of the document, which lives as long as they do."""

    names: dict[str, Sections]
    #: CEP 42, relative entries only: {"base": […], "overrides": […]}.
    relations: dict[str, list[str]]
    #: How many records the origin lists, sound or not.
    records: int
    #: (file name as the origin spells it, reason) of what cannot even be assigned to a name.
    dropped: list[tuple[str, str]]
    #: Where the packages lie, if not beside the index (CEP 15): never shown, only asked.
    base_url: str = ""


def split(document: bytes | bytearray) -> Repodata:
    """Cut a repodata.json. Raises BadRepodata."""
    _check_text(document)
    top, sections = _cut(document)
    info = msgspec.json.decode(top["info"]) if "info" in top else {}
    cut = Repodata({}, relations_of(info), sum(map(len, sections.values())), [], base_url_of(info))
    for extension, section in SECTIONS.items():
        _group(cut, extension, sections.pop(section))
    _take_removed(cut, top)
    for name in [name for name in cut.names if not is_name(name)]:
        unnamed = cut.names.pop(name)
        cut.dropped.extend(
            (file, "not the name of a package file") for file in [*unnamed.tar, *unnamed.conda]
        )
    return cut


# -- the document ----------------------------------------------------------------------------------------------


def _check_text(document: bytes | bytearray) -> None:
    start = bytes(document[:64]).lstrip()
    if not start:
        raise BadRepodata("it is empty")
    if start.startswith(_BOMS):
        raise BadRepodata("it begins with a byte order mark")
    if start.startswith(b"<"):
        raise BadRepodata("it is a page of HTML or XML, such as a login page")
    if document.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for offset in range(0, len(document), _PIECE):
            decoder.decode(document[offset : offset + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise BadRepodata("it is not UTF-8") from error


def _cut(document: bytes | bytearray) -> tuple[Members, dict[str, Members]]:
    try:
        cut = _objects(document) or _objects(msgspec.json.format(bytes(document), indent=-1))
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRepodata(f"not the JSON of an index: {error}") from error
    if cut is None:
        raise BadRepodata("a key stands twice in it, or is spelled oddly")
    if cut[0] and not _KNOWN_KEYS & cut[0].keys():
        raise BadRepodata("it has none of the keys of an index")
    return cut


def _objects(document: bytes | bytearray) -> tuple[Members, dict[str, Members]] | None:
    """Return the document's members and those of its sections, or None where lengths cannot tell (see above)."""
    top = _members(document)
    if top is None:
        return None
    sections: dict[str, Members] = {}
    for section in SECTIONS.values():
        raw = top.get(section)
        # Some indexes of 2018 have an empty list for an empty section.
        members = {} if raw is None or bytes(memoryview(raw)[:2]) == b"[]" else _members(raw)
        if members is None:
            return None
        sections[section] = members
    return top, sections


def _members(text: bytes | bytearray | msgspec.Raw) -> Members | None:
    found = _MEMBERS.decode(text)
    # As a list the keys have their quotes, the commas and two brackets, as in the object; each has a colon more there.
    filled = (
        len(msgspec.json.encode(list(found)))
        + len(found)
        + sum([len(memoryview(raw)) for raw in found.values()])
    )
    return found if filled == len(memoryview(text)) else None


# -- its parts -------------------------------------------------------------------------------------------------


def _group(cut: Repodata, extension: str, found: Members) -> None:
    names, is_tar = cut.names, extension == ".tar.bz2"
    stem: str | None = None
    members: dict[str, bytes | msgspec.Raw] = {}
    for file, raw in found.items():
        if not file.endswith(extension):
            cut.dropped.append((file, f"not a {extension} file, but listed with them"))
            continue
        if (cut_stem := file.rsplit("-", 2)[0]) != stem:
            stem = cut_stem
            sections = names.get(stem.lower())
            if sections is None:
                sections = names[stem.lower()] = Sections({}, {}, [])
            members = sections.tar if is_tar else sections.conda
        members[file] = raw


def _take_removed(cut: Repodata, top: Members) -> None:
    try:
        removed = _REMOVED.decode(top.get("removed", b"null")) or []
    except msgspec.DecodeError as error:
        raise BadRepodata(f"`removed` is not a list of file names: {error}") from error
    for file in removed:
        parsed = parse_file(file)
        if parsed is None:
            cut.dropped.append((file, "in `removed`, but not the name of a package file"))
            continue
        cut.names.setdefault(parsed.name, Sections({}, {}, [])).removed.append(file)
