"""Secrets in what the API is given and gives: they read as `***`, and stay what they were when sent back so.

Documents are tables of config.toml as values of JSON. `masked` takes out every place where a secret may stand:
passwords, `auth`, and what URLs hold of them. `unmasked` puts kept secrets back where `***` stands. An upstream's
secret stays with that upstream, found by its URLs, wherever it is moved in the list; where that is not clear, or it is
to be sent to another origin, it has to be given anew. `***` itself can therefore be nobody's secret.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from proxy.config.faults import RefusedError

MASK = "***"
_TOKEN = re.compile(r"(?<=/t/)[^/]+")
_LOST = f"{MASK} stands for the secret that is kept, and there is none for this: give it"

Document = Mapping[str, Any]


def masked(noun: str, document: Document) -> dict[str, Any]:
    """Return a feed's, policy's or route's document without secrets."""
    if noun == "routes":
        return _masked_route(document)
    if noun == "feeds" and isinstance(document.get("upstreams"), list):
        return {**document, "upstreams": [_masked_upstream(each) for each in document["upstreams"]]}
    return dict(document)


def unmasked(noun: str, document: Document, kept: Document | None) -> dict[str, Any]:
    """Return the document with the kept secrets where it has `***`. Raises RefusedError where there is none."""
    former: Document = kept if kept is not None else {}
    if noun == "routes":
        return _Restoring().route(document, former, "")
    if noun == "feeds" and isinstance(document.get("upstreams"), list):
        known = former.get("upstreams")
        return {
            **document,
            "upstreams": _upstreams(document["upstreams"], known if isinstance(known, list) else []),
        }
    return dict(document)


def _masked_route(route: Document) -> dict[str, Any]:
    told = dict(route)
    if "password" in told:
        told["password"] = MASK
    if isinstance(told.get("proxy"), str):
        told["proxy"] = masked_url(told["proxy"])
    return told


def _masked_upstream(upstream: object) -> Any:
    if isinstance(upstream, str):
        return masked_url(upstream)
    if not isinstance(upstream, dict):
        return upstream
    told = dict(upstream)
    if isinstance(told.get("url"), str):
        told["url"] = masked_url(told["url"])
    if isinstance(told.get("urls"), list):
        told["urls"] = [masked_url(url) if isinstance(url, str) else url for url in told["urls"]]
    if isinstance(told.get("route"), dict):
        told["route"] = _masked_route(told["route"])
    if isinstance(told.get("auth"), dict):
        told["auth"] = {kind: _masked_auth(value) for kind, value in told["auth"].items()}
    return told


def _masked_auth(value: object) -> object:
    if isinstance(value, bool):
        return value
    return [value[0], MASK] if isinstance(value, list) and len(value) == 2 else MASK


