"""Actors: who asks, and what that one may do on which feed. Values only; `web/guard.py` makes them of requests.

`manage` implies `promote`, which implies `read`; an admin may all. What a feed grants to `anonymous`,
`authenticated` or `group:NAME` is among an actor's grants already, so nobody needs to look anywhere else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self

Right = Literal["read", "promote", "manage"]
#: Each implies those before it.
RIGHTS: tuple[Right, ...] = ("read", "promote", "manage")
EVERY_FEED = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights on a feed, by its own name (never an alias), or on every feed ('*')."""

    feed: str
    rights: tuple[Right, ...]

    def gives(self, right: Right, feed: str) -> bool:
        if self.feed not in (EVERY_FEED, feed):
            return False
        return any(RIGHTS.index(given) >= RIGHTS.index(right) for given in self.rights)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: the holder of a key, nobody in particular, or the server itself.

    `id` is a key's id, or one of the reserved words of the constants below; `name` is for people. `address` is the
    client's for a request that changes something, '' otherwise.
    """

    id: str
    name: str
    groups: tuple[str, ...] = ()
    is_admin: bool = False
    grants: tuple[Grant, ...] = ()
    address: str = ""

    @property
    def is_anonymous(self) -> bool:
        return self.id == "anonymous"

    def may(self, right: Right, feed: str) -> bool:
        """Return whether the actor has the right on the feed; '*' asks for every feed."""
        return self.is_admin or any(grant.gives(right, feed) for grant in self.grants)

    def at(self, address: str) -> Self:
        """Return the actor as seen from an address."""
        return replace(self, address=address)

    def with_grants(self, grants: Iterable[Grant]) -> Self:
        """Return the actor with more grants."""
        return replace(self, grants=(*self.grants, *grants))


#: A request without a key.
ANONYMOUS = Actor("anonymous", "anonymous")
#: Background work: what happens without anybody having asked for it in that moment.
SYSTEM = Actor("system", "system", is_admin=True)
#: Whoever works on the data folder itself, without a server: the folder's rights are the only check there can be.
LOCAL = Actor("local", "local command", is_admin=True)
