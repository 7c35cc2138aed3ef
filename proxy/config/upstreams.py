"""Upstreams: the entries of a feed's `upstreams`; what their URLs may be is `urls.py`.

An upstream's id outlives restarts and edits: it is the feed's name and a hash of what the upstream is (its
first URL without credentials, or the feed it names), so that first sight and digest history stay with it when
another upstream is added, moved or removed, or when a mirror is appended to `urls`. Two upstreams of one feed
may share a URL (two routes to it); the second one's id then ends in "-2".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from proxy.config.auth import read_auth
from proxy.config.faults import RefusedError, describe
from proxy.config.globs import normalized
from proxy.config.kinds import Kind, list_of
from proxy.config.layers import Given, Table
from proxy.config.routes import choose_route
from proxy.config.schema import CLIENT_CERT, UPSTREAM, UPSTREAM_DEFAULTS, Reader
from proxy.config.settings import Auth, Route, Upstream
from proxy.config.urls import Place, as_base, is_folder, place_kind
from proxy.model.redact import SecretUrl

_OWN = ("url", "urls", "route", "auth", "client_cert")
#: What means nothing where the upstream is a feed of this server.
_OUTSIDE = (
    "route",
    "auth",
    "client_cert",
    "allow_private",
    "redirect_hosts",
    "private",
    "json_api",
    "files_base",
    "repodata_use_zst",
    "repodata_use_shards",
)
#: What means nothing where it is a folder of this machine.
_OVER_A_NETWORK = (
    "route",
    "auth",
    "client_cert",
    "allow_private",
    "redirect_hosts",
    "connect_timeout",
    "contact",
)


@dataclass(frozen=True, slots=True)
class Around:
    """What an upstream is read against: its feed's kind, and what the other tables say."""

    kind: str
    defaults: Upstream
    routes: Mapping[str, Route]


def read_upstream(reader: Reader, given: Given, place: str, around: Around) -> Upstream:
    """Return one upstream, still without its id.

    One without a usable source (which is reported) is empty but keeps its place, so that later faults count.
    """
    nothing = Upstream(id="")
    if isinstance(given.value, str):
        given = given.part({"url": given.value})
    if not isinstance(given.value, dict):
        reader.fault(place, f"must be a table or a URL, not {describe(given.value)}", given.source)
        return nothing
    table = reader.table(given, place)
    reader.known(table, (*_OWN, *(key.name for key in (*UPSTREAM, *UPSTREAM_DEFAULTS))), place)
    values = reader.values((*UPSTREAM, *UPSTREAM_DEFAULTS), table, place)
    values |= {name: normalized(values[name], around.kind) for name in ("only", "except_") if name in values}
    urls, auth = _read_urls(reader, table, place, place_kind(around.kind))
    values["route"] = choose_route(reader, _given(table, "route"), f"{place}.route", around.routes)
    values["auth"] = _read_auth(reader, table, f"{place}.auth", auth)
    values |= _read_client_cert(reader, table, place)
    if not _has_one_source(reader, table, place, given.source):
        return nothing
    if "feed" in values:
        _mean_nothing(reader, table, place, _OUTSIDE, "a feed of this server")
    elif not urls:
        return nothing
    if any(is_folder(url) for url in urls):
        _mean_nothing(reader, table, place, _OVER_A_NETWORK, "a folder of this machine")
    return replace(around.defaults, urls=urls, **_with_bases(values, urls, around.kind))


def _mean_nothing(reader: Reader, table: Table, place: str, names: Iterable[str], what: str) -> None:
    for name in names:
        if name in table.entries:
            reader.fault(f"{place}.{name}", f"means nothing where the upstream is {what}")


def _given(table: Table, name: str) -> Given | None:
    node = table.entries.get(name)
    return node if isinstance(node, Given) else None


def _has_one_source(reader: Reader, table: Table, place: str, source: str) -> bool:
    named = [name for name in ("url", "urls", "feed") if name in table.entries]
    if len(named) != 1:
        found = f"not {' and '.join(named)}" if named else "it has none"
        reader.fault(place, f"needs exactly one of url, urls and feed, {found}", source)
    return len(named) == 1


