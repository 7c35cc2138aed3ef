"""What only an admin may give a feed: ways into this machine and its network, which the right `manage` is not about.

Private addresses, an outbound proxy of one's own (which is exempt from the guard of addresses), this machine's
certificates and netrc. An upstream that has one keeps it through everybody's edits, for as long as its URLs stay; which
other hosts it may ask at private addresses (`upstream/reach.py`) is an admin's to say, too.

Nor is `manage` about other feeds: a feed's readers get what it takes from them, so whoever names one must be able to
read it, and is told of one that is closed to him what is told of one that is not there. What an admin takes from such
a feed stays as it is: neither does a source become an upstream, nor does an upstream get other names.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.config.masks import masked
from proxy.model.actor import Actor
from proxy.model.problem import Problem
from proxy.web.api.body import refused

Document = Mapping[str, Any]


def check_reach(actor: Actor, document: Document, before: Document | None) -> None:
    """Refuse a feed's document with more reach than the feed has. Raises Problem."""
    if actor.is_admin:
        return
    former = [taken for _, _, taken in _feeds(before)] if before is not None else []
    unread = [
        (place, f"there is no feed {name} that this key may read")
        for place, name, taken in _feeds(document)
        if taken not in former and not actor.may("read", name)
    ]
    if unread:
        raise refused(unread)
    had = list(_reach(before)) if before is not None else []
    for upstream, key, value in _reach(document):
        if (upstream, key, value) not in had:
            raise Problem(
                "forbidden", f"{key} of an upstream is for admins to set: it leads into the server's network"
            )


def _feeds(document: Document) -> Iterator[tuple[str, str, object]]:
    """Yield place and name of every other feed that the document takes from, and what it takes: all, or what."""
    upstreams, sources = document.get("upstreams"), document.get("curated_from")
    for number, upstream in enumerate(upstreams if isinstance(upstreams, list) else []):
        if isinstance(upstream, dict) and isinstance(upstream.get("feed"), str):
            yield f"upstreams[{number}].feed", upstream["feed"], upstream
    for number, name in enumerate(sources if isinstance(sources, list) else []):
        if isinstance(name, str):
            yield f"curated_from[{number}]", name, name


def _reach(document: Document) -> Iterator[tuple[object, str, object]]:
    """Yield (which upstream, key, value) of all that is an admin's."""
    upstreams = masked("feeds", document).get("upstreams")
    given = document.get("upstreams")
    if not isinstance(upstreams, list) or not isinstance(given, list):
        return
    for told, upstream in zip(upstreams, given, strict=True):
        if not isinstance(upstream, dict):
            continue
        which = told.get("url", told.get("urls"))
        for key in ("allow_private", "client_cert"):
            if upstream.get(key):
                yield which, key, upstream[key]
        if upstream.get("allow_private"):
            yield from ((which, key, host) for key, host in _private_hosts(upstream))
        auth, route = upstream.get("auth"), upstream.get("route")
        if isinstance(auth, dict) and auth.get("netrc"):
            yield which, "auth.netrc", True
        if isinstance(route, dict):
            yield from (
                (which, f"route.{key}", route[key]) for key in ("proxy", "ca_files") if route.get(key)
            )


def _private_hosts(upstream: Document) -> Iterator[tuple[str, object]]:
    """Yield what opens private addresses beside the upstream's URLs, by key."""
    for key in ("json_api", "files_base", "redirect_hosts"):
        value = upstream.get(key)
        yield from ((key, each) for each in (value if isinstance(value, list) else [value]) if each)
