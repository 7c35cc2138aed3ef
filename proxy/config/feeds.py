"""Feeds: the tables `[feeds.NAME]`, their upstreams, and what a `pypi` feed without any follows.

Reads and reports what is wrong inside one feed; what lies between feeds (names, references, loops) is
`validate.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from proxy.config import kinds
from proxy.config.faults import RefusedError, describe, quote
from proxy.config.globs import normalized
from proxy.config.layers import Given, Table, parse_json
from proxy.config.pip import Followed
from proxy.config.schema import FEED, KIND_OF, UPSTREAM, Reader, dotted, source_of
from proxy.config.settings import Feed, Route, Upstream
from proxy.config.upstreams import Around, json_api_of, read_upstream, with_ids

#: What a feed is whose kind is missing or misspelt; no such feed is ever in force.
UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What feeds are read against."""

    defaults: Upstream
    routes: Mapping[str, Route]
    pip: Callable[[], Followed]


def read_feeds(reader: Reader, node: Table | Given | None, around: Surroundings) -> dict[str, Feed]:
    """Return the feeds by name."""
    feeds = {}
    for name, entry in reader.table(node, "feeds").entries.items():
        place = dotted("feeds", name)
        if not kinds.is_feed_name(name):
            reader.fault(place, f"must be {kinds.NAME_MEANING}, not {quote(name)}", source_of(entry))
        feeds[name] = _read_feed(reader, name, reader.table(entry, place), place, around)
    return feeds


def _read_feed(reader: Reader, name: str, table: Table, place: str, around: Surroundings) -> Feed:
    reader.known(table, (*(key.name for key in FEED), "upstreams"), place)
    values = reader.values(FEED, table, place)
    if "kind" not in table.entries:
        reader.fault(f"{place}.kind", 'is missing: "pypi" or "conda"', source_of(table))
    # A kind that is missing or misspelt hides nothing else: the rest is read as far as it is the same for every kind.
    kind = values.setdefault("kind", UNKNOWN)
    _check_kind(reader, table, place, kind)
    _check_sources(reader, table, place, kind)
    values["reserved"] = normalized(values.get("reserved", ()), kind)
    upstreams = _read_upstreams(reader, name, table, place, kind, around)
    return Feed(name=name, upstreams=upstreams, **values)


def _check_kind(reader: Reader, table: Table, place: str, kind: str) -> None:
    for key in FEED:
        needed = KIND_OF.get(key.name, kind)
        if key.name in table.entries and kind not in (needed, UNKNOWN):
            reader.fault(f"{place}.{key.name}", f"is for {needed} feeds only, and this one is {kind}")


def _check_sources(reader: Reader, table: Table, place: str, kind: str) -> None:
    """Report a feed that is open and curated at once, or neither where its kind has nothing to follow."""
    named = [key for key in ("upstreams", "curated_from") if key in table.entries]
    if len(named) == 2:
        reader.fault(
            place, "has both upstreams and curated_from: a feed is open or curated", source_of(table)
        )
    if not named and kind not in ("pypi", UNKNOWN):
        reader.fault(
            place, f"needs upstreams (or curated_from): a {kind} feed has no default", source_of(table)
        )


def _read_upstreams(
    reader: Reader, name: str, table: Table, place: str, kind: str, around: Surroundings
) -> tuple[Upstream, ...]:
    node = table.entries.get("upstreams")
    if node is None:
        follows = kind == "pypi" and "curated_from" not in table.entries
        return _follow_pip(reader, name, f"{place}.upstreams[0]", around) if follows else ()
    here = f"{place}.upstreams"
    read = []
    for number, entry in enumerate(_entries(reader, node, here, kind)):
        _check_entry(reader, entry, f"{here}[{number}]", kind)
        beside = Around(kind, around.defaults, around.routes)
        read.append(read_upstream(reader, entry, f"{here}[{number}]", beside))
    try:
        return with_ids(name, read)
    except RefusedError as err:
        reader.refuse(here, err, source_of(node))
        return ()


def _entries(reader: Reader, node: Given | Table, place: str, kind: str) -> list[Given]:
    """Return the entries of the list of upstreams; a list of nothing is a fault."""
    if isinstance(node, Table):
        reader.fault(place, "must be a list, not a table", source_of(node))
        return []
    reader.sources[place] = node.source
    try:
        value = parse_json(node) if node.is_text else node.value
        if not isinstance(value, list):
            raise RefusedError.because(f"must be a list, not {describe(value)}")
        if not value:
            hint = "; leave it out to follow pip's own index" if kind == "pypi" else ""
            raise RefusedError.because(f"must not be empty{hint}")
    except RefusedError as err:
        reader.refuse(place, err, node.source)
        return []
    return [node.part(entry) for entry in value]


def _check_entry(reader: Reader, given: Given, place: str, kind: str) -> None:
    """Report keys of an upstream that belong to another kind of feed."""
    entry: Mapping[str, Any] = given.value if isinstance(given.value, dict) else {}
    for key in UPSTREAM:
        needed = KIND_OF.get(key.name, kind)
        if key.name in entry and kind not in (needed, UNKNOWN):
            reader.fault(f"{place}.{key.name}", f"is for {needed} feeds only", given.source)
    auth = entry.get("auth")
    if isinstance(auth, dict) and "token" in auth and kind not in ("conda", UNKNOWN):
        reader.fault(
            f"{place}.auth.token", "is for conda feeds only (it goes into the path as /t/…)", given.source
        )


def _follow_pip(reader: Reader, name: str, place: str, around: Surroundings) -> tuple[Upstream, ...]:
    """Return the upstream that pip on this host would ask (contract, section 1)."""
    try:
        followed = around.pip()
    except RefusedError as err:
        reader.refuse(f"feeds.{name}", err, "")
        return ()
    reader.sources |= {f"{place}.{key}": followed.source for key in ("url", "json_api")}
    if followed.auth is not None:
        reader.sources[f"{place}.auth"] = followed.source
    route = around.routes.get("default", Route())
    if followed.ca_file is not None:
        reader.sources[f"{place}.route"] = followed.ca_source
        route = replace(route, ca_files=(*route.ca_files, followed.ca_file))
    upstream = replace(
        around.defaults,
        urls=(followed.url,),
        auth=followed.auth,
        route=route,
        json_api=json_api_of(followed.url),
    )
    return with_ids(name, [upstream])
