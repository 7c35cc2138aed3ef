"""Licence families: the words of conda's block lists, and which of them a licence is of (conda sheet 14.1).

`guess` is conda-build's guess, rule for rule, mistakes included ("Unlimited" has the letters of MIT); it reads texts
that are no SPDX expression. Identifiers of SPDX have families by their own beginnings. A GPL that names no version is
of GPL2 and GPL3 as well as of GPL, because it may be taken under either (PyPI sheet, 22).
"""

import re
import string
from functools import lru_cache

from proxy.model.bounds import LONGEST

#: In the order in which the guess tries them.
FAMILIES = (
    "AGPL", "LGPL", "GPL3", "GPL2", "GPL", "BSD", "MIT", "APACHE", "PSF", "CC", "MOZILLA", "PUBLIC-DOMAIN",
    "PROPRIETARY", "OTHER", "NONE",
)  # fmt: skip
#: Other spellings of a family in a block list.
_SPELLINGS = {"MPL": "MOZILLA", "PYTHON": "PSF", "CREATIVECOMMONS": "CC"}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*")
_JUNK = re.compile(rf"[{re.escape(string.punctuation)}\s]+")
#: Each is tried at every GPL and runs to the end of the text, so `guess` reads short texts only.
_GPL3_SINCE_2 = re.compile(r"GPL[^2]*>=\s*2")
_GPL3 = re.compile(r"GPL[^2]*3")
_GPL2 = re.compile(r"GPL[^3]*2")
_CC = re.compile(r"CC\w+")
_NOT_GPL = re.compile(r",GPL|[AL]GPL")
_ANY_GPL = frozenset({"GPL", "GPL2", "GPL3"})
_UNVERSIONED_GPL = re.compile(r"(?:GNU )?GPL(?: LICEN[CS]E)?(?: \(GPL\))?")
#: Beginnings of SPDX identifiers; the first that fits is taken.
_PREFIXES = (
    ("AGPL-", {"AGPL"}), ("LGPL-", {"LGPL"}), ("LGPLLR", {"LGPL"}), ("GPL-2", {"GPL2", "GPL"}),
    ("GPL-3", {"GPL3", "GPL"}), ("GPL-1.0-or-later", _ANY_GPL), ("GPL-", {"GPL"}), ("0BSD", {"OTHER"}),
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


@lru_cache(maxsize=8192)
def guess(text: str | None) -> str:
    """Return the family that conda-build guesses for a licence's text; OTHER for one that is too long to be read."""
    if text is None:
        return "NONE"
    if len(text) > LONGEST:
        return "OTHER"
    upper = _normal(text)
    without = _NOT_GPL.sub("", upper)
    if _GPL3_SINCE_2.search(without) or _GPL3.search(without):
        return "GPL3"
    if _GPL2.search(without):
        return "GPL2"
    if _CC.search(upper):
        return "CC"
    plain = _JUNK.sub("", upper)
    for family in FAMILIES:
        if _JUNK.sub("", family) in plain:
            return family
    for family in FAMILIES:
        if plain and plain in _JUNK.sub("", family):
            return family
    return "OTHER"


@lru_cache(maxsize=8192)
def families_of_text(text: str | None) -> frozenset[str]:
    """Return the families of a text that is no SPDX expression: the guess, and what a missing version adds."""
    if text is not None and len(text) <= LONGEST and _UNVERSIONED_GPL.fullmatch(_normal(text)):
        return _ANY_GPL
    family = guess(text)
    return _ANY_GPL if family == "GPL" else frozenset({family, "GPL"} if family in _ANY_GPL else {family})


@lru_cache(maxsize=4096)
def families_of_id(identifier: str) -> frozenset[str]:
    """Return the families of an SPDX identifier, or of a `LicenseRef-`."""
    if identifier.lower().startswith("licenseref-"):
        return families_of_text(identifier[len("licenseref-") :])
    for prefix, families in _PREFIXES:
        if identifier.lower().startswith(prefix.lower()):
            return frozenset(families)
    return frozenset({"OTHER"})


def _normal(text: str) -> str:
    upper = re.sub(r"GENERAL\s+PUBLIC\s+LICENSE", "GPL", text.upper())
    return re.sub(r"AFFERO\s*", "A", re.sub(r"LESSER\s*", "L", upper)).strip()
