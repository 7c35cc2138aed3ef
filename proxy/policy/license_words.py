"""`block_licenses`: the words of the list, and which licences they meet.

A word is a family ("GPL3", "BSD", "Other") or an SPDX identifier, where `-only`, `-or-later` and `+` of one version
are one licence, and `…-or-later` in the list means that version and every later one. A tree is blocked when no choice
in it is left: OR needs one branch that passes, AND needs all of them. Where a file says its licence twice (a text and
a family), either blocks it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from proxy.policy.families import FAMILIES, SILENT_FAMILIES, families_of_id, family_of_word
from proxy.policy.license import AllOf, AnyOf, Named, Statements, Tree, is_identifier
from proxy.policy.license_names import identifier_of
from proxy.policy.wording import quoted

_SUFFIX = re.compile(r"(?:-only|-or-later|\+)\Z", re.IGNORECASE)
_VERSIONED = re.compile(r"(.*?)-(\d+(?:\.\d+)*)\Z")


class BadLicenseWord(ValueError):
    """A word of the list that means no licence; the message is for a person."""


class Answer(Enum):
    """What a list makes of a licence."""

    PASSES = "passes"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Word:
    """One word. `stem` and `since` belong to `…-or-later`."""

    text: str
    family: str | None = None
    base: str = ""
    stem: str = ""
    since: tuple[int, ...] | None = None
    families: frozenset[str] = frozenset()

    def meets(self, licence: Named) -> bool:
        """Tell whether the word means the licence."""
        if self.family is not None:
            return self.family in licence.families
        if not licence.is_exact:
            shared = (self.families & licence.families) - SILENT_FAMILIES
            # Every versioned GPL is of "GPL" as well, which makes version 2 no version 3.
            return bool(shared - {"GPL"} if len(self.families) > 1 else shared)
        base = base_of(licence.identifier)
        if base == self.base:
            return True
        if self.since is None:
            return False
        found = _VERSIONED.match(base)
        return found is not None and found[1] == self.stem and _numbers(found[2]) >= self.since


def parse_word(text: str) -> Word:
    """Return the word. Raises BadLicenseWord."""
    family = family_of_word(text)
    if family is not None:
        return Word(text, family)
    identifier = text if is_identifier(text) else identifier_of(text)
    if identifier is None or not is_identifier(identifier):
        raise BadLicenseWord(
            f"{quoted(text)} is neither an SPDX identifier nor a family ({', '.join(FAMILIES)})"
        )
    base = base_of(identifier)
    found = _VERSIONED.match(base)
    if found and re.search(r"(?:-or-later|\+)\Z", identifier, re.IGNORECASE):
        return Word(text, None, base, found[1], _numbers(found[2]), families_of_id(identifier))
    return Word(text, None, base, families=families_of_id(identifier))


def base_of(identifier: str) -> str:
    """Return an identifier without what says "or later", in lower case."""
    return _SUFFIX.sub("", identifier).lower()


@dataclass(frozen=True, slots=True)
class Found:
    """A list's answer, with the word and the licence that decided it."""

    answer: Answer
    word: str = ""
    licence: str = ""


class Words:
    """A list of words."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._words = tuple(parse_word(text) for text in texts)

    def judge(self, tree: Tree) -> Found:
        """Return what the list makes of a licence."""
        match tree:
            case Named():
                return self._named(tree)
            case AllOf():
                return self._worst([self.judge(part) for part in tree.parts], Answer.BLOCKED, Answer.UNKNOWN)
            case AnyOf():
                return self._worst([self.judge(part) for part in tree.parts], Answer.PASSES, Answer.UNKNOWN)
            case Statements():
                return self._worst([self.judge(part) for part in tree.parts], Answer.BLOCKED, Answer.PASSES)

    def _named(self, licence: Named) -> Found:
        for word in self._words:
            if word.meets(licence):
                return Found(Answer.BLOCKED, word.text, licence.identifier)
        return Found(Answer.PASSES if licence.is_known else Answer.UNKNOWN, "", licence.identifier)

    @staticmethod
    def _worst(found: list[Found], *order: Answer) -> Found:
        """Return the first answer of the first kind in the order that there is, else the first of all."""
        for answer in order:
            for each in found:
                if each.answer is answer:
                    return each
        return found[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
