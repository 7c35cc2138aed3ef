"""The table of routes: a new URL is one line in it.

A pattern is a path whose segments are literals, `{name}` (one segment, not empty) or, at the end,
`{name...}` (the rest, one segment or more, joined by '/'). A trailing slash in the pattern stands for a
trailing slash in the path. The first match wins. HEAD is allowed wherever GET is. The pattern is also the
route's label in metrics and log, which keeps those bounded whatever is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from proxy.web.inbound import Inbound
from proxy.web.outbound import Handler, Outbound, Redirect

_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Route:
    """One line: methods, pattern, handler. `everywhere` answers outside the server's path prefix as well."""

    methods: tuple[str, ...]
    pattern: str
    handler: Handler
    everywhere: bool = False

    def allows(self, method: str) -> bool:
        return method in self.methods or (method == "HEAD" and "GET" in self.methods)

    @property
    def allowed(self) -> tuple[str, ...]:
        return (*self.methods, "HEAD") if "GET" in self.methods else self.methods


@dataclass(frozen=True, slots=True)
class Found:
    """The route of a request, the path below the prefix, and what the pattern captured."""

    route: Route
    segments: tuple[str, ...]
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unknown:
    """No route has such a path."""


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """The path is known, the method is not; `allow` is the value of the Allow header."""

    allow: str


async def _add_slash(inbound: Inbound) -> Outbound:
    """The server's own address below a prefix, without the slash that relative links count from."""
    return Redirect(location=f"{quote(inbound.params['last'])}/", status=302)


_MOUNT = Route(("GET",), "/", _add_slash)


class Routes:
    """The table, with the path prefix under which the server is mounted ('' or '/a/b')."""

    def __init__(self, routes: Iterable[Route], prefix: str = "") -> None:
        self._lines = tuple((route, _compile(route.pattern)) for route in routes)
        self._prefix = tuple(part for part in prefix.split("/") if part)

    def find(self, method: str, segments: tuple[str, ...]) -> Found | Unknown | NotAllowed:
        """Return what answers the method and canonical path."""
        depth = len(self._prefix)
        if depth and segments[:1] == ("t",) and segments[2 : 2 + depth] == self._prefix:
            # conda and rattler move a token to the very front of the path (fact sheet 2.3).
            segments = (*self._prefix, *segments[:2], *segments[2 + depth :])
        if depth and segments == self._prefix and _MOUNT.allows(method):
            return Found(_MOUNT, ("",), {"last": segments[-1]})
        is_inside = segments[:depth] == self._prefix and len(segments) > depth
        below = segments[depth:] if is_inside else segments
        allowed: list[str] = []
        for route, pattern in self._lines:
            if not (is_inside or route.everywhere):
                continue
            params = _match(pattern, below)
            if params is None:
                continue
            if route.allows(method):
                return Found(route, below, params)
            allowed += route.allowed
        return NotAllowed(", ".join(sorted(set(allowed)))) if allowed else Unknown()

    def labels(self) -> Sequence[str]:
        """Return every pattern once, in the table's order."""
        return tuple(dict.fromkeys(route.pattern for route, _ in self._lines))


@dataclass(frozen=True, slots=True)
class _Segment:
    text: str
    kind: str  # "literal", "one" or "rest"


def _compile(pattern: str) -> tuple[_Segment, ...]:
    if not pattern.startswith("/"):
        raise ValueError(f"a route's pattern starts with a slash: {pattern!r}")
    parts = tuple(_segment(part) for part in pattern.split("/")[1:])
    if any(part.kind == "rest" for part in parts[:-1]):
        raise ValueError(f"only the last segment may capture the rest: {pattern!r}")
    return parts


def _segment(part: str) -> _Segment:
    if part.startswith("{") and part.endswith("...}"):
        return _Segment(part[1:-4], "rest")
    if part.startswith("{") and part.endswith("}"):
        return _Segment(part[1:-1], "one")
    return _Segment(part, "literal")


def _match(pattern: tuple[_Segment, ...], segments: tuple[str, ...]) -> Mapping[str, str] | None:
    takes_rest = pattern[-1].kind == "rest"
    if len(segments) < len(pattern) or (len(segments) > len(pattern) and not takes_rest):
        return None
    params: dict[str, str] = {}
    for place, part in enumerate(pattern):
        text = "/".join(segments[place:]) if part.kind == "rest" else segments[place]
        if part.kind == "literal":
            if text != part.text:
                return None
        elif not text:
            return None
        else:
            params[part.text] = text
    return params or _NO_PARAMS
