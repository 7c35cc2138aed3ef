"""Signposts: a feed's bare address, which people type and no client asks for, tells what to use instead.

A 404, because there is nothing; not a 405, which would say that something is there for other methods.
"""

from collections.abc import Callable

from proxy.config.addresses import feed_url
from proxy.config.settings import Feed, Settings
from proxy.model.problem import Problem
from proxy.web.inbound import Inbound
from proxy.web.outbound import Outbound
from proxy.web.routes import Route


class Signposts:
    """The handlers; `settings` gives those in force."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def routes(self) -> tuple[Route, ...]:
        """Return these lines of the table."""
        get = ("GET",)
        return (
            Route(get, "/pypi/{feed}/", self.pypi),
            Route(get, "/pypi/{feed}", self.pypi),
            Route(get, "/conda/{feed}/", self.conda),
        )

    async def pypi(self, inbound: Inbound) -> Outbound:
        """The index is one level below."""
        feed, url = self._feed(inbound, "pypi")
        detail = f"the index of this feed is simple/ below this address: {url}; / lists the lines to paste"
        raise Problem("unknown", detail, feed=feed.name)

    async def conda(self, inbound: Inbound) -> Outbound:
        """The address is the channel's, and what clients ask for is below it."""
        feed, url = self._feed(inbound, "conda")
        detail = (
            f"this is a channel for clients: conda config --add channels {url}; its indexes are "
            "below it, such as noarch/repodata.json; / lists the lines to paste"
        )
        raise Problem("unknown", detail, feed=feed.name)

    def _feed(self, inbound: Inbound, kind: str) -> tuple[Feed, str]:
        """Return the feed of a name or alias and its URL."""
        name, settings = inbound.params["feed"], self._settings()
        for feed in settings.feeds.values():
            if feed.kind == kind and name in (feed.name, *feed.aliases):
                return feed, feed_url(feed, settings.server, inbound.base_url)
        raise Problem("unknown", f"there is no such {kind} feed here; / lists the feeds")
