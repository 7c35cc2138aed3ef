"""What a manager may set: whoever has the right `manage` on a feed and is no admin.

A feed's manager decides what that feed takes from the public network and who reads it. Everything that other people
own is an admin's to give, and stays as it is through a manager's edits:

* names (of feeds, policies, routes and aliases). A manager may name a feed that he may read, and a policy that a feed
  uses which he may read. A named route belongs to the upstream that an admin gave it to, and aliases are handed out by
  admins. What he may not name is answered as what does not exist: 422, whether it is there or not;
* ways into the server's own network, and around its checks: a route written into the upstream (`verify`, a proxy,
  certificates), "direct", `allow_private`, `client_cert`, netrc, and pip's own settings on this host: 403.

An upstream keeps what an admin gave it for as long as its URLs stay. Which other hosts it may ask that way
(`json_api`, `files_base`, `redirect_hosts`) is an admin's to say, too: a proxy or a private address leads there.

The names of feeds that a manager may not read are shown to him as `***` in the documents of his own feed, and stay when
sent back so.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from proxy.config.masks import MASK, masked
from proxy.model.actor import Actor
from proxy.model.problem import Problem
from proxy.web.api.body import refused

Document = Mapping[str, Any]
#: What makes an upstream more than a public address that is asked over the default route.
_WAYS = ("allow_private", "client_cert", "route")


def check_reach(
    actor: Actor, document: Document, before: Document | None, may_use_policy: Callable[[str], bool]
) -> None:
    """Refuse a feed's document with more reach than the feed has. Raises Problem."""
    if actor.is_admin:
        return
    former = before if before is not None else {}
    unusable = list(_unusable(actor, document, former, may_use_policy))
    if unusable:
        raise refused(unusable)
    had = list(_reach(former))
    for upstream, key, value in _reach(document):
        if (upstream, key, value) not in had:
            raise Problem(
                "forbidden", f"{key} of an upstream is for admins to set: it leads past this server's checks"
            )
    if _follows_pip(document) and not (before is not None and _follows_pip(before)):
        raise Problem(
            "forbidden", "to follow pip's settings on this host is for admins to set: name the upstreams"
        )


def hide_closed(actor: Actor, document: Document) -> dict[str, Any]:
    """Return a feed's document with `***` for the names of feeds that the actor may not read."""
    shown = dict(document)
    if isinstance(sources := document.get("curated_from"), list):
        shown["curated_from"] = [MASK if _is_closed(actor, name) else name for name in sources]
    if isinstance(upstreams := document.get("upstreams"), list):
        shown["upstreams"] = [
            {**each, "feed": MASK} if _is_closed(actor, _feed_of(each)) else each for each in upstreams
        ]
    return shown


def restore_closed(actor: Actor, document: Document, before: Document | None) -> dict[str, Any]:
    """Return the document with the names that `hide_closed` had hidden, in their order. Raises Problem."""
    restored, former = dict(document), before if before is not None else {}
    if isinstance(sources := document.get("curated_from"), list):
        kept = [name for name in _list(former, "curated_from") if _is_closed(actor, name)]
        restored["curated_from"] = list(_kept("curated_from", sources, [(MASK, name) for name in kept]))
    if isinstance(upstreams := document.get("upstreams"), list):
        closed = [each for each in _list(former, "upstreams") if _is_closed(actor, _feed_of(each))]
        restored["upstreams"] = list(
            _kept("upstreams", upstreams, [({**each, "feed": MASK}, each) for each in closed])
        )
    return restored


def _kept(place: str, given: list[Any], closed: list[tuple[Any, Any]]) -> Iterator[Any]:
    """Yield what is given, and what is kept for each `***`: `closed` has both, in their order.

    Which is which is clear only while all of them are there and as they were.
    """
    hidden = [number for number, each in enumerate(given) if MASK in (each, _feed_of(each))]
    if hidden and [given[number] for number in hidden] != [shown for shown, _ in closed]:
        message = (
            f"what is taken from feeds that this key may not read ({MASK}) stays as it is, all of it, or goes"
        )
        raise refused([(f"{place}[{hidden[0]}]", message)])
    kept = iter(closed)
    for number, each in enumerate(given):
        yield next(kept)[1] if number in hidden else each


