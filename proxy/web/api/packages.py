"""`/api/v1/feeds/{feed}/packages`: a feed's names, and every artifact of a name with its verdict."""

import msgspec

from proxy.feeds.listing import Ask, NamePage, Package, State, for_readers
from proxy.model.problem import Problem
from proxy.web.api.answer import answering
from proxy.web.api.asked import choice_of, cursor_of, limit_of
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route


class PackagesApi:
    """The handlers."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                ("GET",),
                "/api/v1/feeds/{feed}/packages",
                answering(self.packages, asks=("q", "state", "limit", "cursor")),
            ),
            Route(("GET",), "/api/v1/feeds/{feed}/packages/{name}", answering(self.package)),
        )

    async def packages(self, request: Inbound) -> NamePage:
        """List names in the order of the alphabet; the cursor is the last name of a page."""
        listing = self._served.listing(self._served.feed(request))
        ask = Ask(
            limit=limit_of(request), q=request.query_value("q") or "", state=choice_of(request, "state", State),
            after=cursor_of(request, listing.is_name),
        )  # fmt: skip
        return await listing.names(ask)

    async def package(self, request: Inbound) -> Package:
        """Tell every artifact of a name."""
        feed, name = self._served.feed(request), request.params["name"]
        listing = self._served.listing(feed)
        if not listing.is_name(name):
            raise Problem("unknown", "this is no name of a package", feed=feed.name)
        package = await listing.package(name)
        if request.actor.may("manage", feed.name):
            return package
        told = [msgspec.structs.replace(item, change=for_readers(item.change)) for item in package.items]
        return msgspec.structs.replace(package, items=told)
