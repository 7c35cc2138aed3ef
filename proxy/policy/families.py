"""Licence families: the words of conda's block lists, and which of them a licence is of (conda sheet 14.1).

A text that is no SPDX expression is of every family that it names, and only whole words name one: conda-build's own
guess takes letters ("not perMITted" is MIT to it) and stops at the first family. `Mention.is_name` tells a name
("GNU General Public License (GPL)") from a sentence in which a family occurs: of a sentence nobody knows the meaning.
Identifiers of SPDX have families by their own beginnings. A GPL that names no version is of GPL2 and GPL3 as well as
of GPL, because it may be taken under either (PyPI sheet, 22).
"""

import re
import string
from functools import lru_cache
from typing import NamedTuple

from proxy.model.bounds import LONGEST

FAMILIES = (
    "AGPL", "LGPL", "GPL3", "GPL2", "GPL", "BSD", "MIT", "APACHE", "PSF", "CC", "MOZILLA", "PUBLIC-DOMAIN",
    "PROPRIETARY", "OTHER", "NONE",
)  # fmt: skip
#: The two that tell nothing of what a licence demands.
SILENT_FAMILIES = frozenset({"OTHER", "NONE"})
#: Those of a GPL that names no version.
ANY_GPL = frozenset({"GPL", "GPL2", "GPL3"})
#: Other spellings of a family in a block list.
_SPELLINGS = {"MPL": "MOZILLA", "PYTHON": "PSF", "CREATIVECOMMONS": "CC"}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*")
_JUNK = re.compile(rf"[{re.escape(string.punctuation)}\s]+")

#: What is written out in full, each with its short form; in this order.
_SHORT_FORMS = (
    (re.compile(r"(?:GNU[\s_-]+)?GENERAL[\s_-]+PUBLIC(?:[\s_-]+LICEN[CS]E)?|GNU[\s_-]+PUBLIC[\s_-]+LICEN[CS]E"), "GPL"),
    (re.compile(r"(?:LIBRARY[\s_]+OR[\s_]+)?LESSER[\s_-]*(?:GNU[\s_-]+)?GPL|LIBRARY[\s_-]*(?:GNU[\s_-]+)?GPL"), "LGPL"),
    (re.compile(r"AFFERO[\s_-]*(?:GNU[\s_-]+)?(?:GPL)?"), "AGPL"),
    (re.compile(r"PYTHON[\s_-]+SOFTWARE[\s_-]+FOUNDATION"), "PSF"),
    (re.compile(r"CREATIVE[\s_-]*COMMONS"), "CC"),
    (re.compile(r"PUBLIC[\s_-]*DOMAIN(?:[\s_-]+DEDICATION)?"), "PUBLIC-DOMAIN"),
)  # fmt: skip
#: A family's word, which no letter touches; "GPLv3" and "BSD3" are words, too.
_FAMILY_WORD = re.compile(
    r"(?<![A-Z])(?:(?P<gpl>[AL]?GPL)|(?P<bsd>(?:FREE|NET|OPEN)?BSD)|(?P<mit>MIT)|(?P<apache>APACHE)"
    r"|(?P<psf>PSFL?)|(?P<cc>CC(?:PL)?)|(?P<mozilla>MOZILLA|MPL)|(?P<domain>PUBLIC-DOMAIN)|(?P<own>PROPRIETARY[A-Z]*))"
    r"(?:V(?=[\s.]?\d))?(?![A-Z])"
)
_BY_GROUP = {
    "bsd": "BSD", "mit": "MIT", "apache": "APACHE", "psf": "PSF", "cc": "CC", "mozilla": "MOZILLA",
    "domain": "PUBLIC-DOMAIN", "own": "PROPRIETARY",
}  # fmt: skip
#: What stands between "GPL" and its version. Bounded, as it is tried at every "GPL".
_GPL_VERSION = re.compile(
    r"[\s(,:_.-]{0,4}(?:LICEN[CS]E)?[\s(,:_.-]{0,4}(?:VERSION|VER|V)?[\s._-]{0,2}(?P<sign>[<>]?=?)\s?(?P<number>\d)"
    r"(?:[.\d]{0,4}(?P<more>\+))?"
)
#: What a name may hold beside a family's word: it says nothing of the licence, or which of the family it is.
_FILLING = re.compile(
    r"(?<![A-Z])(?:LICEN[CS]E[DS]?|THE|VERSION|VER|V|GNU|FILE|SOFTWARE|FOUNDATION|PUBLIC|CLAUSES?|NEW|MODIFIED|REVISED"
    r"|SIMPLIFIED|TWO|THREE|OLD|ORIGINAL|CLEAR|OR|AND|TXT|MD|BY|NC|SA|ND|INTERNATIONAL|UNIVERSAL|ATTRIBUTION|EXPAT"
    r"|X|PSFL|OSI|APPROVED|ONLY|UNDER)(?![A-Z])|[^A-Z]+"
)
#: Where the words of "IntelProprietary" meet.
_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")
#: Beginnings of SPDX identifiers; the first that fits is taken.
_PREFIXES = (
    ("AGPL-", {"AGPL"}), ("LGPL-", {"LGPL"}), ("LGPLLR", {"LGPL"}), ("GPL-2", {"GPL2", "GPL"}),
    ("GPL-3", {"GPL3", "GPL"}), ("GPL-1.0-or-later", ANY_GPL), ("GPL-", {"GPL"}), ("0BSD", {"OTHER"}),
    ("BSD-", {"BSD"}), ("MIT", {"MIT"}), ("Apache-", {"APACHE"}), ("PSF-", {"PSF"}),
    ("Python-", {"PSF", "OTHER"}), ("CNRI-Python", {"PSF", "OTHER"}),
    ("CC0-", {"CC"}), ("CC-PDDC", {"CC", "PUBLIC-DOMAIN"}), ("CC-", {"CC"}), ("MPL-", {"MOZILLA", "OTHER"}),
)  # fmt: skip


