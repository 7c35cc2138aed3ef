"""`/api/v1/feeds/{feed}/owners`: which upstream of a feed each name belongs to (contract, section 1), and its release.

Who may manage the feed may release a name: the first upstream that has it then is its owner.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from proxy.config.settings import Feed
from proxy.model.actor import Actor
from proxy.model.audit_entry import AuditEntry
from proxy.model.problem import Problem
from proxy.model.redact import origin_of
from proxy.pypi.names import normalize
from proxy.state.owners import Owner, Owners
from proxy.web.access_rights import named_to, require
from proxy.web.api.answer import answering, changing
from proxy.web.api.asked import cursor_of, limit_of
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route


class OwnerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of a name."""

    feed: str
    name: str
    #: The upstream's id, as the feed's document has it.
    upstream: str
    #: Its origin, or "feed NAME"; null where no upstream of the feed has this id now, so that it counts no more.
    source: str | None
    since: str
    #: Whether it ever listed a file of the name: one that never did loses it to whoever lists one.
    has_listed: bool


class OwnerPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some owned names in the order of the alphabet; `next` is the cursor of the following page, null at the end."""

    items: list[OwnerAnswer]
    next: str | None


class Deciding(Protocol):
    """The feeds as they are now."""

    async def has_listed(self, feed: Feed, upstream: str, name: str) -> bool: ...

    async def decide_owners_anew(self, feed: Feed) -> None: ...


class OwnersApi:
    """The handlers; `deciding` gives the feeds in force."""

    def __init__(self, served: Served, owners: Owners, deciding: Callable[[], Deciding]) -> None:
        self._served = served
        self._owners = owners
        self._deciding = deciding

    def routes(self) -> tuple[Route, ...]:
        path = "/api/v1/feeds/{feed}/owners"
        return (
            Route(("GET",), path, answering(self.owners, asks=("q", "limit", "cursor"))),
            Route(("GET",), f"{path}/{{name}}", answering(self.owner)),
            Route(("DELETE",), f"{path}/{{name}}", changing(self.release)),
        )

    async def owners(self, request: Inbound) -> OwnerPage:
        """List the names that have an owner; the cursor is the last name of a page."""
        feed, limit = self._managed(request), limit_of(request)
        after = cursor_of(request, self._served.listing(feed).is_name) or ""
        containing = (request.query_value("q") or "").lower()
        found = await self._owners.some(feed.name, after=after, containing=containing, limit=limit + 1)
        items = [await self._answer(feed, owner, request.actor) for owner in found[:limit]]
        return OwnerPage(items=items, next=items[-1].name if len(found) > limit else None)

    async def owner(self, request: Inbound) -> OwnerAnswer:
        """Tell the owner of a name."""
        feed = self._managed(request)
        return await self._answer(feed, await self._find(feed, request), request.actor)

    async def release(self, request: Inbound) -> OwnerAnswer:
        """Forget the owner of a name: the first upstream that has it then is its owner."""
        feed = self._managed(request)
        owner = await self._find(feed, request)
        answer = await self._answer(feed, owner, request.actor)
        entry = AuditEntry(
            request.actor, "owner.release", owner.name, feed=feed.name,
            before={"upstream": owner.upstream, "since": answer.since, "has_listed": answer.has_listed},
            request_id=request.request_id,
        )  # fmt: skip
        await self._owners.release(feed.name, owner.name, entry)
        await self._deciding().decide_owners_anew(feed)
        return answer

    # -- parts ---------------------------------------------------------------------------------------------

    def _managed(self, request: Inbound) -> Feed:
        feed = self._served.feed(request)
        require(request.actor, "manage", feed.name)
        if feed.curated_from:
            raise Problem(
                "unprocessable",
                f"{feed.name} is curated: its names have no owners, but approvals",
                feed=feed.name,
            )
        return feed

    async def _find(self, feed: Feed, request: Inbound) -> Owner:
        asked = request.params["name"]
        is_name = self._served.listing(feed).is_name(asked)
        name = normalize(asked) if is_name and feed.kind == "pypi" else asked.lower()
        owner = await self._owners.find(feed.name, name) if is_name else None
        if owner is None:
            why = "" if len(feed.upstreams) > 1 else ": it has one upstream, which has every name"
            raise Problem("unknown", f"{feed.name} knows no owner of {asked}{why}", feed=feed.name)
        return owner

    async def _answer(self, feed: Feed, owner: Owner, actor: Actor) -> OwnerAnswer:
        return OwnerAnswer(
            feed=feed.name, name=owner.name, upstream=owner.upstream, source=_source(feed, owner.upstream, actor),
            since=_moment(owner.since_ms),
            has_listed=await self._deciding().has_listed(feed, owner.upstream, owner.name),
        )  # fmt: skip


def _source(feed: Feed, upstream: str, actor: Actor) -> str | None:
    found = next((each for each in feed.upstreams if each.id == upstream), None)
    if found is None:
        return None
    if found.feed is not None:
        return f"feed {named_to(actor, found.feed)}".rstrip()
    return origin_of(found.urls[0].reveal())


def _moment(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")
