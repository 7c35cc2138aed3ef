"""What the management API speaks about: the feeds as they are now, and what is known of their upstreams."""

from collections.abc import Callable, Mapping

from proxy.config.settings import Feed, Settings
from proxy.feeds.listing import Listing
from proxy.model.problem import Problem
from proxy.upstream.door import Door
from proxy.upstream.health import RemoteHealth
from proxy.web.inbound import Inbound


class Served:
    """Asked anew for every request, because a reload swaps the feeds. `listings` go by a feed's own name."""

    def __init__(
        self, settings: Callable[[], Settings], listings: Callable[[], Mapping[str, Listing]],
        door: Door,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._listings = listings
        #: Every way out of this server.
        self.door = door

    @property
    def settings(self) -> Settings:
        return self._settings()

    @property
    def health(self) -> Mapping[str, RemoteHealth]:
        """What is known of each upstream, by its id."""
        return self.door.health()

    def feed(self, request: Inbound) -> Feed:
        """Return the feed that the path names, by name or alias. Raises Problem."""
        name = request.params["feed"]
        for feed in self.settings.feeds.values():
            if name == feed.name or name in feed.aliases:
                return feed
        raise Problem("unknown", f"there is no feed {name}")

    def listing(self, feed: Feed) -> Listing:
        """Return what a feed has."""
        return self._listings()[feed.name]
