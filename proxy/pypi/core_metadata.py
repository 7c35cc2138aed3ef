"""METADATA and PKG-INFO, read: header fields only, in linear time and bounded (core metadata specification; sheet, 20).

`email.parser` reads the same text, but it takes seconds for one that was made to hurt: it walks all fields again for
each of their names, and the description too. Here nothing behind the header is looked at, and of the header no more
than real ones have. What lies beyond that is not said.

Since 26.2 pip refuses a wheel whose own METADATA differs from the `.metadata` file that it was shown, in the fields
that steer the resolution: `same_core_metadata` compares them as pip does.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from proxy.model.bounds import LONGEST_REQUIREMENT, is_readable
from proxy.pypi.names import is_valid, normalize
from proxy.pypi.requirements import parse_requirement
from proxy.pypi.versions import parse_version

#: The largest real headers carry a licence's text or some thousand requirements, and stay below a tenth of this.
_MOST_HEADER_BYTES = 1024**2
_MOST_LINES = 20_000
_MOST_DESCRIPTION_BYTES = 1024**2
_MOST_REQUIREMENTS = 4000
#: A line of a mail folder ("From …") or without a name is passed over; any other line ends the header.
_FIELD = re.compile(rb"(?:From |([!-9;-~]*):[ \t]*)")
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n|\r\r")


@dataclass(frozen=True, slots=True)
class MetadataFields:
    """The fields of a header: lower-case name to its values in their order, None for one that is not UTF-8.

    Folded lines keep their line ends.
    """

    values: Mapping[str, Sequence[str | None]]

    def text(self, name: str) -> str | None:
        """Return the value of a field that may stand there once; None for one that is missing or repeated."""
        found = self.values.get(name, ())
        return found[0] if len(found) == 1 else None

    def texts(self, name: str) -> Sequence[str]:
        """Return the values of a field that may stand there several times."""
        return tuple(text for text in self.values.get(name, ()) if text is not None)

    @property
    def requirements(self) -> Sequence[str]:
        """The lines of Requires-Dist that a parser may be given, whoever wrote them."""
        found = (line for line in self.texts("requires-dist") if is_readable(line, LONGEST_REQUIREMENT))
        return tuple(line for _, line in zip(range(_MOST_REQUIREMENTS), found, strict=False))


def read_fields(metadata: bytes) -> MetadataFields:
    """Return the header's fields; those that lie too far behind are left out."""
    head = metadata[:_MOST_HEADER_BYTES].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found: dict[str, list[list[bytes]]] = {}
    value: list[bytes] | None = None
    for line in head.split(b"\n", _MOST_LINES)[:_MOST_LINES]:
        if line[:1] in (b" ", b"\t"):
            if value is not None:
                value.append(line)
            continue
        field = _FIELD.match(line)
        if field is None:
            break
        if not field[1]:
            value = None
            continue
        value = [line[field.end() :]]
        found.setdefault(field[1].decode("ascii").lower(), []).append(value)
    return MetadataFields({name: [_decoded(lines) for lines in values] for name, values in found.items()})


def description_of(metadata: bytes) -> str | None:
    """Return what stands behind the header, as far as it is text and not too long."""
    end = _END_OF_HEADER.search(metadata, 0, _MOST_HEADER_BYTES)
    body = metadata[end.end() : end.end() + _MOST_DESCRIPTION_BYTES] if end is not None else b""
    try:
        return body.decode("utf-8", "ignore" if len(body) == _MOST_DESCRIPTION_BYTES else "strict") or None
    except UnicodeDecodeError:
        return None


def names_project(metadata: bytes, project: str) -> bool:
    """Tell whether the bytes are METADATA of the normalised project, not a page that answers to any URL."""
    fields = read_fields(metadata)
    return "metadata-version" in fields.values and _name(fields.text("name") or "") == project


def same_core_metadata(one: bytes, other: bytes) -> bool:
    """Tell whether two METADATA files agree in the name, version and all that the resolution rests on."""
    return one == other or _steering(one) == _steering(other)


def _decoded(lines: Sequence[bytes]) -> str | None:
    try:
        return b"\n".join(lines).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _steering(metadata: bytes) -> tuple[object, ...]:
    # Lenient on purpose: old files break the rules of `packaging.metadata.Metadata`.
    fields = read_fields(metadata)
    version = fields.text("version") or ""
    return (
        _name(fields.text("name") or ""),
        parse_version(version) or version,
        sorted(_requirement(text) for text in fields.texts("requires-dist")),
        _specifiers(fields.text("requires-python") or ""),
        sorted(_name(extra) for extra in fields.texts("provides-extra")),
    )


def _name(text: str) -> str:
    return normalize(text) if is_valid(text) else text


def _requirement(text: str) -> str:
    try:
        requirement = parse_requirement(text)
    except InvalidRequirement:
        return text
    requirement.name = _name(requirement.name)
    return str(requirement)


def _specifiers(text: str) -> tuple[bool, object]:
    # The flag keeps a set from being compared with a text, which it would try to parse.
    if not is_readable(text):
        return False, text
    try:
        return True, SpecifierSet(text)
    except InvalidSpecifier:
        return False, text
