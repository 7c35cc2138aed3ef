"""The walk: from a URL over its redirects to the answer that counts (design, law 2; A12, E04).

Credentials belong to an origin. They go to the upstream's own origins only, and with the first step to any
other origin they are dropped for the rest of the walk, even if it leads back: whoever chose that way is not
to be trusted with them. Everything else of a request (validators, range, who asks) goes along.

A request that `stays` is not followed to where nobody may learn of it: such an answer is that nothing is there.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from proxy.upstream.auth import NOTHING, Credentials
from proxy.upstream.errors import RedirectRefused
from proxy.upstream.redirects import MAX_REDIRECTS, STATUSES, away, follow
from proxy.upstream.target import Target
from proxy.upstream.wire import Request, Wire

_LOG = logging.getLogger("feedgate.upstream")


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for, wherever it leads. `is_index` answers have no digest to tell foreign bytes."""

    method: str
    target: Target
    headers: Mapping[str, str]
    is_index: bool
    #: Whether other origins than the upstream's own, and `redirect_hosts`, must not learn of it.
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Landed:
    """The answer that counts; `target` is where it came from, without any token."""

    response: aiohttp.ClientResponse
    target: Target
    is_proxied: bool
    #: It is a redirect that was not followed, because the request stays.
    is_elsewhere: bool = False

    @property
    def status(self) -> int:
        """The answer's status: what is elsewhere is not here."""
        return 404 if self.is_elsewhere else self.response.status


class Walk:
    """The walks of one upstream."""

    def __init__(
        self,
        wire: Wire,
        credentials: Credentials,
        *,
        allowed_hosts: tuple[str, ...],
        own_hosts: tuple[str, ...],
        own_origins: tuple[str, ...],
    ) -> None:
        self._wire = wire
        self._own_origins = own_origins
        self._credentials = credentials
        self._allowed_hosts = allowed_hosts
        self._own_hosts = own_hosts
        #: Whether a redirect was not followed; it is logged once.
        self._has_led_away = False

    async def to(self, ask: Ask) -> Landed:
        """Return where the ask leads; the caller closes the response. Raises UpstreamError."""
        target, is_home = ask.target, True
        own = await self._credentials.grant(target)
        for _ in range(MAX_REDIRECTS + 1):
            is_home = is_home and target.origin == ask.target.origin
            grant = await self._credentials.grant(target) if is_home else NOTHING
            # An origin may repeat the path it was asked for, and the token in it, in its Location.
            target = target if is_home else own.hide(target)
            request = Request(
                ask.method,
                grant.apply(target),
                ask.headers,
                grant.headers,
                is_own=is_home and target.origin in self._credentials.origins,
                is_pooled=not ask.is_index or (target.scheme == "https" and grant.is_empty),
            )
            response = await self._wire.send(request)
            if response.status not in STATUSES:
                return Landed(response, grant.hide(target), self._wire.proxy_for(target) is not None)
            location = response.headers.get("Location")
            if ask.stays and self._leads_away(request.target, location):
                return Landed(response, grant.hide(target), is_proxied=False, is_elsewhere=True)
            # Its body is not read, so the connection cannot go back to the pool.
            response.close()
            target = self._followed(request.target, location)
        raise RedirectRefused("origin", f"more than {MAX_REDIRECTS} redirects", origin=ask.target.origin)

    def _leads_away(self, at: Target, location: str | None) -> bool:
        target = away(at, location, allowed_hosts=self._allowed_hosts, own_origins=self._own_origins)
        if target is not None and not self._has_led_away:
            self._has_led_away = True
            _LOG.warning(
                "the index of a private upstream, at %s, redirects to %s, which is not asked: it counts as not there "
                "(a host that may be asked is named in redirect_hosts)",
                at.origin,
                target.origin,
            )
        return target is not None

    def _followed(self, at: Target, location: str | None) -> Target:
        return follow(at, location, allowed_hosts=self._allowed_hosts, own_hosts=self._own_hosts)
