"""The guard: who asks, and whether that one may read the feed in question, before any handler runs (law 3).

A feed that may be read without a key is open to every request, whatever key comes along: clients send what netrc
has for a host. Elsewhere a wrong key is a 401, as is none. Who has a key without `read` on a feed is told what an
unknown feed is told, so that nobody learns which closed feeds there are.
"""

import hmac
from collections.abc import Callable

from multidict import MultiMapping

from proxy.config.settings import Settings
from proxy.model.actor import ANONYMOUS, Actor, Grant
from proxy.web.credentials import presented
from proxy.web.routes import Found

_SAFE = frozenset({"GET", "HEAD"})


class Guard:
    """Asked once for every request; `settings` gives those in force."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._of: Settings | None = None
        self._nobody = ANONYMOUS

    def admit(self, found: Found, method: str, headers: MultiMapping[str], address: str) -> Actor:
        """Return who asks. Raises Problem for who may not even know what is there."""
        settings = self._settings()
        if settings is not self._of:
            self._learn(settings)
        value = presented(headers, found.params)
        actor = self._nobody if value is None else self._holder(value, settings) or self._nobody
        return actor if method in _SAFE else actor.at(address)

    def _learn(self, settings: Settings) -> None:
        grants = tuple(Grant(feed.name, ("read",)) for feed in settings.feeds.values() if feed.anonymous)
        self._nobody = ANONYMOUS.with_grants(grants)
        self._of = settings

    def _holder(self, value: str, settings: Settings) -> Actor | None:
        admin = settings.admin_key
        if admin is not None and hmac.compare_digest(value.encode(), admin.reveal().encode()):
            return Actor("admin", "admin key", is_admin=True)
        return None


#: Admits everybody as nobody in particular.
Admit = Callable[[Found, str, MultiMapping[str], str], Actor]


def nobody(found: Found, method: str, headers: MultiMapping[str], address: str) -> Actor:
    """Return the actor of a server without feeds."""
    return ANONYMOUS