def _is_closed(actor: Actor, name: object) -> bool:
    return isinstance(name, str) and name != MASK and not actor.may("read", name)


def _feed_of(upstream: object) -> object:
    return upstream.get("feed") if isinstance(upstream, dict) else None


def _list(document: Document, key: str) -> list[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _unusable(
    actor: Actor, document: Document, former: Document, may_use_policy: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    """Yield place and reason of every name that the actor may not use; what is kept as it was is no new use."""
    taken = [what for _, _, what in _feeds(former)]
    for place, name, what in _feeds(document):
        if what not in taken and not actor.may("read", name):
            yield place, f"there is no feed {name} that this key may read"
    policy = document.get("policy")
    if isinstance(policy, str) and policy != former.get("policy") and not may_use_policy(policy):
        yield "policy", f"there is no policy {policy} that this key may read"
    aliases = _list(former, "aliases")
    for number, alias in enumerate(_list(document, "aliases")):
        if isinstance(alias, str) and alias not in aliases:
            yield f"aliases[{number}]", f"{alias} is no alias of this feed: admins give them"
    routes = [(which, name) for _, which, name in _named_routes(former)]
    for place, which, name in _named_routes(document):
        if (which, name) not in routes:
            yield place, f"there is no route {name} that this upstream has: admins give them"


def _feeds(document: Document) -> Iterator[tuple[str, str, object]]:
    """Yield place and name of every other feed that the document takes from, and what it takes: all, or what."""
    for number, upstream in enumerate(_list(document, "upstreams")):
        if isinstance(name := _feed_of(upstream), str):
            yield f"upstreams[{number}].feed", name, upstream
    for number, name in enumerate(_list(document, "curated_from")):
        if isinstance(name, str):
            yield f"curated_from[{number}]", name, name


def _named_routes(document: Document) -> Iterator[tuple[str, object, str]]:
    """Yield place, upstream and name of every route that is named; "direct" is none of these."""
    for number, (which, upstream) in enumerate(_upstreams(document)):
        route = upstream.get("route")
        if isinstance(route, str) and route != "direct":
            yield f"upstreams[{number}].route", which, route


def _reach(document: Document) -> Iterator[tuple[object, str, object]]:
    """Yield (which upstream, key, value) of all that is an admin's."""
    for which, upstream in _upstreams(document):
        for key in ("allow_private", "client_cert"):
            if upstream.get(key):
                yield which, key, upstream[key]
        auth, route = upstream.get("auth"), upstream.get("route")
        if isinstance(auth, dict) and auth.get("netrc"):
            yield which, "auth.netrc", True
        if isinstance(route, dict):
            yield which, f"route.{next(iter(route))}" if route else "route", route
        elif route == "direct":
            yield which, "route", route
        if any(upstream.get(key) for key in _WAYS) or isinstance(route, dict):
            yield from ((which, key, host) for key, host in _other_hosts(upstream))


def _upstreams(document: Document) -> Iterator[tuple[object, Document]]:
    """Yield every upstream with its URLs, as they are shown; {} for one that is no more than a URL."""
    given = _list(document, "upstreams")
    for told, upstream in zip(_list(masked("feeds", document), "upstreams"), given, strict=True):
        is_table = isinstance(told, dict)
        yield told.get("url", told.get("urls")) if is_table else told, upstream if is_table else {}


def _other_hosts(upstream: Document) -> Iterator[tuple[str, object]]:
    """Yield what leads to other hosts than the upstream's URLs, by key."""
    for key in ("json_api", "files_base", "redirect_hosts"):
        value = upstream.get(key)
        yield from ((key, each) for each in (value if isinstance(value, list) else [value]) if each)


def _follows_pip(document: Document) -> bool:
    return document.get("kind") == "pypi" and not {"upstreams", "curated_from"} & set(document)
