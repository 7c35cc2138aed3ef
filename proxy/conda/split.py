"""Splitting: the bytes of a `repodata.json` to names and their records, which stay as they stand (CEP 36).

The document is cut, not decoded: half a million records in half a second. What is not the index of a channel (a
login page, half a document, sections of a wrong type) raises BadRepodata; no damage yields an empty channel.
`{}` is a channel without packages. A record that cannot be read costs no other: what a decoder refuses as a whole is
cut member by member (proxy.conda.members), and the single records are judged in proxy.conda.mend. The extension of a
file says to which section it belongs, wherever it is listed; its name part only says where a record is looked for, and
is checked there. Of a key that stands twice the last counts, as conda reads it.

That no key is repeated is seen from the lengths: in compact JSON the members of an object fill it, and a repeated
one would leave a gap. A document with white space is made compact first (token by token; numbers and strings keep
their spelling).
"""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from proxy.conda.info import base_url_of, relations_of
from proxy.conda.members import BadObject, is_nested_deeper, members
from proxy.conda.names import SECTIONS, is_name, parse_file, printable

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KNOWN_KEYS = frozenset({*SECTIONS.values(), "info", "removed", "repodata_version", "signatures", "v3"})
_WIDE_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PIECE = 1024**2
#: No list that holds nothing is longer.
_SHORT = 256
#: How deep `info` and `removed` may be nested.
_DEEPEST = 32

Members = Mapping[str, msgspec.Raw | bytes]


class BadRepodata(Exception):
    """The bytes are not the index of a channel; the stored one stays. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Sections:
    """One name's files as the origin lists them, in no order: `.tar.bz2`, `.conda`, and those taken out."""

    tar: dict[str, bytes | msgspec.Raw]
    conda: dict[str, bytes | msgspec.Raw]
    removed: list[str]

    def put(self, file: str, listed_in: str, raw: bytes | msgspec.Raw) -> None:
        """Put a record where its file belongs: what a file is, its extension says, wherever it is listed.

        Listed in both sections, the record of the right one counts.
        """
        section = section_of(file) or listed_in
        files = self.tar if section == SECTIONS[".tar.bz2"] else self.conda
        if section == listed_in:
            files[file] = raw
        else:
            files.setdefault(file, raw)


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


@dataclass(frozen=True, slots=True)
class _Cut:
    """The members of the document and of its sections, and the keys that cannot be read."""

    top: Members
    sections: dict[str, Members]
    unread: list[str]


def split(document: bytes | bytearray) -> Repodata:
    """Cut a repodata.json. A byte order mark in front of it is no part of it. Raises BadRepodata."""
    if document.startswith(codecs.BOM_UTF8):
        document = document[len(codecs.BOM_UTF8) :]
    _check_start(document)
    found = _cut_whole(document) or _cut_singly(document)
    if found.top and not _KNOWN_KEYS & found.top.keys():
        raise BadRepodata("it has none of the keys of an index")
    info = _decoded(found.top, "info")
    count = sum(map(len, found.sections.values())) + len(found.unread)
    cut = Repodata({}, relations_of(info), count, [], base_url_of(info))
    cut.dropped.extend((spelled, "not the name of a package file") for spelled in found.unread)
    for extension, section in SECTIONS.items():
        _group(cut, extension, section, found.sections.pop(section))
    _take_removed(cut, _decoded(found.top, "removed"))
    for name in [name for name in cut.names if not is_name(name)]:
        unnamed = cut.names.pop(name)
        cut.dropped.extend(
            (printable(file), "not the name of a package file") for file in [*unnamed.tar, *unnamed.conda]
        )
    return cut


# -- the document ----------------------------------------------------------------------------------------------


def _check_start(document: bytes | bytearray) -> None:
    start = bytes(document[:64]).lstrip()
    if not start:
        raise BadRepodata("it is empty")
    if start.startswith(_WIDE_BOMS):
        raise BadRepodata("it is UTF-16, not UTF-8")
    if start.startswith(b"<"):
        raise BadRepodata("it is a page of HTML or XML, such as a login page")


