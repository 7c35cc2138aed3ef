"""`notices.json` (CEP 6): what conda and rattler tell their users about a channel. Ours: how much a policy hides,
and why a curated feed is empty.

A client shows a notice once for each id, so the id is made of what the notice says.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

#: Clients keep notices for up to a day; one that is still true is written anew in time.
_LIFE = timedelta(days=7)


class Notice(msgspec.Struct, frozen=True):
    """One notice; both times are RFC 3339."""

    id: str
    message: str
    level: str
    created_at: str
    expires_at: str


def hidden_notice(feed: str, hidden: int, ask: str, at: datetime) -> Notice | None:
    """Return the notice of a feed that hides this many packages; `ask` says where to. None where it hides nothing."""
    if not hidden:
        return None
    packages = "1 package is" if hidden == 1 else f"{hidden} packages are"
    return _notice(feed, f"{packages} hidden from the feed {feed} by its policy. {ask}", at)


def empty_notice(feed: str, at: datetime) -> Notice:
    """Return the notice of a curated feed in which nothing is approved."""
    message = (
        f"The feed {feed} shows only packages that were approved, and none is so far. Ask a reviewer of it."
    )
    return _notice(feed, message, at)


def _notice(feed: str, message: str, at: datetime) -> Notice:
    name = hashlib.sha256(message.encode()).hexdigest()[:16]
    return Notice(f"feedgate-{feed}-{name}", message, "info", at.isoformat(), (at + _LIFE).isoformat())


def render_notices(notices: Iterable[Notice]) -> bytes:
    """Return a notices.json."""
    return msgspec.json.encode({"notices": list(notices)})
