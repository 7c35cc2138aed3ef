"""`/api/v1/feeds/{feed}/explain`: why an artifact, or what a spec means, can be had or not (contract, section 5)."""

from collections.abc import Callable, Sequence

import msgspec

from proxy.feeds.explain import Explainer, ExplainItem, is_artifact, with_missing
from proxy.feeds.listing import for_readers
from proxy.feeds.promotion.lacks import Lacks
from proxy.model.problem import Problem
from proxy.web.access_rights import may_read_policy
from proxy.web.api.answer import answering
from proxy.web.api.asked import cut, limit_of
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route

_LONGEST = 500


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the artifacts that were meant; `next` is the cursor of the following page, null at the end."""

    feed: str
    items: list[ExplainItem]
    next: str | None = None


class ExplainApi:
    """The handler."""

    def __init__(self, served: Served, lacks: Lacks) -> None:
        self._served = served
        self._lacks = lacks

    def routes(self) -> tuple[Route, ...]:
        asks = ("artifact", "spec", "limit", "cursor")
        return (Route(("GET",), "/api/v1/feeds/{feed}/explain", answering(self.explain, asks=asks)),)

    async def explain(self, request: Inbound) -> Explanation:
        """Say of each artifact that is meant what is decided, by which rule, why and until when."""
        feed = self._served.feed(request)
        explainer = Explainer(feed, self._served.listing(feed))
        artifact, spec = request.query_value("artifact"), request.query_value("spec")
        text = artifact or spec
        if not text or (artifact and spec) or len(text) > _LONGEST or not text.isprintable():
            detail = f"artifact=FILE or spec=SPEC is asked for, one of them, at most {_LONGEST} characters"
            raise Problem("unprocessable", detail, feed=feed.name)
        # Who pastes a file name as a spec means the file.
        is_file = artifact is not None or is_artifact(feed.kind, text)
        items = await (explainer.artifact(text) if is_file else explainer.spec(text, page_of(request)))
        some, following = cut(request, items, lambda item: item.artifact)
        shown = [(str(item.facts.get("name", "")), item.artifact) for item in some if item.is_shown]
        missing = await self._lacks.of(feed, self._served.listing(feed), shown)
        told = [self._told(request, with_missing(item, missing.get(item.artifact, ()))) for item in some]
        return Explanation(feed=feed.name, items=told, next=following)

    def _told(self, request: Inbound, item: ExplainItem) -> ExplainItem:
        """Return what is explained without the policy of a feed behind this one that the asker may not read, and

        without a hidden file's digests for who may not accept its change.
        """
        if not request.actor.may("manage", self._served.feed(request).name):
            item = msgspec.structs.replace(item, change=for_readers(item.change))
        is_known = item.policy is None or may_read_policy(request.actor, self._served.settings, item.policy)
        return item if is_known else msgspec.structs.replace(item, policy=None)


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
