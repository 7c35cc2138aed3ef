"""Rights asked for by handlers, and what is told to those who lack them (contract, section 3).

Reading a feed is checked at the door (`guard.py`) before any handler runs; a handler asks here for what it needs
beyond that. Who may not read a feed is told that there is none.
"""

from proxy.config.settings import Settings
from proxy.model.actor import Actor, Right
from proxy.model.problem import Problem


def require(actor: Actor, right: Right, feed: str) -> None:
    """Return if the actor has the right on the feed, which goes by its own name. Raises Problem."""
    if actor.may(right, feed):
        return
    if actor.is_anonymous:
        raise Problem("unauthorized", f"this needs a key with the right {right} on the feed")
    if not actor.may("read", feed):
        raise Problem("unknown", f"there is no feed {feed}")
    raise Problem(
        "forbidden", f"this needs the right {right} on the feed {feed}, which the key does not have"
    )


def require_a_right(actor: Actor) -> None:
    """Refuse who can change nothing at all, before a body of theirs is looked at. Raises Problem."""
    if actor.is_anonymous and all(right == "read" for grant in actor.grants for right in grant.rights):
        raise Problem("unauthorized", "this needs a key")


def require_admin(actor: Actor) -> None:
    """Return if the actor is an admin. Raises Problem."""
    if actor.is_admin:
        return
    if actor.is_anonymous:
        raise Problem("unauthorized", "this needs an admin's key")
    raise Problem("forbidden", "this needs an admin's key")


def named_to(actor: Actor, feed: str) -> str:
    """Return the name of a feed that another one's document speaks of, '' for who may not read it."""
    return feed if actor.may("read", feed) else ""


def may_read_policy(actor: Actor, settings: Settings, name: str) -> bool:
    """Return whether a policy may be told to the actor: to admins, and to who may read a feed that uses it."""
    return actor.is_admin or any(
        feed.policy == name and actor.may("read", feed.name) for feed in settings.feeds.values()
    )
