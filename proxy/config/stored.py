"""Settings that were made through the API: the same words as in config.toml, laid beside what the file declares.

A name belongs to one of the two: what the file (or the environment) declares is read-only in the API, and a name in
both places is an error of the start (contract, section 1). Who may call the API should not thereby read this
machine's files: `file:` channels and secrets by `{ env }` or `{ file }` are refused in what comes from there
(`urls.py`, `secrets.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from proxy.config.layers import API, Given, Table
from proxy.config.schema import Reader, dotted, source_of
from proxy.model.redact import SecretUrl

#: The tables whose entries the API may make.
NOUNS = ("routes", "policies", "feeds")
SINGULAR = {"feeds": "feed", "policies": "policy", "routes": "route"}


@dataclass(frozen=True, slots=True)
class Declared:
    """One thing as it was given, secrets included; `tag` is another one after every change."""

    document: Mapping[str, Any] = field(repr=False)
    tag: str


#: table -> name -> thing.
Stored = Mapping[str, Mapping[str, Declared]]
#: The state's folder and URL -> what is stored there.
StoredAt = Callable[[Path, SecretUrl | None], Stored]
NOTHING: Stored = MappingProxyType({})


def nothing_stored(_folder: Path, _url: SecretUrl | None) -> Stored:
    return NOTHING


def lay_stored(reader: Reader, tree: Table, stored: Stored, base: Path) -> Table:
    """Return the tree with the stored things beside its own; a name in both places is reported."""
    entries = dict(tree.entries)
    for noun in NOUNS:
        things = stored.get(noun)
        if not things:
            continue
        group = dict(reader.table(entries.get(noun), noun).entries)
        for name, thing in things.items():
            if name in group:
                reader.fault(
                    dotted(noun, name),
                    f"is declared here and was made through the API too: take it out here, or delete the other one with"
                    f" `feedgate {SINGULAR[noun]} delete {name} --broken`",
                    source_of(group[name]),
                )
            else:
                group[name] = Given(dict(thing.document), API, base)
        entries[noun] = Table(group)
    return Table(entries)
