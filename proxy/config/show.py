"""Effective settings, every one with where it came from; secrets are masked by their own types.

`entries` is the one walk over all settings: `check-config` prints it and `changes.py` compares two of them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from proxy.config.policies import POLICY, PYPI
from proxy.config.schema import (
    CACHE,
    CLIENT_CERT,
    FEED,
    LOG,
    ROUTE,
    SERVER,
    STATE,
    TLS,
    UPSTREAM,
    UPSTREAM_DEFAULTS,
    Key,
    dotted,
    of_kind,
)
from proxy.config.settings import Feed, Route, Settings, Upstream

_INHERITED = "[upstream_defaults]"


@dataclass(frozen=True, slots=True)
class Entry:
    """One effective setting: `value` compares, `shown` may be printed."""

    key: str
    value: object
    shown: object
    source: str
    restart: bool = False


def entries(settings: Settings) -> Iterator[Entry]:
    """Yield every effective setting in the order of the contract."""
    sources = settings.sources
    yield from _table("server", SERVER, settings.server, sources)
    yield from _table("server.tls", TLS, settings.server, sources)
    yield from _table("cache", CACHE, settings.cache, sources)
    yield from _table("state", STATE, settings.state, sources)
    yield from _table("log", LOG, settings.log, sources)
    yield from _table("upstream_defaults", UPSTREAM_DEFAULTS, settings.upstream_defaults, sources)
    for name, route in settings.routes.items():
        yield from _table(dotted("routes", name), ROUTE, route, sources)
    for name, policy in settings.policies.items():
        yield from _table(dotted("policies", name), POLICY, policy, sources)
        yield from _table(dotted("policies", name) + ".pypi", PYPI, policy.pypi, sources)
    for name, feed in settings.feeds.items():
        yield from _feed(dotted("feeds", name), feed, sources)


def _table(place: str, keys: Iterable[Key], holder: object, sources: Mapping[str, str]) -> Iterator[Entry]:
    for key in keys:
        value = getattr(holder, key.attr)
        here = f"{place}.{key.name}"
        yield Entry(here, value, key.kind.show(value), sources.get(here, "default"), key.restart)


def _feed(place: str, feed: Feed, sources: Mapping[str, str]) -> Iterator[Entry]:
    yield from _table(place, of_kind(FEED, feed.kind), feed, sources)
    for number, upstream in enumerate(feed.upstreams):
        yield from _upstream(f"{place}.upstreams[{number}]", feed.kind, upstream, sources)


def _upstream(place: str, kind: str, upstream: Upstream, sources: Mapping[str, str]) -> Iterator[Entry]:
    def entry(name: str, value: object, shown: object) -> Entry:
        return Entry(f"{place}.{name}", value, shown, sources.get(f"{place}.{name}", "default"))

    yield entry("id", upstream.id, upstream.id)
    if len(upstream.urls) == 1 and f"{place}.urls" not in sources:
        yield entry("url", upstream.urls[0], str(upstream.urls[0]))
    elif upstream.urls:
        yield entry("urls", upstream.urls, [str(url) for url in upstream.urls])
    yield entry("route", upstream.route, _route(upstream.route))
    yield entry("auth", upstream.auth, f"{upstream.auth.kind}: ***" if upstream.auth else None)
    yield from _table(f"{place}.client_cert", CLIENT_CERT, upstream, sources)
    for line in _table(place, of_kind(UPSTREAM, kind), upstream, sources):
        is_told = line.key != f"{place}.json_api" or not upstream.json_api or line.key in sources
        hidden = [] if is_told else [url for url in upstream.urls if url.hides_path]
        yield replace(line, shown=str(hidden[0])) if hidden else line
    yield from _limits(place, upstream, sources)


def _limits(place: str, upstream: Upstream, sources: Mapping[str, str]) -> Iterator[Entry]:
    """Yield what comes from `[upstream_defaults]` unless the upstream says otherwise."""
    for line in _table(place, UPSTREAM_DEFAULTS, upstream, sources):
        default = "upstream_defaults" + line.key.removeprefix(place)
        inherited = line.key not in sources and default in sources
        source = f"{_INHERITED} {sources[default]}" if inherited else line.source
        yield Entry(line.key, line.value, line.shown, source)


def _route(route: Route) -> object:
    """Return a route's name, or what an inline one says."""
    if route.name != "inline" and not route.ca_files:
        return route.name
    return {"name": route.name} | {key.name: key.kind.show(getattr(route, key.attr)) for key in ROUTE}


def as_json(settings: Settings) -> dict[str, dict[str, object]]:
    """Return dotted key -> value and source, masked."""
    return {line.key: {"value": line.shown, "source": line.source} for line in entries(settings)}


def as_lines(settings: Settings, *, is_whole: bool = False) -> Iterator[str]:
    """Yield one line per setting for people: of those that somebody has given, or of all that have a value."""
    shown = [line for line in entries(settings) if _is_shown(line, is_whole)]
    texts = [f"{line.key} = {json.dumps(line.shown, ensure_ascii=False)}" for line in shown]
    width = min(max((len(text) for text in texts), default=0), 64)
    for line, text in zip(shown, texts, strict=True):
        yield f"{text:<{width}}  # {line.source}"


def defaults(settings: Settings) -> int:
    """Return how many settings `as_lines` leaves out that have a value nobody has given there."""
    return sum(_is_shown(line, True) and not _is_shown(line, False) for line in entries(settings))


def _is_shown(line: Entry, is_whole: bool) -> bool:
    # An upstream's id is the program's own word for it.
    if line.shown is None or line.key.endswith("].id"):
        return False
    return is_whole or not (line.source == "default" or line.source.startswith(_INHERITED))
