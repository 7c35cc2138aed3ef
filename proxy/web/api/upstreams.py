"""Upstreams as the management API tells them: where they are, and how they do, in words. No credential is told.

How they do is known from the requests that were made anyway; nothing is asked for an answer.
"""

from datetime import datetime

import msgspec

from proxy.config.settings import Feed, Upstream
from proxy.model.actor import Actor
from proxy.upstream.chain import Chain, chain_of
from proxy.upstream.health import RemoteHealth
from proxy.web.api.served import Served
from proxy.web.text import escape_line


class UpstreamHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`state` is `answering`, `failing`, `resting` (left alone for a while after failures), `unasked` or `offline`."""

    state: str
    #: One line for a person.
    detail: str
    last_success_at: str | None = None
    last_failure_at: str | None = None


class UpstreamAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream: mirrors of one thing, or another feed of this server."""

    id: str
    urls: list[str]
    feed: str | None
    private: bool
    health: UpstreamHealth
    #: How its requests leave, and which setting or variable decided each part; null where nothing leaves.
    chain: Chain | None


def upstreams_of(feed: Feed, served: Served, actor: Actor) -> list[UpstreamAnswer]:
    """Return the upstreams of a feed in their order.

    Who does not manage the feed is told no proxy's user and no path, who may not read another feed not its name.
    """
    known = served.health
    return [
        UpstreamAnswer(
            id=upstream.id, urls=[str(url) for url in upstream.urls], feed=_named(upstream.feed, actor),
            private=upstream.private, health=_health(feed, upstream, known.get(upstream.id), actor),
            chain=_chain(feed, number, served, actor.may("manage", feed.name)),
        )
        for number, upstream in enumerate(feed.upstreams)
    ]  # fmt: skip


def _chain(feed: Feed, number: int, served: Served, is_manager: bool) -> Chain | None:
    place = f"feeds.{feed.name}.upstreams[{number}]"
    chain = chain_of(served.settings, feed.upstreams[number], place, served.door.environ)
    return chain if chain is None or is_manager else chain.for_readers()


def _named(feed: str | None, actor: Actor) -> str | None:
    return feed if feed is not None and actor.may("read", feed) else None


def _health(feed: Feed, upstream: Upstream, known: RemoteHealth | None, actor: Actor) -> UpstreamHealth:
    if feed.offline:
        return UpstreamHealth(state="offline", detail="not asked: the feed is offline")
    if upstream.feed is not None:
        see = f": see {upstream.feed}" if _named(upstream.feed, actor) else ""
        return UpstreamHealth(state="answering", detail=f"a feed of this server{see}")
    if known is None or (known.last_success_at is None and known.last_failure_at is None):
        return UpstreamHealth(state="unasked", detail="not asked since the start")
    state, detail = _told(known)
    return UpstreamHealth(
        state=state, detail=escape_line(detail), last_success_at=_stamp(known.last_success_at),
        last_failure_at=_stamp(known.last_failure_at),
    )  # fmt: skip


def _told(known: RemoteHealth) -> tuple[str, str]:
    error = known.last_error or "no answer"
    if known.breakers:
        return "resting", f"left alone for a while after failures in a row: {error}"
    succeeded = known.last_success_at
    if known.is_failing:
        since = f"since {_stamp(succeeded)}" if succeeded is not None else "since the start"
        return "failing", f"no good answer {since}: {error}"
    pace = f", in {known.latency_s * 1000:.0f} ms on average" if known.latency_s is not None else ""
    return "answering", f"last answered {_stamp(succeeded)}{pace}"


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")
