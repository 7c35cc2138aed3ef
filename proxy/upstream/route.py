"""The route: whether a URL leaves directly or through which outbound proxy. Pure.

The environment's words are read as curl and requests read them: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`,
and `NO_PROXY` with domains (and all below them), `host:port`, addresses, CIDR networks and `*`; the
lower-case name wins over the upper-case one. A route with a proxy of its own ignores the environment; its
`no_proxy` has the same grammar. The mapping comes from the caller: nothing here reads the process's
environment.
"""

import base64
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from proxy.config.secrets import ENCODED
from proxy.config.settings import Route
from proxy.model.redact import Secret
from proxy.upstream.errors import AddressRefused, BadAnswer
from proxy.upstream.target import DEFAULT_PORTS, Target, parse_target

_SEPARATOR = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class OutboundProxy:
    """A proxy to go through. `authorization` is the whole value of `Proxy-Authorization`."""

    target: Target
    authorization: Secret | None = None
    user: str | None = None

    @property
    def url(self) -> str:
        """The proxy's URL without credentials."""
        return self.target.origin


@dataclass(frozen=True, slots=True)
class Choice:
    """Which way, and whose words decided: a key of the route, or a variable of the environment."""

    proxy: OutboundProxy | None
    #: 'route.proxy', 'route.no_proxy', 'nothing' (the route names no proxy), or the variable's name.
    decided_by: str
    #: The entry of no_proxy or NO_PROXY that covers the target.
    entry: str | None = None


def choose(route: Route, environ: Mapping[str, str], target: Target) -> OutboundProxy | None:
    """Return the proxy for the target, or None for a direct connection. Raises as `decide` does."""
    return decide(route, environ, target).proxy


def decide(route: Route, environ: Mapping[str, str], target: Target) -> Choice:
    """Return the way to the target and why.

    Raises BadAnswer (hop 'proxy') when the words that apply name a proxy that cannot be used: going out
    directly instead would be a surprise.
    """
    entry = covering(target, route.no_proxy)
    if entry is not None:
        return Choice(None, "route.no_proxy", entry)
    if route.proxy is not None:
        user, password = route.username, route.password
        return Choice(_proxy(route.proxy.reveal(), "route.proxy", user, _revealed(password)), "route.proxy")
    if not route.use_environment:
        return Choice(None, "nothing")
    name, named = _first(environ, f"{target.scheme.upper()}_PROXY", "ALL_PROXY")
    if not named:
        return Choice(None, "nothing")
    exceptions, words = _variable(environ, "NO_PROXY")
    entry = covering(target, _words(words))
    if entry is not None:
        return Choice(None, exceptions, entry)
    return Choice(_proxy(named, name, route.username, _revealed(route.password)), name)


def covering(target: Target, no_proxy: Iterable[str]) -> str | None:
    """Return the first entry of NO_PROXY that covers the target."""
    return next((entry for entry in no_proxy if _covers(entry.strip().lower(), target)), None)


def _covers(entry: str, target: Target) -> bool:
    if not entry:
        return False
    if entry == "*":
        return True
    network = _network(entry)
    if network is not None:
        return _is_within(target.host, network)
    host, port = _host_and_port(entry)
    if port is not None and port != target.port:
        return False
    network = _network(host)
    if network is not None:
        return _is_within(target.host, network)
    domain = host.removeprefix("*").lstrip(".").removesuffix(".")
    return bool(domain) and (target.host == domain or target.host.endswith(f".{domain}"))


def _host_and_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = entry.partition(":")
    return host, int(port) if port.isascii() and port.isdigit() else None


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _is_within(host: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in network


def _proxy(named: str, whose: str, username: str | None, password: str | None) -> OutboundProxy:
    url = named.strip() if "://" in named else f"http://{named.strip()}"
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() not in DEFAULT_PORTS:
            detail = f"the outbound proxy ({whose}) is not an http or https one; others are not supported"
            raise BadAnswer("proxy", detail)
        # A proxy without a port is on 80 or 443, as for curl's relatives; 1080 and 3128 must be written.
        if "@" in parts.path + parts.query + parts.fragment:
            raise ValueError
        target = parse_target(url).at("/")
        if username is None and parts.username is not None:
            username, password = unquote(parts.username), unquote(parts.password or "")
    except (AddressRefused, ValueError):
        advice = f"; {ENCODED}" if "@" in url else ""
        raise BadAnswer("proxy", f"the outbound proxy's URL ({whose}) cannot be read{advice}") from None
    return OutboundProxy(target, None if username is None else _basic(username, password or ""), username)


def _basic(username: str, password: str) -> Secret:
    return Secret("Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii"))


def _first(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    """Return the first variable that says something, as it is spelled, and its value; else ('', '')."""
    return next((found for name in names if (found := _variable(environ, name))[1]), ("", ""))


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    spelled = name.lower() if name.lower() in environ else name
    return spelled, environ.get(spelled, "").strip()


def _words(text: str) -> list[str]:
    return [word for word in _SEPARATOR.split(text) if word]


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()
