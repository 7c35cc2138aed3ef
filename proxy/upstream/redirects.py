"""Redirects: where a 3xx leads, decided by hand (design, law 2; A12). Pure.

At most five. A space in a Location is sent as `%20`, as pip and uv do. Never from https to http. Only to http and
https. Where `redirect_hosts` is set, only to those hosts and the upstream's own. What a private upstream's index asks
for stays at its own origins and in `redirect_hosts`: nobody else may learn its names. What happens to
credentials is not decided here but where requests are made: they belong to an origin and are dropped, for good, with
the first step to another one (remote requests in `walk.py`).
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from proxy.upstream.errors import AddressRefused, RedirectRefused
from proxy.upstream.target import Target, join, parse_target

MAX_REDIRECTS = 5
STATUSES = frozenset({301, 302, 303, 307, 308})


def follow(
    at: Target, location: str | None, *, allowed_hosts: Iterable[str] = (), own_hosts: Iterable[str] = ()
) -> Target:
    """Return the target of the redirect; raise RedirectRefused."""
    if not location:
        raise RedirectRefused("origin", "a redirect without a Location", origin=at.origin)
    try:
        target = parse_target(join(at.url, _escaped(location)))
    except AddressRefused as error:
        refused = RedirectRefused(
            "guard", f"a redirect to a URL that is refused: {error.detail}", origin=at.origin
        )
    else:
        refused_why = _why_not(at, target, tuple(allowed_hosts), tuple(own_hosts))
        if refused_why is None:
            return target
        refused = RedirectRefused("guard", refused_why, origin=at.origin)
    raise refused


def away(
    at: Target, location: str | None, *, allowed_hosts: Iterable[str] = (), own_origins: Iterable[str] = ()
) -> Target | None:
    """Return where a redirect leads if that is neither an origin of the upstream's own nor among `redirect_hosts`."""
    if not location:
        return None
    try:
        target = parse_target(join(at.url, _escaped(location)))
    except AddressRefused:
        return None
    is_upgrade = target.host == at.host and (at.scheme, target.scheme) == ("http", "https")
    if target.origin == at.origin or is_upgrade or target.origin in own_origins:
        return None
    is_allowed = any(fnmatchcase(target.host, pattern.lower()) for pattern in allowed_hosts)
    return None if is_allowed else target


def _escaped(location: str) -> str:
    return location.strip(" ").replace(" ", "%20")


def _why_not(at: Target, target: Target, allowed: tuple[str, ...], own: tuple[str, ...]) -> str | None:
    if at.scheme == "https" and target.scheme == "http":
        return "a redirect from https to http"
    if not allowed or target.host in own or target.host == at.host:
        return None
    if any(fnmatchcase(target.host, pattern.lower()) for pattern in allowed):
        return None
    return "a redirect to a host that is not among redirect_hosts"