def family_of_word(word: str) -> str | None:
    """Return the family that a word of a block list names, however it is spelt, or None."""
    if not _WORD.fullmatch(word):
        return None
    plain = _JUNK.sub("", word.upper())
    for family in FAMILIES:
        if _JUNK.sub("", family) == plain:
            return family
    return _SPELLINGS.get(plain)


class Mention(NamedTuple):
    """The families that a text names. `is_name`: it says nothing else, so it is a licence's name and no sentence."""

    families: frozenset[str]
    is_name: bool


_NO_MENTION = Mention(frozenset({"OTHER"}), is_name=False)


@lru_cache(maxsize=8192)
def mentions_of(text: str) -> Mention:
    """Return what a text that is no SPDX expression names: OTHER for no family, and for more than can be read."""
    if len(text) > LONGEST:
        return _NO_MENTION
    upper = text.upper()
    for pattern, short in _SHORT_FORMS:
        upper = pattern.sub(short, upper)
    found: set[str] = set()
    for word in _FAMILY_WORD.finditer(upper):
        found |= _gpls(word, upper) if word["gpl"] else {_BY_GROUP[word.lastgroup or ""]}
    if not found:
        return _NO_MENTION
    return Mention(frozenset(found), is_name=not _FILLING.sub("", _FAMILY_WORD.sub(" ", upper)))


def _gpls(word: re.Match[str], text: str) -> set[str]:
    if word["gpl"] != "GPL":
        return {word["gpl"]}
    version = _GPL_VERSION.match(text, word.end())
    if version is None or version["number"] not in "23" or version["sign"].startswith("<"):
        return set(ANY_GPL)
    is_open = version["sign"].startswith(">") or version["more"] is not None
    return set(ANY_GPL) if is_open and version["number"] == "2" else {"GPL", f"GPL{version['number']}"}


@lru_cache(maxsize=4096)
def families_of_id(identifier: str) -> frozenset[str]:
    """Return the families of an SPDX identifier, or of a `LicenseRef-`."""
    if identifier.lower().startswith("licenseref-"):
        return mentions_of(_CAPITALS.sub(" ", identifier[len("licenseref-") :])).families
    for prefix, families in _PREFIXES:
        if identifier.lower().startswith(prefix.lower()):
            return frozenset(families)
    return frozenset({"OTHER"})
