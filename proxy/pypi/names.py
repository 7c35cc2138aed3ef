"""Names: which project a name or a file name means (PEP 503, 427, 625). Only `normalize` raises.

A project name is ASCII or it is no name: the test comes before lower-casing, because the Kelvin sign
lower-cases to a plain k. A wheel says its project itself; any other file name may be cut at every hyphen, so
it *may* belong to several projects. `projects_of` names them all, for finding a page to ask; `belongs`
decides, for a page, whether one of its files is its own (case D04: the project of the page and of the file
must agree).
"""

import re
from enum import StrEnum
from functools import lru_cache

from proxy.pypi.versions import parse_version

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?\Z")
_RUN = re.compile(r"[-_.]+")
#: What a file name may hold: no separator, control character, space, quote, percent sign or query mark.
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!~=,@()-]{0,254}\Z")
_SUFFIXES = (
    *(
        ".tar.gz",
        ".zip",
        ".egg",
        ".exe",
        ".tgz",
        ".tar.bz2",
        ".tbz",
        ".tbz2",
        ".tar.xz",
        ".txz",
        ".tar.z",
        ".tar",
    ),
    *(".tar.lz", ".tar.lzma", ".tlz", ".msi", ".rpm", ".deb", ".dmg"),
)
_VARIANTS = "-variants.json"
#: What `bdist_wininst`, `bdist_dumb`, `bdist_msi` and `bdist_dmg` put behind the version.
_PLATFORM = re.compile(
    r"\.(?:win32|win-[a-z]\w*|(?:linux|cygwin|freebsd)-[a-z]\w*|macosx-[\d.]+-[a-z]\w*)(?:-py\d(?:\.\d+)?)?(?:-\w+)?\Z"
)
_PYTHON = re.compile(r"-py\d(?:\.\d+)?\Z")
_RPM_RELEASE = re.compile(r"-[^-]+\.[^.-]+\Z")
#: A dotted version at the end of what would be the name: "foo-bar-1.0" of "foo-bar-1.0-1".
_DOTTED = re.compile(r"-\d+\.[^-]*\Z")
#: More hyphens than any real name has; each cut may cost a look-up.
_MAX_CUTS = 32


class FileKind(StrEnum):
    """What a file of a project is, as its name says."""

    WHEEL = "wheel"
    #: PEP 817/825 (draft): one more component, a label, behind the platform tag.
    VARIANT_WHEEL = "variant-wheel"
    #: `.tar.gz` or `.zip`: what pip and uv both build from.
    SDIST = "sdist"
    #: `<name>-<version>-variants.json` of the same draft; mutable.
    VARIANTS = "variants"
    #: An archive or installer of an older kind: eggs, `.exe`, `.tar.bz2`, …
    OTHER = "other"


def is_valid(name: str) -> bool:
    """Tell whether the text is a project name in any spelling."""
    return _NAME.match(name) is not None


@lru_cache(maxsize=8192)
def normalize(name: str) -> str:
    """Return the PEP 503 form of a project name; raise ValueError for text that is no name."""
    if not is_valid(name):
        raise ValueError(
            "a project name is ASCII letters, digits, '.', '-', '_', and a letter or digit at both ends"
        )
    return _RUN.sub("-", name).lower()


def is_safe_filename(filename: str) -> bool:
    """Tell whether the text can be a file name in a URL and on a page as it stands."""
    return _FILE.match(filename) is not None


@lru_cache(maxsize=64)
def kind_of(filename: str) -> FileKind | None:
    """Return the kind of a distribution file, or None for a name that is not one of a distribution."""
    if filename.endswith(".whl"):
        return _wheel_kind(filename.split("-"))
    if filename.endswith(_VARIANTS):
        return FileKind.VARIANTS
    lowered = filename.lower()
    if lowered.endswith((".tar.gz", ".zip")):
        stem = lowered.removesuffix(".tar.gz").removesuffix(".zip")
        return FileKind.OTHER if _PLATFORM.search(stem) else FileKind.SDIST
    return FileKind.OTHER if lowered.endswith(_SUFFIXES) else None


