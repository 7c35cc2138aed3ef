"""Routes: how requests leave, read from `[routes.NAME]` or from an upstream's inline table.

Without `[routes.default]` the default is the environment's proxy variables. A route that is written down says
all of itself: one without `proxy` goes direct, whatever the environment says. User and password inside the
proxy's URL (percent-encoded) are taken out of it, so that there is one place where they are.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from proxy.config import kinds
from proxy.config.faults import describe, nearest, quote
from proxy.config.layers import Given, Table
from proxy.config.schema import ROUTE, Reader, dotted, source_of
from proxy.config.secrets import ENCODED
from proxy.config.settings import Route
from proxy.model.redact import Secret, SecretUrl

ENVIRONMENT = Route()
DIRECT = Route(name="direct", use_environment=False)
_RESERVED = ("direct", "environment", "inline")


def read_routes(reader: Reader, node: Table | Given | None) -> dict[str, Route]:
    """Return the named routes."""
    routes = {}
    for name, entry in reader.table(node, "routes").entries.items():
        place = dotted("routes", name)
        if name in _RESERVED or not kinds.is_plain_name(name):
            reader.fault(place, "this name cannot be used for a route", source_of(entry))
        routes[name] = read_route(reader, entry, place, name)
    return routes


def read_route(reader: Reader, node: Table | Given, place: str, name: str) -> Route:
    """Return one route; what is wrong with it is reported and left out."""
    table = reader.table(node, place)
    reader.known(table, (key.name for key in ROUTE), place)
    values = reader.values(ROUTE, table, place)
    if "proxy" in table.entries:
        _take_credentials(reader, values, place)
    else:
        for key in ("username", "password", "no_proxy"):
            if key in table.entries:
                reader.fault(f"{place}.{key}", "means nothing without proxy", source_of(table))
    if "password" in table.entries and "username" not in table.entries:
        reader.fault(f"{place}.password", "needs username too")
    if ":" in (values.get("username") or ""):
        reader.fault(f"{place}.username", "must not hold ':' (Basic authentication cannot carry it)")
    return Route(name=name, use_environment=False, **values)


def _take_credentials(reader: Reader, values: dict[str, Any], place: str) -> None:
    """Move the credentials of the proxy's URL into username and password."""
    proxy: SecretUrl | None = values.get("proxy")
    if proxy is None:
        return
    parts = urlsplit(proxy.reveal())
    if parts.path.strip("/"):
        advice = f"; {ENCODED}, or give them as username and password" if "@" in parts.path else ""
        reader.fault(f"{place}.proxy", f"must be a URL without a path{advice}")
    userinfo, at, address = parts.netloc.rpartition("@")
    if not at:
        return
    if "username" in values or "password" in values:
        reader.fault(f"{place}.proxy", "holds a user; give it there or as username and password, not both")
    user, _, password = userinfo.partition(":")
    values["proxy"] = SecretUrl(urlunsplit((parts.scheme, address, "", "", "")))
    values["username"] = unquote(user)
    values["password"] = Secret(unquote(password))


def choose_route(reader: Reader, node: Given | None, place: str, routes: Mapping[str, Route]) -> Route:
    """Return the route of an upstream: a name, an inline table, "direct", or the default."""
    default = routes.get("default", ENVIRONMENT)
    if node is None:
        return default
    reader.sources[place] = node.source
    if isinstance(node.value, dict):
        return read_route(reader, node, place, "inline")
    if not isinstance(node.value, str):
        message = f'must be the name of a route, "direct" or a table, not {describe(node.value)}'
        reader.fault(place, message, node.source)
        return default
    known = {"direct": DIRECT, "default": default, **routes}
    if node.value not in known:
        message = f"there is no route {quote(node.value)}{nearest(node.value, known)}"
        reader.fault(place, message, node.source)
    return known.get(node.value, default)
