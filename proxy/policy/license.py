"""A licence as a tree of choices: what a file's index or metadata says, read as SPDX (conda sheet 14, PyPI sheet 22).

conda: `license` as an SPDX expression, else the legacy name, else the family that the record states, else the guess.
PyPI: License-Expression, else the classifiers (all of them apply), else a short License text that is SPDX or a legacy
name. What none of these understands is unknown, which is a question for the policy, never a pass.

The last leaf of a tree is a licence with its families. `is_exact` is False where only a family was understood: an
identifier in a block list then meets every licence of that family, because it may be that one.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from proxy.model.bounds import LONGEST, is_readable
from proxy.policy.classifiers import identifiers_of
from proxy.policy.facts import License
from proxy.policy.families import families_of_id, families_of_text
from proxy.policy.license_names import identifier_of, says_nothing
from proxy.policy.settings import Kind

if TYPE_CHECKING:
    from license_expression import Licensing

#: "License" in metadata: a longer one is the licence itself, not its name (PyPI sheet, 22).
_LONGEST_NAME = 100
_SILENT_FAMILIES = frozenset({"OTHER", "NONE"})
#: What the library raises, beside its own errors, for texts such as "()" and "( OR MIT": they are no expressions.
_STUMBLES = (IndexError, AssertionError, TypeError, AttributeError)
#: What "GPL" and "LGPL" without a version are read as: any version.
_ANY_VERSION = frozenset({"GPL-1.0-or-later", "LGPL-2.0-or-later"})


@dataclass(frozen=True, slots=True)
class Named:
    """One licence. `identifier` is SPDX's, or the text that was given."""

    identifier: str
    families: frozenset[str]
    is_exact: bool = True
    #: False where nobody can tell what it is.
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class AllOf:
    """AND: each applies."""

    parts: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """OR: whoever uses the file chooses one."""

    parts: tuple["Tree", ...]


Tree = Named | AllOf | AnyOf
UNKNOWN = Named("", frozenset({"NONE"}), is_exact=False, is_known=False)


@lru_cache(maxsize=16384)
def read(kind: Kind, license: License) -> Tree:
    """Return the tree of what a file says; UNKNOWN where it says nothing, or more than can be read."""
    if is_overlong(kind, license):
        return _unknown(license.expression or license.text or license.family or "")
    return _conda(license) if kind == "conda" else _pypi(license)


def is_overlong(kind: Kind, license: License) -> bool:
    """Return whether a file says more of its licence than is read, so that nobody can say which one it is.

    License of PyPI's metadata is left out: there it is often the licence itself, and so it says nothing.
    """
    said = (license.text, license.family) if kind == "conda" else (license.expression,)
    return any(each is not None and len(each) > LONGEST for each in said)


def _conda(license: License) -> Tree:
    text = license.text.strip() if license.text else ""
    tree = _precise(text) if not says_nothing(text) else None
    if tree is not None and is_understood(tree):
        return tree
    if license.family and license.family.strip():
        return _by_family(license.family, text or license.family, is_stated=True)
    if tree is not None:
        return tree
    return _by_family(text, text) if text else UNKNOWN


def _pypi(license: License) -> Tree:
    if license.expression and not says_nothing(license.expression):
        return _precise(license.expression) or _unknown(license.expression)
    named = identifiers_of(license.classifiers)
    if named:
        trees = tuple(_precise(identifier) or _by_family(identifier, identifier) for identifier in named)
        return trees[0] if len(trees) == 1 else AllOf(trees)
    text = license.text.strip() if license.text else ""
    if not text:
        return UNKNOWN
    if len(text) > _LONGEST_NAME or "\n" in text or says_nothing(text):
        return _unknown(text)
    return _precise(text) or _by_family(text, text)


def _by_family(family: str, text: str, *, is_stated: bool = False) -> Tree:
    """Return what a family's word, or the guess, makes of it. A record that states "Other" states something."""
    families = families_of_text(family)
    is_other = is_stated and family.strip().lower() == "other"
    is_known = is_other or not families <= _SILENT_FAMILIES
    return Named(text[:LONGEST], families, is_exact=False, is_known=is_known)


def _unknown(text: str) -> Named:
    return Named(text[:LONGEST], frozenset({"OTHER"}), is_exact=False, is_known=False)


def is_understood(tree: Tree) -> bool:
    """Tell whether every part of the tree is a licence that somebody knows."""
    return tree.is_known if isinstance(tree, Named) else all(is_understood(part) for part in tree.parts)


def _precise(text: str) -> Tree | None:
    """Return the tree of a legacy name or of an SPDX expression, None where the text is neither."""
    return expression_of(identifier_of(text) or text)


@lru_cache(maxsize=8192)
def expression_of(text: str) -> Tree | None:
    """Return the tree of an SPDX expression; None where it is none, or a single name that nobody knows."""
    from license_expression import ExpressionError, ExpressionParseError

    if not is_readable(text) or not text.isascii():
        return None
    try:
        parsed = licensing().parse(text)
        tree = _tree(parsed) if parsed is not None else None
    except (ExpressionError, ExpressionParseError, *_STUMBLES):
        return None
    return None if isinstance(tree, Named) and not tree.is_known else tree


def _tree(parsed: Any) -> Tree:
    from license_expression import LicenseWithExceptionSymbol

    if isinstance(parsed, LicenseWithExceptionSymbol):
        return _leaf(parsed.license_symbol.key)
    if not getattr(parsed, "args", ()):
        return _leaf(parsed.key)
    parts = tuple(_tree(part) for part in parsed.args)
    return AllOf(parts) if parsed.operator.strip() == "AND" else AnyOf(parts)


def _leaf(key: str) -> Named:
    if is_identifier(key):
        families = families_of_id(key)
        is_reference = key.lower().startswith("licenseref-")
        is_open = key in _ANY_VERSION or (is_reference and not families <= _SILENT_FAMILIES)
        return Named(key, families, is_exact=not is_open)
    meant = identifier_of(key)
    if meant is not None and is_identifier(meant):
        return Named(meant, families_of_id(meant))
    families = families_of_text(key)
    return _unknown(key) if families <= _SILENT_FAMILIES else Named(key, families, is_exact=False)


def is_identifier(text: str) -> bool:
    """Tell whether the text is an identifier of SPDX's list, or a `LicenseRef-`; case does not count."""
    return text.lower().startswith("licenseref-") or text.lower() in _identifiers()


@lru_cache(maxsize=1)
def licensing() -> "Licensing":
    """Return the reader of expressions, made once: it costs some 15 ms."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@lru_cache(maxsize=1)
def _identifiers() -> frozenset[str]:
    return frozenset(key.lower() for key in licensing().known_symbols)
