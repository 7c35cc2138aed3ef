"""`/why/{feed}/{name}`: what a feed shows and hides of a package, by which rule, until when, whom to ask (contract, 3).

A page for people, whatever the kind, because no client shows all of a refusal; it asks no origin, and says what
`explain` would say to whoever asks. The same page stands in place of explain's JSON for browsers, and of the index of a
project of which something is hidden.
"""

from proxy.config.settings import Feed
from proxy.feeds.explain import Explainer, ExplainItem, is_artifact
from proxy.model.problem import Problem
from proxy.web import why_page
from proxy.web.accept import prefers_json
from proxy.web.api.answer import answering
from proxy.web.api.asked import cut
from proxy.web.api.explain import LONGEST, Explanation, known_to
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.outbound import Bytes, Outbound
from proxy.web.routes import Route

#: What is not held, and so not known here.
_UNHELD = ("absent", "unlisted")
#: The index of the project whose page this is, whoever asks.
_INDEX = "?format=application/vnd.pypi.simple.v1%2Bhtml"


class Why:
    """The handlers, and the page of a project for the kinds."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._as_json = answering(self.explanation)

    def routes(self) -> tuple[Route, ...]:
        """Return these lines of the table; a key may stand in front, as in a channel's address."""
        get = ("GET",)
        return (
            Route(get, "/why/{feed}/{name}", self.why),
            Route(get, "/t/{token}/why/{feed}/{name}", self.why),
        )

    async def why(self, request: Inbound) -> Outbound:
        """Explain a name, or a file by its name, by what is known here."""
        if prefers_json(request.header("Accept")):
            return await self._as_json(request)
        feed, items = await self._asked(request)
        return why_page.answer(self._told(request, feed, request.params["name"], items))

    async def explanation(self, request: Inbound) -> Explanation:
        """Explain the same to a program."""
        feed, items = await self._asked(request)
        some, following = cut(request, items, lambda item: item.artifact)
        return Explanation(feed=feed.name, items=some, next=following)

    async def of_project(self, request: Inbound, feed: Feed, name: str) -> Bytes | None:
        """Return the page that stands in place of a PyPI project's index; None where nothing of it is hidden.

        Its status is the index's. What is not held is not known here, so it is not explained.
        """
        try:
            items = await self._explained(request, feed, name)
        except Problem:
            return None
        is_unheld = len(items) == 1 and (items[0].outcome, items[0].rule) == _UNHELD
        if is_unheld or all(item.is_shown for item in items):
            return None
        is_shown = any(item.is_shown for item in items)
        has_index = is_shown or feed.blocked_project == "empty" or items[0].rule == "quarantine"
        told = self._told(request, feed, name, items, _INDEX if has_index else None)
        return why_page.answer(told, 200 if has_index else int(feed.blocked_project))

    # -- parts ---------------------------------------------------------------------------------------------

    async def _asked(self, request: Inbound) -> tuple[Feed, list[ExplainItem]]:
        feed, text = self._served.feed(request), request.params["name"]
        if not text or len(text) > LONGEST or not text.isprintable():
            raise Problem("unknown", "this is no name of a package", feed=feed.name)
        return feed, await self._explained(request, feed, text)

    async def _explained(self, request: Inbound, feed: Feed, text: str) -> list[ExplainItem]:
        """Return what is known here, what is hidden first."""
        explainer = Explainer(feed, self._served.listing(feed))
        is_file = is_artifact(feed.kind, text)
        items = await (explainer.artifact(text, offline=True) if is_file else explainer.name(text))
        known = known_to(request.actor, self._served.settings, feed.name, items)
        return sorted(known, key=lambda item: item.is_shown)

    def _told(
        self, request: Inbound, feed: Feed, asked: str, items: list[ExplainItem], index: str | None = None
    ) -> why_page.Explained:
        some, following = cut(request, items, lambda item: item.artifact)
        query = why_page.query_of(limit=request.query_value("limit"), cursor=following)
        return why_page.Explained(
            feed.name, asked, feed.contact, items, some, query if following is not None else None, index
        )
