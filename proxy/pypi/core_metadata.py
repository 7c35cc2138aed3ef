"""Core metadata compared, as pip compares it (sheet, sections 10 and 20).

Since 26.2 pip refuses a wheel whose own METADATA differs from the `.metadata` file that it was shown, in the
fields that steer the resolution. So does the server, when bytes that came by range reads meet the verified
wheel.
"""

from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from proxy.pypi.names import is_valid, normalize
from proxy.pypi.versions import parse_version


def same_core_metadata(one: bytes, other: bytes) -> bool:
    """Tell whether two METADATA files agree in the name, version and all that the resolution rests on."""
    return one == other or _steering(one) == _steering(other)


def names_project(metadata: bytes, project: str) -> bool:
    """Tell whether the bytes are METADATA of the normalised project, not a page that answers to any URL."""
    raw: RawMetadata = parse_email(metadata)[0]
    return "metadata_version" in raw and _name(raw.get("name", "")) == project


def _steering(metadata: bytes) -> tuple[object, ...]:
    # Lenient on purpose: old files break the rules of `Metadata.from_email`.
    raw: RawMetadata = parse_email(metadata)[0]
    return (
        _name(raw.get("name", "")),
        parse_version(raw.get("version", "")) or raw.get("version", ""),
        sorted(_requirement(text) for text in raw.get("requires_dist", [])),
        _specifiers(raw.get("requires_python", "")),
        sorted(_name(extra) for extra in raw.get("provides_extra", [])),
    )


def _name(text: str) -> str:
    return normalize(text) if is_valid(text) else text


def _requirement(text: str) -> str:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return text
    requirement.name = _name(requirement.name)
    return str(requirement)


def _specifiers(text: str) -> tuple[bool, object]:
    # The flag keeps a set from being compared with a text, which it would try to parse.
    try:
        return True, SpecifierSet(text)
    except InvalidSpecifier:
        return False, text