def _read_urls(
    reader: Reader, table: Table, place: str, kind: Kind
) -> tuple[tuple[SecretUrl, ...], Auth | None]:
    """Return the URLs as bases (with a slash at the end) and the one set of credentials that they held."""
    read: tuple[Any] | None = None
    single, several = _given(table, "url"), _given(table, "urls")
    if single is not None:
        read = reader.value(Kind(lambda g, e: (kind.read(g, e),), kind.show), single, f"{place}.url")
    if several is not None:
        read = reader.value(list_of(kind), several, f"{place}.urls")
        if read == ((),):
            reader.fault(f"{place}.urls", "must not be empty")
    places: tuple[Place, ...] = read[0] if read else ()
    found = [found.auth for found in places]
    if len(set(found)) > 1:
        reader.fault(f"{place}.urls", "must not hold different credentials; give them once as auth")
    urls = tuple(found.url for found in places)
    if len(set(urls)) < len(urls):
        reader.fault(f"{place}.urls", "names one URL twice")
    if len(urls) > 1 and any(is_folder(url) for url in urls):
        reader.fault(f"{place}.urls", "holds a folder, which has no mirrors; make it an upstream of its own")
    return urls, next((auth for auth in found if auth), None)


def _read_auth(reader: Reader, table: Table, place: str, in_url: Auth | None) -> Auth | None:
    given = _given(table, "auth")
    if given is None:
        return in_url
    read = reader.value(Kind(read_auth, str), given, place)
    if in_url is not None:
        reader.fault(place, "the URL holds credentials too; give them once")
    return read[0] if read else None


def _read_client_cert(reader: Reader, table: Table, place: str) -> dict[str, Any]:
    node = table.entries.get("client_cert")
    if node is None:
        return {}
    inner = reader.table(node, f"{place}.client_cert")
    reader.known(inner, (key.name for key in CLIENT_CERT), f"{place}.client_cert")
    if "cert" not in inner.entries:
        reader.fault(f"{place}.client_cert", "needs cert (and key, unless the certificate's file holds it)")
    return reader.values(CLIENT_CERT, inner, f"{place}.client_cert")


def _with_bases(values: dict[str, Any], urls: tuple[SecretUrl, ...], kind: str) -> dict[str, Any]:
    """Return the values with the bases of other addresses as bases, and the JSON API that the URL implies."""
    for name in ("json_api", "files_base"):
        if values.get(name):
            values[name] = str(as_base(SecretUrl(values[name])).reveal())
    if kind == "pypi" and values.get("json_api") is None and urls:
        values["json_api"] = json_api_of(urls[0])
    return values


def json_api_of(url: SecretUrl) -> str | None:
    """Return the sibling `/pypi/` of an index whose URL ends in `/simple/`, else None."""
    text = url.reveal()
    return text.removesuffix("simple/") + "pypi/" if text.endswith("/simple/") else None


def with_ids(feed: str, upstreams: list[Upstream]) -> tuple[Upstream, ...]:
    """Return the upstreams with their ids; raise RefusedError if two of them are the same."""
    seen: dict[str, int] = {}
    whole: dict[Upstream, int] = {}
    result = []
    for place, upstream in enumerate(upstreams):
        if not upstream.urls and upstream.feed is None:
            result.append(upstream)
            continue
        if upstream in whole:
            raise RefusedError((f"[{place}]", f"is the same upstream as upstreams[{whole[upstream]}]"))
        whole[upstream] = place
        identity = upstream.urls[0].reveal() if upstream.urls else f"feed:{upstream.feed}"
        base = f"{feed}-{sha256(identity.encode()).hexdigest()[:12]}"
        seen[base] = seen.get(base, 0) + 1
        result.append(replace(upstream, id=base if seen[base] == 1 else f"{base}-{seen[base]}"))
    return tuple(result)
