"""`/api/v1/feeds/{feed}/packages/{name}/accept`: take a file of an open feed as its origin lists it now."""

import msgspec

from proxy.config.settings import Feed
from proxy.feeds.accepting import Acceptance, Accepted
from proxy.model.problem import Problem
from proxy.web.access_rights import require
from proxy.web.api.answer import accepting
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route


class AcceptChangeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file, and the digest that was seen of it.

    `sha256`, or, where the origin tells none, `digest` as "algorithm:hex" (what `change.after` says).
    """

    artifact: str
    sha256: str | None = None
    digest: str | None = None


class ChangesApi:
    """The handler."""

    def __init__(self, served: Served, acceptance: Acceptance) -> None:
        self._served = served
        self._acceptance = acceptance

    def routes(self) -> tuple[Route, ...]:
        path = "/api/v1/feeds/{feed}/packages/{name}/accept"
        return (Route(("POST",), path, accepting(self.accept)),)

    async def accept(self, request: Inbound, body: AcceptChangeBody) -> Accepted:
        """Take a changed file of an open feed as its origin lists it now."""
        feed, name = self._managed(request), request.params["name"]
        digest = body.sha256 if body.digest is None else body.digest
        if digest is None or (body.sha256 is not None and body.digest is not None):
            raise Problem("unprocessable", "sha256 or digest is needed, one of them", feed=feed.name)
        if not self._served.listing(feed).is_name(name):
            raise Problem("unknown", "this is no name of a package", feed=feed.name)
        return await self._acceptance.accept(
            feed, name, body.artifact, digest, request.actor, request.request_id
        )

    def _managed(self, request: Inbound) -> Feed:
        feed = self._served.feed(request)
        require(request.actor, "manage", feed.name)
        if feed.curated_from:
            why = f"{feed.name} is curated: what it has is accepted by approval (`approvals`)"
            raise Problem("unprocessable", why, feed=feed.name)
        return feed
