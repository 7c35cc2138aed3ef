"""Versions (PEP 440): parsed once per spelling, and the `versions` list of a page recomputed under filtering.

A spelling that PEP 440 does not know is no version here: pip and uv ignore such files, so nothing is built on
them. Two spellings are one version when PEP 440 says so ("1.0" and "1.0.0"); a page shows the origin's
spelling.
"""

from collections.abc import Iterable
from functools import lru_cache

from packaging.version import InvalidVersion, Version

#: No version in use comes near this; a longer text is refused before the regular expression sees it.
_MAX_CHARS = 128


@lru_cache(maxsize=32768)
def parse_version(text: str) -> Version | None:
    """Return the version that the text spells, or None; never raises."""
    if len(text) > _MAX_CHARS or not text.isascii():
        return None
    try:
        return Version(text)
    except InvalidVersion:
        return None


def is_same_version(one: str | None, other: str | None) -> bool:
    """Tell whether two texts spell one version."""
    known = parse_version(one) if one is not None else None
    return known is not None and other is not None and known == parse_version(other)


def ranks(spellings: Iterable[str | None]) -> dict[str | None, int]:
    """Return the place of each distinct spelling in PEP 440's order; unparsable ones and None have 0."""
    parsed = {text: parse_version(text) for text in set(spellings) if text is not None}
    ordered = sorted({version for version in parsed.values() if version is not None})
    places = {version: place for place, version in enumerate(ordered, start=1)}
    found: dict[str | None, int] = {
        text: places[version] if version is not None else 0 for text, version in parsed.items()
    }
    found[None] = 0
    return found


def visible_versions(upstream: Iterable[str], files: Iterable[str | None]) -> tuple[str, ...]:
    """Return each version that still has a file, in PEP 440's order and the origin's spelling (sheet, 9).

    `upstream` is the origin's list, which may be empty; `files` is the version of every listed file. The
    first spelling wins; a version that the origin's list lacks is spelled as its file spells it.
    """
    kept = {
        version for text in set(files) if text is not None and (version := parse_version(text)) is not None
    }
    spelled: dict[Version, str] = {}
    for text in (*upstream, *sorted(text for text in set(files) if text is not None)):
        version = parse_version(text)
        if version in kept:
            spelled.setdefault(version, text)
    return tuple(spelled[version] for version in sorted(spelled))


def latest(candidates: Iterable[tuple[str, bool]]) -> str | None:
    """Return the version that the origin's `info` would describe: not yanked, then final, then highest.

    Each candidate is a spelling and whether all files of that version are yanked. None when nothing parses.
    """
    best: tuple[bool, bool, Version] | None = None
    best_text = None
    for text, yanked in candidates:
        version = parse_version(text)
        if version is None:
            continue
        rank = (not yanked, not version.is_prerelease, version)
        if best is None or rank > best:
            best, best_text = rank, text
    return best_text
