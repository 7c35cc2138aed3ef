"""`/api/v1/routes`: the named ways out and which upstreams take them, for admins."""

from typing import Any

import msgspec

from proxy.config.schema import ROUTE
from proxy.config.settings import Route as WayOut
from proxy.model.problem import Problem
from proxy.web.access_rights import require_admin
from proxy.web.api.answer import Told, answering
from proxy.web.api.asked import cut
from proxy.web.api.origins import Origins
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route


class RouteAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A route. `settings` are the words of `[routes.NAME]`, secrets as `***`; `feeds` those with an upstream on it."""

    name: str
    #: "config.toml", the environment, or "API".
    source: str
    settings: dict[str, Any]
    #: What a PUT takes; null for what is not the API's.
    declared: dict[str, Any] | None
    feeds: list[str]


class RoutePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some routes; `next` is the cursor of the following page, null at the end."""

    items: list[RouteAnswer]
    next: str | None


class RoutesApi:
    """The handlers."""

    def __init__(self, served: Served, origins: Origins) -> None:
        self._served = served
        self._origins = origins

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(("GET",), "/api/v1/routes", answering(self.list, asks=("limit", "cursor"))),
            Route(("GET",), "/api/v1/routes/{route}", answering(self.route)),
        )

    async def list(self, request: Inbound) -> RoutePage:
        """List the named routes in the order of the settings."""
        require_admin(request.actor)
        some, following = cut(request, [*self._served.settings.routes.values()], lambda route: route.name)
        return RoutePage(items=[self._answer(route) for route in some], next=following)

    async def route(self, request: Inbound) -> Told[RouteAnswer]:
        """Tell everything about one route but its secrets."""
        require_admin(request.actor)
        route = self._served.settings.routes.get(request.params["route"])
        if route is None:
            raise Problem("unknown", f"there is no route {request.params['route']}")
        return Told(self._answer(route), self._origins.tag("routes", route.name))

    def _answer(self, route: WayOut) -> RouteAnswer:
        feeds = self._served.settings.feeds.values()
        return RouteAnswer(
            name=route.name, source=self._origins.source("routes", route.name),
            settings={key.name: key.kind.show(getattr(route, key.attr)) for key in ROUTE},
            declared=self._origins.declared("routes", route.name),
            feeds=[feed.name for feed in feeds if any(each.route.name == route.name for each in feed.upstreams)],
        )  # fmt: skip