def _is_utf8(document: bytes | bytearray) -> bool:
    if document.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for offset in range(0, len(document), _PIECE):
            decoder.decode(document[offset : offset + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _cut_whole(document: bytes | bytearray) -> _Cut | None:
    """Cut a document in which nothing is wrong; None where something is, or a key may stand twice."""
    if not _is_utf8(document):
        return None
    try:
        return _objects(document) or _objects(msgspec.json.format(bytes(document), indent=-1))
    except (msgspec.DecodeError, RecursionError):
        return None


def _objects(document: bytes | bytearray) -> _Cut | None:
    """Return the document's members and those of its sections, or None where lengths cannot tell (see above)."""
    top = _members(document)
    if top is None:
        return None
    sections: dict[str, Members] = {}
    for section in SECTIONS.values():
        raw = top.get(section)
        found: Members | None = {} if raw is None or _is_empty_list(raw) else _members(raw)
        if found is None:
            return None
        sections[section] = found
    return _Cut(top, sections, [])


def _members(text: bytes | bytearray | msgspec.Raw) -> Members | None:
    found = _MEMBERS.decode(text)
    # As a list the keys have their quotes, the commas and two brackets, as in the object; each has a colon more there.
    filled = (
        len(msgspec.json.encode(list(found)))
        + len(found)
        + sum([len(memoryview(raw)) for raw in found.values()])
    )
    return found if filled == len(memoryview(text)) else None


def _is_empty_list(raw: msgspec.Raw | bytes) -> bool:
    """Tell whether it is the empty list that some indexes of 2018 have for an empty section."""
    text = memoryview(raw)
    return len(text) <= _SHORT and bytes(text).translate(None, b" \t\r\n") == b"[]"


def _cut_singly(document: bytes | bytearray) -> _Cut:
    """Cut a document member by member: what is wrong in one costs no other. Raises BadRepodata."""
    sections: dict[str, Members] = {}
    unread: list[str] = []
    try:
        top = {each.key: each.value for each in members(document) if each.key is not None}
        for section in SECTIONS.values():
            raw = top.get(section)
            sections[section] = found = dict[str, bytes]()
            for each in () if raw is None or _is_empty_list(raw) else members(raw):
                if each.key is None:
                    unread.append(printable(each.spelled.decode("utf-8", "backslashreplace")))
                else:
                    found[each.key] = each.value
    except BadObject as error:
        raise BadRepodata(f"not the JSON of an index: {error}") from error
    return _Cut(top, sections, unread)


def _decoded(top: Mapping[str, msgspec.Raw | bytes], key: str) -> Any:
    """Return a member that no record depends on, None where it cannot be read."""
    raw = bytes(top.get(key, b"null"))
    try:
        return None if is_nested_deeper(raw, _DEEPEST) else msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError):
        return None


# -- its parts -------------------------------------------------------------------------------------------------


def _group(cut: Repodata, extension: str, section: str, found: Members) -> None:
    names, is_tar = cut.names, extension == ".tar.bz2"
    stem: str | None = None
    sections = Sections({}, {}, [])
    files: dict[str, bytes | msgspec.Raw] = {}
    for file, raw in found.items():
        is_elsewhere = not file.endswith(extension)
        if is_elsewhere and section_of(file) is None:
            cut.dropped.append((printable(file), "not the name of a package file"))
            continue
        if (cut_stem := file.rsplit("-", 2)[0]) != stem:
            stem = cut_stem
            name = stem.lower()
            sections = names.get(name) or names.setdefault(name, Sections({}, {}, []))
            files = sections.tar if is_tar else sections.conda
        if is_elsewhere:
            sections.put(file, section, raw)
        else:
            files[file] = raw


def section_of(file: str) -> str | None:
    """Return the section to which a file belongs by its extension, None where it is not a package file's."""
    return next((section for extension, section in SECTIONS.items() if file.endswith(extension)), None)


def _take_removed(cut: Repodata, removed: object) -> None:
    """Take the files that a hot-fix took out; conda never looks at them, so nothing in their place does harm."""
    files = list(removed) if isinstance(removed, list | dict) else []
    for file in files:
        parsed = parse_file(file) if isinstance(file, str) else None
        if parsed is None:
            cut.dropped.append((printable(str(file)), "in `removed`, but not the name of a package file"))
            continue
        cut.names.setdefault(parsed.name, Sections({}, {}, [])).removed.append(parsed.file)
    if removed is not None and not isinstance(removed, list | dict):
        cut.dropped.append(("removed", "`removed` is not a list of file names"))
