"""Statuses: what an answer that is no success means (contract, section 3). Pure.

The origin's own 401, 403 and 407 are never passed on, nor are their challenges. A 407 of a plain-http
request through an outbound proxy is the proxy's; a 407 out of a tunnel, or without a proxy, is the
origin's, however odd.
"""

from collections.abc import Mapping
from datetime import datetime

from proxy.upstream.errors import AuthRefused, BadAnswer, Looped, Overloaded, ProxyAuthRefused, UpstreamError
from proxy.upstream.headers import retry_after_s

#: Statuses above 500 by which an origin that works says that it does not do such a thing.
NOT_DONE = frozenset({501, 505})


def refused(
    status: int, headers: Mapping[str, str], *, origin: str, is_proxied_plainly: bool, now: datetime
) -> UpstreamError:
    """Return the error for a status that nobody can use."""
    if status == 407 and is_proxied_plainly:
        return ProxyAuthRefused("proxy", "the outbound proxy refused our credentials (407)", origin=origin)
    # Some proxies, such as tinyproxy, say 401 where 407 is meant; without a tunnel nobody can tell who spoke.
    perhaps = ", or the outbound proxy did" if is_proxied_plainly else ""
    if status in (401, 403, 407):
        detail = f"the origin refused the request ({status}){perhaps}"
        return AuthRefused("origin", detail, origin=origin, status=status)
    if status == 508:
        return Looped("origin", "the upstreams lead back to this server (508)", origin=origin, status=status)
    if status in (408, 425, 429) or 500 <= status <= 599:
        wait = retry_after_s(headers, now)
        return Overloaded(
            "origin",
            f"the origin answered {status}{perhaps}",
            origin=origin,
            status=status,
            retry_after_s=wait,
        )
    return BadAnswer("origin", f"an answer without a meaning here ({status})", origin=origin, status=status)