def projects_of(filename: str) -> tuple[str, ...]:
    """Return the normalised names of all projects that the file may belong to, likeliest first."""
    if not is_safe_filename(filename):
        return ()
    return tuple(dict.fromkeys(normalize(name) for name, _ in sorted(_possible(filename), key=_unlikely)))


def belongs(filename: str, project: str) -> bool:
    """Tell whether the file is the project's own; the name must be normalised."""
    return any(normalize(name) == project for name, _ in _possible(filename))


def version_of(filename: str, project: str) -> str | None:
    """Return the version as the file name spells it, or None where it spells none that PEP 440 knows."""
    for name, version in _cuts(filename):
        if normalize(name) == project and parse_version(version) is not None:
            return version
    return None


def _wheel_kind(parts: list[str]) -> FileKind | None:
    """Tell by the number of components: five, one more for a build number (a digit), one more for a label."""
    components = len(parts)
    if components == 5:
        return FileKind.WHEEL
    has_build = components > 5 and parts[2][:1].isdigit()
    if components == 6:
        return FileKind.WHEEL if has_build else FileKind.VARIANT_WHEEL
    return FileKind.VARIANT_WHEEL if components == 7 and has_build else None


def _possible(filename: str) -> list[tuple[str, str]]:
    """Return the cuts that count: where one leaves a version behind the hyphen only such, else those with a digit."""
    cuts = _cuts(filename)
    if len(cuts) == 1:
        return cuts
    certain = [cut for cut in cuts if parse_version(cut[1]) is not None]
    return certain or [cut for cut in cuts if cut[1][:1].isdigit()]


# Asked for several times in a row about one file, and costly: remembered for that long.
@lru_cache(maxsize=64)
def _cuts(filename: str) -> list[tuple[str, str]]:
    """Return (name, text of the version) for every way to read the file name; each name is a valid one."""
    kind = kind_of(filename)
    if kind is None or len(filename) > 255:
        return []
    if kind is FileKind.WHEEL or kind is FileKind.VARIANT_WHEEL:
        name, version, _ = filename.split("-", 2)
        if parse_version(version) is None:
            # Old wheels escape the hyphen of "1.0-1" as an underscore (PEP 427, before 2021).
            version = version.replace("_", "-")
        return [(name, version)] if is_valid(name) else []
    lowered = filename.lower()
    if lowered.endswith(".egg"):
        name, version, *_ = (*filename[:-4].split("-"), "")
        cuts = [(name, version)]
    elif lowered.endswith(".deb"):
        name, version, *_ = (*filename[:-4].split("_"), "")
        cuts = [(name, version)]
    else:
        stem = _stem(filename, kind)
        hyphens = [at for at, letter in enumerate(stem) if letter == "-"][-_MAX_CUTS:]
        cuts = [(stem[:at], stem[at + 1 :]) for at in hyphens]
    return [(name, version) for name, version in cuts if is_valid(name)]


def _stem(filename: str, kind: FileKind) -> str:
    if kind is FileKind.VARIANTS:
        return filename.removesuffix(_VARIANTS)
    lowered = filename.lower()
    suffix = max((suffix for suffix in _SUFFIXES if lowered.endswith(suffix)), key=len)
    stem = filename[: -len(suffix)]
    if suffix == ".rpm":
        return _RPM_RELEASE.sub("", stem)
    return _PYTHON.sub("", _PLATFORM.sub("", stem)) if kind is FileKind.OTHER else stem


def _unlikely(cut: tuple[str, str]) -> tuple[bool, bool, int]:
    """Rank a cut: a version behind it, none in front of it, then the last hyphen (PEP 625)."""
    name, version = cut
    return parse_version(version) is None, _DOTTED.search(name) is not None, len(version)
