"""The chain: how requests of an upstream leave, and which word of the configuration decided each part. Pure.

What `check-config` prints and the API answers; `route.py` decides. No credential is in it: of a proxy's user only
the name, which the settings show too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from proxy.config.settings import Route, Settings, Upstream
from proxy.model.redact import SecretUrl
from proxy.upstream.errors import UpstreamError
from proxy.upstream.route import Choice, decide
from proxy.upstream.target import parse_target

_ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the chain in words, and where it came from."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Leg:
    """The way to one of an upstream's origins. `proxy` None means direct."""

    origin: str
    proxy: str | None
    #: The proxy's user, where it has one. Its password is told nowhere.
    user: str | None
    #: Why it is so: the setting or variable that decided, and the entry of no_proxy that it was.
    because: str

    def __str__(self) -> str:
        user = f" as user {self.user}" if self.user is not None else ""
        way = f"through {self.proxy}{user}" if self.proxy is not None else "direct"
        return f"{self.origin}: {way} ({self.because})"


@dataclass(frozen=True, slots=True)
class Chain:
    """The way out of one upstream."""

    #: The route's name: of `[routes.NAME]`, or 'inline', 'direct', 'environment'.
    route: Part
    legs: tuple[Leg, ...]
    ca_files: tuple[Part, ...]
    verify: Part

    def for_readers(self) -> "Chain":
        """Return the chain without the proxies' users and the folders of files."""
        legs = tuple(replace(leg, user=None) for leg in self.legs)
        files = tuple(Part(part.value.rpartition("/")[2], part.source) for part in self.ca_files)
        return replace(self, legs=legs, ca_files=files)

    def lines(self) -> Iterator[str]:
        """Yield the chain for people."""
        yield f"route {self.route.value} ({self.route.source})"
        yield from (f"  {leg}" for leg in self.legs)
        yield from (f"  trusts {part.value} ({part.source})" for part in self.ca_files)
        if self.verify.value == "false":
            yield f"  VERIFIES NO CERTIFICATE ({self.verify.source})"


def chain_of(settings: Settings, upstream: Upstream, place: str, environ: Mapping[str, str]) -> Chain | None:
    """Return the chain of the upstream at `place` (feeds.NAME.upstreams[N]); None if it asks no network."""
    if upstream.feed is not None or any(url.reveal().startswith("file:") for url in upstream.urls):
        return None
    route = upstream.route
    home = _home(settings, route, place)
    sources = settings.sources
    legs = tuple(_leg(url, route, home, environ, sources) for url in upstream.urls)
    files = tuple(Part(str(path), _ca_source(path, route, home, place, settings)) for path in route.ca_files)
    verify = Part("true", "default") if route.verify else Part("false", _cited(f"{home}.verify", sources))
    return Chain(Part(route.name, _why(route, home, place, settings)), legs, files, verify)


def chains_of(settings: Settings, environ: Mapping[str, str]) -> dict[str, Chain]:
    """Return the chain of every upstream that asks a network, by its place."""
    places = {
        f"feeds.{feed.name}.upstreams[{number}]": upstream
        for feed in settings.feeds.values()
        for number, upstream in enumerate(feed.upstreams)
    }
    chains = {place: chain_of(settings, upstream, place, environ) for place, upstream in places.items()}
    return {place: chain for place, chain in chains.items() if chain is not None}


def _home(settings: Settings, route: Route, place: str) -> str:
    """Return the table that says the route."""
    return f"routes.{route.name}" if route.name in settings.routes else f"{place}.route"


def _why(route: Route, home: str, place: str, settings: Settings) -> str:
    """Return who chose the route."""
    source = settings.sources.get(f"{place}.route")
    if route.name == _ENVIRONMENT:
        return "default: neither a route of the upstream nor [routes.default]"
    if source is not None and not source.startswith("pip:"):
        return f"{place}.route, {source}"
    return f"[{home}]"


def _ca_source(path: Path, route: Route, home: str, place: str, settings: Settings) -> str:
    """Return where a CA file came from; the one that pip's `cert` names comes after the route's own."""
    chosen = settings.sources.get(f"{place}.route", "")
    if chosen.startswith("pip:") and path == route.ca_files[-1]:
        return chosen
    return _cited(f"{home}.ca_files", settings.sources)


def _cited(key: str, sources: Mapping[str, str]) -> str:
    return f"{key}, {sources[key]}" if key in sources else key


def _leg(
    url: SecretUrl, route: Route, home: str, environ: Mapping[str, str], sources: Mapping[str, str]
) -> Leg:
    target = parse_target(url.reveal())
    try:
        choice = decide(route, environ, target)
    except UpstreamError as error:
        return Leg(target.origin, None, None, f"impossible: {error.detail}")
    proxy = choice.proxy
    user = proxy.user if proxy is not None else None
    return Leg(
        target.origin, None if proxy is None else proxy.url, user, _because(choice, route, home, sources)
    )


def _because(choice: Choice, route: Route, home: str, sources: Mapping[str, str]) -> str:
    match choice.decided_by:
        case "route.proxy":
            return _cited(f"{home}.proxy", sources)
        case "route.no_proxy":
            return f"{_cited(f'{home}.no_proxy', sources)}: '{choice.entry}'"
        case "nothing" if route.use_environment:
            return "the environment names no proxy for it"
        case "nothing":
            return "asked for by name" if route.name == "direct" else f"{home} has no proxy"
        case variable:
            return f"environment {variable}" + (f": '{choice.entry}'" if choice.entry else "")
