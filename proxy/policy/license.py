"""A licence as a tree of choices: what a file's index or metadata says, read as SPDX (conda sheet 14, PyPI sheet 22).

conda says it in `license` and `license_family`, PyPI in License-Expression or, where that is not understood, in the
classifiers and License. Each is read by itself, as an SPDX expression, else a legacy name, else by the families that it
names. Together they are `Statements`: a list is met where any of them meets it, and one that is understood is enough.

The last leaf of a tree is a licence with its families. `is_exact` is False where only a family was understood: an
identifier in a block list then meets every licence of that family, because it may be that one. `is_known` is False for
what nobody can tell: a sentence that only mentions a family, a `LicenseRef-`, which has its meaning elsewhere. That is
a question for the policy (`unknown_license`), never a pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from proxy.model.bounds import LONGEST, is_readable
from proxy.policy.classifiers import identifiers_of
from proxy.policy.facts import License
from proxy.policy.families import ANY_GPL, SILENT_FAMILIES, families_of_id, family_of_word, mentions_of
from proxy.policy.license_names import cut_later, identifier_of, says_later, says_nothing
from proxy.policy.settings import Kind

if TYPE_CHECKING:
    from license_expression import Licensing

#: "License" in metadata: a longer one is the licence itself, not its name (PyPI sheet, 22).
_LONGEST_NAME = 100
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


@dataclass(frozen=True, slots=True)
class Statements:
    """What a file says of its one licence in several places."""

    parts: tuple["Tree", ...]


Tree = Named | AllOf | AnyOf | Statements
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
    text = _stripped(license.text)
    family = _stripped(license.family)
    said = UNKNOWN if not text else _unknown(text) if says_nothing(text) else _tree_of(text)
    return _together(said, _tree_of_family(family, text)) if family else said


def _pypi(license: License) -> Tree:
    expression, text = _stripped(license.expression), _stripped(license.text)
    said: Tree = UNKNOWN
    if expression:
        said = (
            _unknown(expression) if says_nothing(expression) else _precise(expression) or _unknown(expression)
        )
        if is_understood(said):
            return said
    if text:
        is_name = len(text) <= _LONGEST_NAME and "\n" not in text and not says_nothing(text)
        named = _tree_of(text) if is_name else _unknown(text)
        said = named if said is UNKNOWN else Statements((said, named))
    classifiers = tuple(_tree_of_classifier(each) for each in identifiers_of(license.classifiers))
    if not classifiers:
        return said
    if said is UNKNOWN:
        return classifiers[0] if len(classifiers) == 1 else AllOf(classifiers)
    return _together(said, *classifiers)


def _stripped(text: str | None) -> str:
    return text.strip() if text else ""


def _tree_of(text: str) -> Tree:
    """Return what a text says: an expression or a legacy name, else the families that it names."""
    return _precise(text) or _named(cut_later(text), text)


def _named(text: str, shown: str) -> Named:
    mention = mentions_of(text)
    return Named(shown[:LONGEST], mention.families, is_exact=False, is_known=mention.is_name)


def _tree_of_family(family: str, text: str) -> Tree:
    """Return what `license_family` says. A record that states "Other" states something."""
    word = family_of_word(family)
    if word is None:
        return _tree_of(family) if not says_nothing(family) else UNKNOWN
    shown = f"{text}, {family}" if text and text != family else family
    return Named(
        shown[:LONGEST],
        ANY_GPL if word == "GPL" else _with_gpl(word),
        is_exact=False,
        is_known=word != "NONE",
    )


def _with_gpl(word: str) -> frozenset[str]:
    return frozenset({word, "GPL"}) if word in ANY_GPL else frozenset({word})


def _tree_of_classifier(identifier: str) -> Tree:
    """Return what a classifier says; those of the table are known, though their identifiers may be of nobody's list."""
    tree = _tree_of(identifier)
    is_listed = isinstance(tree, Named) and identifier.startswith("LicenseRef-")
    return replace(tree, is_known=True) if is_listed and isinstance(tree, Named) else tree


def _together(said: Tree, *others: Tree) -> Tree:
    """Return what a text and a coarser word beside it say together.

    Where the text tells which licence of the word's family it is, the word adds no other: it then meets words of
    families only, so that `BSD-3-Clause` with the family BSD is no BSD-2-Clause. What the text leaves unknown stays so
    where the word only repeats what the text's known parts say.
    """
    leaves = list(_leaves(said))
    exact = frozenset[str]().union(*(leaf.families for leaf in leaves if leaf.is_known and leaf.is_exact))
    known = frozenset[str]().union(*(leaf.families for leaf in leaves if leaf.is_known))
    return Statements((said, *(_beside(other, exact, known, is_understood(said)) for other in others)))


def _beside(other: Tree, exact: frozenset[str], known: frozenset[str], is_text_understood: bool) -> Tree:
    if not isinstance(other, Named) or other.is_exact:
        return other
    families = frozenset({"GPL"}) if other.families == ANY_GPL and "GPL" in exact else other.families
    is_news = not families <= known
    return replace(
        other,
        families=families,
        is_exact=families <= exact,
        is_known=other.is_known and (is_news or is_text_understood),
    )


def _leaves(tree: Tree) -> Iterator[Named]:
    if isinstance(tree, Named):
        yield tree
    else:
        for part in tree.parts:
            yield from _leaves(part)


def _unknown(text: str) -> Named:
    return Named(text[:LONGEST], frozenset({"OTHER"}), is_exact=False, is_known=False)


def is_understood(tree: Tree) -> bool:
    """Tell whether every part of the tree is a licence that somebody knows; of several statements one is enough."""
    if isinstance(tree, Named):
        return tree.is_known
    parts = map(is_understood, tree.parts)
    return any(parts) if isinstance(tree, Statements) else all(parts)


def _precise(text: str) -> Tree | None:
    """Return the tree of a legacy name or of an SPDX expression, None where the text is neither."""
    if not is_readable(text):
        return None
    return expression_of(identifier_of(text) or cut_later(text))


@lru_cache(maxsize=8192)
def expression_of(text: str) -> Tree | None:
    """Return the tree of an SPDX expression; None where it is none, or a single name that is not one of SPDX."""
    from license_expression import ExpressionError, ExpressionParseError

    if not is_readable(text) or not text.isascii():
        return None
    try:
        parsed = licensing().parse(text)
        tree = _tree(parsed) if parsed is not None else None
    except (ExpressionError, ExpressionParseError, *_STUMBLES):
        return None
    return None if isinstance(tree, Named) and not is_identifier(tree.identifier) else tree


def _tree(parsed: Any) -> Tree:
    from license_expression import LicenseWithExceptionSymbol

    if isinstance(parsed, LicenseWithExceptionSymbol):
        return _leaf(parsed.license_symbol.key)
    if not getattr(parsed, "args", ()):
        return _leaf(parsed.key)
    parts = tuple(_tree(part) for part in parsed.args)
    if parsed.operator.strip() == "AND":
        return AllOf(parts)
    choices = tuple(part for part in parts if not (isinstance(part, Named) and says_later(part.identifier)))
    return choices[0] if len(choices) == 1 else AnyOf(choices or parts)


def _leaf(key: str) -> Named:
    if key.lower().startswith("licenseref-"):
        families = families_of_id(key)
        return Named(key, families, is_exact=families <= SILENT_FAMILIES, is_known=False)
    if is_identifier(key):
        return Named(key, families_of_id(key), is_exact=key not in _ANY_VERSION)
    meant = identifier_of(key)
    if meant is not None and is_identifier(meant):
        return Named(meant, families_of_id(meant))
    return _named(key, key)


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