def masked_url(url: str) -> str:
    """Return a URL with `***` for its password (or its user, where that is all there is) and its token."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    userinfo, at, address = parts.netloc.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    shown = f"{user}:{MASK}" if colon else MASK
    netloc = f"{shown}@{address}" if at else address
    return urlunsplit((parts.scheme, netloc, _TOKEN.sub(MASK, parts.path), parts.query, parts.fragment))


def _upstreams(given: list[Any], known: list[Any]) -> list[Any]:
    """Return the upstreams, each with the secrets of the one that it was."""
    restoring = _Restoring()
    partners = _partners(given, known)
    result = [
        restoring.upstream(each, partner, f".upstreams[{place}]")
        for place, (each, partner) in enumerate(zip(given, partners, strict=True))
    ]
    restoring.check()
    return result


def _partners(given: list[Any], known: list[Any]) -> list[Document]:
    """Return, for each given upstream, the known one that it is; {} for one that is new."""
    free = {place: _as_table(each) for place, each in enumerate(known)}
    found: dict[int, Document] = {}
    for same in (_addresses, _origins):
        for place, each in enumerate(given):
            if place in found:
                continue
            address = same(_as_table(each))
            fits = [other for other, table in free.items() if address and same(table) == address]
            # The same place first: two upstreams may have one address, with two users.
            fits.sort(key=lambda other: (other != place, other))
            if fits and (same is _addresses or fits[0] == place):
                found[place] = free.pop(fits[0])
    return [found.get(place, {}) for place in range(len(given))]


def _as_table(upstream: object) -> Document:
    if isinstance(upstream, str):
        return {"url": upstream}
    return upstream if isinstance(upstream, dict) else {}


def _urls(upstream: Document) -> list[str]:
    urls = upstream.get("urls", [upstream.get("url")])
    return [url for url in urls if isinstance(url, str)] if isinstance(urls, list) else []


def _addresses(upstream: Document) -> tuple[str, ...]:
    return tuple(masked_url(url) for url in _urls(upstream))


def _origins(upstream: Document) -> tuple[str, ...]:
    return tuple(
        f"{urlsplit(url).scheme}://{urlsplit(url).netloc.rpartition('@')[2]}" for url in _addresses(upstream)
    )


class _Restoring:
    """Puts secrets back and collects where there is none."""

    def __init__(self) -> None:
        self._lost: list[str] = []

    def check(self) -> None:
        """Raise RefusedError for all places without a secret."""
        if self._lost:
            raise RefusedError(*((place, _LOST) for place in self._lost))

    def route(self, route: Document, former: Document, place: str) -> dict[str, Any]:
        """Return a route; on its own it raises RefusedError at once."""
        told = self._route(route, former, place)
        if not place:
            self.check()
        return told

    def upstream(self, upstream: Any, former: Document, place: str) -> Any:
        if isinstance(upstream, str):
            return self._url(upstream, former.get("url"), place)
        if not isinstance(upstream, dict):
            return upstream
        told = dict(upstream)
        if isinstance(told.get("url"), str):
            told["url"] = self._url(told["url"], former.get("url"), f"{place}.url")
        if isinstance(told.get("urls"), list):
            told["urls"] = list(self._all(told["urls"], former.get("urls"), f"{place}.urls"))
        if isinstance(told.get("route"), dict):
            before = former.get("route")
            told["route"] = self._route(
                told["route"], before if isinstance(before, dict) else {}, f"{place}.route"
            )
        if isinstance(told.get("auth"), dict):
            before = former.get("auth")
            kept = before if isinstance(before, dict) else {}
            told["auth"] = {
                kind: self._auth(value, kept.get(kind), f"{place}.auth.{kind}")
                for kind, value in told["auth"].items()
            }
        return told

    def _route(self, route: Document, former: Document, place: str) -> dict[str, Any]:
        told = dict(route)
        if "password" in told:
            told["password"] = self._secret(told["password"], former.get("password"), f"{place}.password")
        if isinstance(told.get("proxy"), str):
            told["proxy"] = self._url(told["proxy"], former.get("proxy"), f"{place}.proxy")
        return told

    def _auth(self, value: Any, former: Any, place: str) -> Any:
        if isinstance(value, list) and len(value) == 2:
            before = (
                former[1] if isinstance(former, list) and len(former) == 2 and former[0] == value[0] else None
            )
            return [value[0], self._secret(value[1], before, f"{place}[1]")]
        return self._secret(value, former, place)

    def _secret(self, value: Any, former: Any, place: str) -> Any:
        if value != MASK:
            return value
        if not isinstance(former, str):
            self._lost.append(place)
            return value
        return former

    def _all(self, urls: list[Any], former: Any, place: str) -> Iterator[Any]:
        known = [url for url in former if isinstance(url, str)] if isinstance(former, list) else []
        for number, url in enumerate(urls):
            same = [other for other in known if isinstance(url, str) and masked_url(other) == url]
            yield (
                self._url(url, same[0] if same else None, f"{place}[{number}]")
                if isinstance(url, str)
                else url
            )

    def _url(self, url: str, former: Any, place: str) -> str:
        if MASK not in url:
            return url
        if isinstance(former, str) and masked_url(former) == url:
            return former
        kept = _userinfo(former) if isinstance(former, str) else None
        parts = urlsplit(url)
        userinfo, _, address = parts.netloc.rpartition("@")
        user, _, password = userinfo.partition(":")
        if (
            kept is not None
            and password == MASK
            and MASK not in f"{user}{address}{parts.path}"
            and kept[0] == user
        ):
            return urlunsplit((parts.scheme, f"{user}:{kept[1]}@{address}", *parts[2:]))
        self._lost.append(place)
        return url


def _userinfo(url: str) -> tuple[str, str] | None:
    userinfo, at, _ = urlsplit(url).netloc.rpartition("@")
    user, colon, password = userinfo.partition(":")
    return (user, password) if at and colon else None
