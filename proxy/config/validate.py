"""What must hold between tables: unique names, references that exist, no loops, no combination that cannot
work.

Pure: from settings that are each right in themselves to the faults and notes of the whole. A note is
something that works but is probably not meant.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from proxy.config.faults import Fault, nearest
from proxy.config.grants import ANYBODY
from proxy.config.hosts import is_private
from proxy.config.settings import Feed, Server, Settings, Upstream
from proxy.config.urls import is_folder

_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"})
_WILDCARD = frozenset({"0.0.0.0", "::"})


def faults(settings: Settings) -> Iterator[Fault]:
    """Yield what makes these settings impossible."""
    yield from _server(settings)
    yield from _names(settings)
    for feed in settings.feeds.values():
        yield from _references(feed, settings)
        yield from _itself(feed, settings.server)
        yield from _grants(feed, settings)
    yield from _loops(settings.feeds)


def notes(settings: Settings) -> Iterator[str]:
    """Yield what works but is probably not meant."""
    if not settings.feeds:
        yield "no feed is configured: add a [feeds.NAME] table, or start from `feedgate init`"
    if (
        settings.server.trusted_proxies
        and settings.server.host in _LOCAL
        and settings.server.public_url is None
    ):
        yield "server.trusted_proxies without server.public_url: pasted lines will name this host and port"
    for feed in settings.feeds.values():
        if feed.reserved and feed.upstreams and not any(upstream.private for upstream in feed.upstreams):
            yield f"feeds.{feed.name}.reserved: no upstream is private, so these names are found nowhere"
        for number, upstream in enumerate(feed.upstreams):
            yield from _of_upstream(upstream, f"feeds.{feed.name}.upstreams[{number}]")


def notes_beside(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what is probably not meant beside the environment's words: a default route that passes its proxy over."""
    route = settings.routes.get("default")
    if route is None or route.proxy is not None:
        return
    named = [name for name in environ if name.upper() in _PROXIES and environ[name]]
    if named:
        yield (
            f"routes.default names no proxy, so requests leave directly, whatever {', '.join(sorted(named))} says: "
            "a route that is written down says all of itself; give it proxy = …, too, or proxy nothing on purpose with "
            'route = "direct" in the upstreams'
        )


def _of_upstream(upstream: Upstream, place: str) -> Iterator[str]:
    if not upstream.route.verify:
        yield f"{place}: route {upstream.route.name} has verify = false: anybody on the way can be the origin"
    if any(url.reveal().startswith("http:") for url in upstream.urls):
        if upstream.auth:
            yield f"{place}: its credentials travel unencrypted (http)"
        if not upstream.allow_private:
            yield f"{place}: it is asked without TLS (http): anybody on the way can change what it lists"
    if any(url.secrets for url in upstream.urls):
        yield (
            f"{place}: the path of its URL comes from a variable or a file, so it counts as a secret: it stands in no "
            "link, and files that the origin has below it are linked by their digest"
        )
    hosts = [urlsplit(url.reveal()).hostname or "" for url in upstream.urls if not is_folder(url)]
    for host in hosts:
        if is_private(host) and not upstream.allow_private:
            advice = "set allow_private = true if it is meant to be asked"
            yield f"{place}: {host} is a private address, so no request can pass; {advice}"


def _server(settings: Settings) -> Iterator[Fault]:
    server = settings.server
    if (server.tls_cert is None) != (server.tls_key is None):
        missing = "cert" if server.tls_cert is None else "key"
        yield Fault("server.tls", f"needs {missing} too", settings.sources.get("server.tls.cert", ""))


def _names(settings: Settings) -> Iterator[Fault]:
    """Feed names are unique over all kinds, aliases included."""
    owners = {name: name for name in settings.feeds}
    for feed in settings.feeds.values():
        for place, alias in enumerate(feed.aliases):
            key = f"feeds.{feed.name}.aliases[{place}]"
            if alias in owners:
                whose = "its own" if owners[alias] == feed.name else f"already feed {owners[alias]}'s"
                yield Fault(
                    key,
                    f'the name "{alias}" is {whose}',
                    settings.sources.get(f"feeds.{feed.name}.aliases", ""),
                )
            owners.setdefault(alias, feed.name)


def _references(feed: Feed, settings: Settings) -> Iterator[Fault]:
    named = [(f"upstreams[{place}].feed", upstream.feed) for place, upstream in enumerate(feed.upstreams)]
    named += [(f"curated_from[{place}]", source) for place, source in enumerate(feed.curated_from)]
    for key, name in named:
        if name is None:
            continue
        place = f"feeds.{feed.name}.{key}"
        other = settings.feeds.get(name)
        source = settings.sources.get(place, "")
        if other is None:
            yield Fault(place, f'there is no feed "{name}"{nearest(name, settings.feeds)}', source)
        elif other.kind != feed.kind and other.kind and feed.kind:
            yield Fault(place, f'feed "{name}" is {other.kind}, and this one is {feed.kind}', source)


def _grants(feed: Feed, settings: Settings) -> Iterator[Fault]:
    """A feed that is closed and opened in one breath was not meant."""
    if not feed.anonymous and any(subject == ANYBODY and rights for subject, rights in feed.grants):
        place = f"feeds.{feed.name}.grants"
        message = "grants rights to anonymous, and anonymous = false takes them away: remove one of the two"
        yield Fault(f"{place}.{ANYBODY}", message, settings.sources.get(place, ""))


def _itself(feed: Feed, server: Server) -> Iterator[Fault]:
    """This server's own URL would ask itself for ever; pip's own index may be it, once pip is set up here."""
    for place, upstream in enumerate(feed.upstreams):
        if any(is_own(url.reveal(), server) for url in upstream.urls):
            message = 'this URL is this server; name the feed instead ({ feed = "…" }), or the real index'
            yield Fault(f"feeds.{feed.name}.upstreams[{place}].url", message)


def is_own(url: str, server: Server) -> bool:
    """Return whether the URL leads to this server, as far as its settings tell."""
    if server.public_url and url.startswith((f"{server.public_url}/pypi/", f"{server.public_url}/conda/")):
        return True
    parts = urlsplit(url)
    here = _LOCAL if server.host in _LOCAL | _WILDCARD else {server.host.lower()}
    return parts.hostname in here and parts.port == server.port


def _loops(feeds: Mapping[str, Feed]) -> Iterator[Fault]:
    """Report each circle of feeds once, at its first member by name."""
    reported: set[frozenset[str]] = set()
    for start in sorted(feeds):
        circle = _circle(feeds, start)
        if circle and frozenset(circle) not in reported:
            reported.add(frozenset(circle))
            yield Fault(f"feeds.{start}", f"is its own upstream: {' -> '.join((*circle, start))}")


def _circle(feeds: Mapping[str, Feed], start: str) -> tuple[str, ...]:
    """Return the way from the feed back to itself, or nothing."""
    waiting: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    while waiting:
        way = waiting.pop()
        feed = feeds.get(way[-1])
        for source in sources_of(feed) if feed else ():
            if source == start:
                return way
            if source not in seen:
                seen.add(source)
                waiting.append((*way, source))
    return ()


def sources_of(feed: Feed) -> tuple[str, ...]:
    """Return the feeds of this server that a feed takes from."""
    return (*(upstream.feed for upstream in feed.upstreams if upstream.feed), *feed.curated_from)
