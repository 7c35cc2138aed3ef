"""`/api/v1/feeds/{feed}/snippets`: the lines to paste for each client, with the server's URL as seen."""

import msgspec

from proxy.config.addresses import feed_url
from proxy.config.pastes import WARNINGS, pastes, why
from proxy.web.api.answer import answering
from proxy.web.api.asked import cut
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """One client's lines."""

    client: str
    text: str


class SnippetPage(msgspec.Struct, frozen=True, kw_only=True):
    """A feed's snippets, the usual client first; `warning` says what would get around the feed.

    `why` says where a person reads why a package is missing or refused.
    """

    feed: str
    url: str
    warning: str
    why: str
    items: list[Snippet]
    next: str | None


class SnippetsApi:
    """The handler."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                ("GET",), "/api/v1/feeds/{feed}/snippets", answering(self.snippets, asks=("limit", "cursor"))
            ),
        )

    async def snippets(self, request: Inbound) -> SnippetPage:
        """List the lines for every client."""
        feed, base_url = self._served.feed(request), request.base_url
        texts = [Snippet(client=client, text=text) for client, text in pastes(feed, base_url).items()]
        some, following = cut(request, texts, lambda snippet: snippet.client)
        return SnippetPage(
            feed=feed.name, url=feed_url(feed, self._served.settings.server, base_url), warning=WARNINGS[feed.kind],
            why=why(feed, base_url),
            items=some, next=following,
        )  # fmt: skip
