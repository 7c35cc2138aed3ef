"""`/api/v1/feeds/{feed}/explain`: why an artifact, or what a spec means, can be had or not (contract, section 5).

A program gets JSON, a browser the same as a page (contract, section 10).
"""

from collections.abc import Callable, Sequence
from functools import wraps

import msgspec

from proxy.config.settings import Feed, Settings
from proxy.feeds.explain import Explainer, ExplainItem, is_artifact, with_missing
from proxy.feeds.listing import for_readers
from proxy.feeds.promotion.lacks import Lacks
from proxy.model.actor import Actor
from proxy.model.problem import Problem
from proxy.web import why_page
from proxy.web.accept import prefers_page
from proxy.web.access_rights import may_read_policy
from proxy.web.api.answer import Told, answering
from proxy.web.api.asked import cut, limit_of
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.outbound import Outbound
from proxy.web.routes import Route

#: Characters of a question.
LONGEST = 500
_VARY = (("Vary", "Accept"),)
#: Of so many names it is told what is wrong with them.
_MOST_NOTED = 20


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the artifacts that were meant; `next` is the cursor of the following page, null at the end."""

    feed: str
    items: list[ExplainItem]
    next: str | None = None
    #: What of the names that were meant goes on working only in part, one line each: what, why and since when.
    notes: list[str] = []


class ExplainApi:
    """The handlers."""

    def __init__(self, served: Served, lacks: Lacks) -> None:
        self._served = served
        self._lacks = lacks

    def routes(self) -> tuple[Route, ...]:
        asks = ("artifact", "spec", "limit", "cursor")
        as_json = answering(self.explain, asks=asks)

        @wraps(as_json)
        async def negotiated(request: Inbound) -> Outbound:
            is_page = prefers_page(request.header("Accept"))
            return await (self.page(request) if is_page else as_json(request))

        return (Route(("GET",), "/api/v1/feeds/{feed}/explain", negotiated),)

    async def explain(self, request: Inbound) -> Told[Explanation]:
        """Say of each artifact that is meant what is decided, by which rule, why and until when."""
        feed, _, items = await self._explained(request)
        some, following = await self._listed(request, feed, items)
        listing = self._served.listing(feed)
        names = dict.fromkeys(str(item.facts.get("name") or item.artifact) for item in some[:_MOST_NOTED])
        notes = dict.fromkeys(note for name in names for note in listing.notes_of(name))
        told = Explanation(feed=feed.name, items=some, next=following, notes=list(notes))
        return Told(told, _VARY)

    async def page(self, request: Inbound) -> Outbound:
        """Say the same to a person."""
        feed, text, items = await self._explained(request)
        some, following = await self._listed(request, feed, items)
        query = (
            why_page.query_of(
                artifact=request.query_value("artifact"), spec=request.query_value("spec"),
                limit=request.query_value("limit"), cursor=following,
            )
            if following is not None
            else None
        )  # fmt: skip
        return why_page.answer(why_page.Explained(feed.name, text, feed.contact, items, some, query))

    async def _explained(self, request: Inbound) -> tuple[Feed, str, list[ExplainItem]]:
        """Return the feed, what was asked and all that is meant, as the asker may know it."""
        feed = self._served.feed(request)
        explainer = Explainer(feed, self._served.listing(feed))
        artifact, spec = request.query_value("artifact"), request.query_value("spec")
        text = artifact or spec
        if not text or (artifact and spec) or len(text) > LONGEST or not text.isprintable():
            detail = f"artifact=FILE or spec=SPEC is asked for, one of them, at most {LONGEST} characters"
            raise Problem("unprocessable", detail, feed=feed.name)
        # Who pastes a file name as a spec means the file.
        is_file = artifact is not None or is_artifact(feed.kind, text)
        items = await (explainer.artifact(text) if is_file else explainer.spec(text, page_of(request)))
        return feed, text, known_to(request.actor, self._served.settings, feed.name, items)

    async def _listed(
        self, request: Inbound, feed: Feed, items: Sequence[ExplainItem]
    ) -> tuple[list[ExplainItem], str | None]:
        """Return the page that is asked for, with what approved files need and lack, and the cursor of the next."""
        some, following = cut(request, items, lambda item: item.artifact)
        shown = [(str(item.facts.get("name", "")), item.artifact) for item in some if item.is_shown]
        missing = await self._lacks.of(feed, self._served.listing(feed), shown)
        return [with_missing(item, missing.get(item.artifact, ())) for item in some], following


def known_to(actor: Actor, settings: Settings, feed: str, items: Sequence[ExplainItem]) -> list[ExplainItem]:
    """Return what is explained of a feed as the asker may know it.

    Without the policies of feeds behind this one that the asker may not read, and without a hidden file's digests for
    who may not accept its change.
    """
    named = {item.policy for item in items if item.policy is not None}
    unknown = {name for name in named if not may_read_policy(actor, settings, name)}
    told = [msgspec.structs.replace(item, policy=None) if item.policy in unknown else item for item in items]
    if actor.may("manage", feed):
        return told
    return [msgspec.structs.replace(item, change=for_readers(item.change)) for item in told]


def page_of(request: Inbound) -> Callable[[Sequence[ExplainItem]], bool]:
    """Return what says whether the items at hand are all of the page that is asked for, and show that there is more."""
    limit, cursor = limit_of(request), request.query_value("cursor")

    def is_enough(items: Sequence[ExplainItem]) -> bool:
        if cursor is None:
            return len(items) > limit
        places = (place for place, item in enumerate(items, start=1) if item.artifact == cursor)
        begin = next(places, None)
        return begin is not None and len(items) > begin + limit

    return is_enough
