"""`/api/v1/feeds`: which feeds there are, where clients find them, and how their upstreams do (contract, section 5)."""

from typing import Any

import msgspec

from proxy.config.addresses import feed_url
from proxy.config.settings import Feed
from proxy.model.actor import Actor, Right
from proxy.policy.describe import describe
from proxy.policy.settings import Policy
from proxy.web.api.answer import Told, answering
from proxy.web.api.asked import cut
from proxy.web.api.origins import Origins
from proxy.web.api.reach import hide_closed
from proxy.web.api.served import Served
from proxy.web.api.upstreams import UpstreamAnswer, upstreams_of
from proxy.web.inbound import Inbound
from proxy.web.routes import Route

#: What a feed without a policy hides, in plain words.
_NO_POLICY = {
    "conda": "no policy: everything that its channels list, but for files whose digest changed under their name",
    "pypi": (
        "no policy: everything that its indexes list, but for files whose digest changed under their name and"
        " projects that the origin has quarantined"
    ),
}
#: What every feed hides, whatever its policy says.
_ALWAYS = "Files whose digest changed under their name are held."


class FeedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A feed. `url` is what its clients are given."""

    name: str
    kind: str
    url: str
    aliases: list[str]
    offline: bool
    #: Of its sources those that the one who asks may read.
    curated_from: list[str]
    upstreams: list[UpstreamAnswer]


class FeedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What else is set; the words of `[feeds.NAME]` in config.toml."""

    reserved: list[str]
    anonymous: bool
    blocked_project: str
    contact: str | None
    subdirs: list[str]
    indexed_timestamp: str
    policy: str | None
    #: Of its sources those that the one who asks may read.
    curated_from: list[str]
    #: What the feed grants to everybody, to every key, to groups; told to who manages it.
    grants: dict[str, list[Right]] | None
    fetch: str


class FeedDetail(FeedAnswer, frozen=True, kw_only=True):
    """A feed with everything that is known of it."""

    settings: FeedSettings
    #: What the feed hides, in plain words.
    policy: str
    #: The policy's name; null where the feed has none.
    policy_name: str | None
    #: How many names it is known to have; null where that is not known.
    names: int | None
    #: What goes on working only in part, one line each: what, since when and why.
    notes: list[str]
    #: What is being fetched or taken in now, for whoever waits for it, one line each.
    under_way: list[str]
    #: "config.toml", the environment, or "API".
    source: str
    #: What a PUT takes, for those who manage the feed, secrets and feeds that they may not read as `***`; null for
    #: what is not the API's.
    declared: dict[str, Any] | None


class FeedPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some feeds; `next` is the cursor of the following page, null at the end."""

    items: list[FeedAnswer]
    next: str | None


class FeedsApi:
    """The handlers."""

    def __init__(self, served: Served, origins: Origins) -> None:
        self._served = served
        self._origins = origins

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(("GET",), "/api/v1/feeds", answering(self.feeds, asks=("limit", "cursor"))),
            Route(("GET",), "/api/v1/feeds/{feed}", answering(self.feed)),
        )

    async def feeds(self, request: Inbound) -> FeedPage:
        """List the feeds in the order of the settings."""
        feeds = [
            feed for feed in self._served.settings.feeds.values() if request.actor.may("read", feed.name)
        ]
        some, following = cut(request, feeds, lambda feed: feed.name)
        return FeedPage(items=[self._answer(feed, request) for feed in some], next=following)

    async def feed(self, request: Inbound) -> Told[FeedDetail]:
        """Tell everything about one feed."""
        feed = self._served.feed(request)
        told = msgspec.structs.asdict(self._answer(feed, request))
        is_manager = request.actor.may("manage", feed.name)
        granted = {subject: list(rights) for subject, rights in feed.grants}
        settings = FeedSettings(
            reserved=list(feed.reserved), anonymous=feed.anonymous, blocked_project=feed.blocked_project,
            contact=feed.contact,
            subdirs=list(feed.subdirs), indexed_timestamp=feed.indexed_timestamp, policy=feed.policy,
            curated_from=told["curated_from"], fetch=feed.fetch,
            grants=granted if is_manager else None,
        )  # fmt: skip
        listing = self._served.listing(feed)
        policy = self._served.settings.policy_of(feed)
        detail = FeedDetail(
            **told, settings=settings, policy=_hides(feed, policy), policy_name=feed.policy, names=listing.count(),
            notes=list(listing.notes()), under_way=list(listing.under_way()),
            source=self._origins.source("feeds", feed.name),
            declared=self._declared(feed, request.actor) if is_manager else None,
        )  # fmt: skip
        return Told(detail, self._origins.tag("feeds", feed.name))

    def _declared(self, feed: Feed, actor: Actor) -> dict[str, Any] | None:
        document = self._origins.declared("feeds", feed.name)
        return None if document is None else hide_closed(actor, document)

    def _answer(self, feed: Feed, request: Inbound) -> FeedAnswer:
        return FeedAnswer(
            name=feed.name, kind=feed.kind, url=feed_url(feed, self._served.settings.server, request.base_url),
            aliases=list(feed.aliases), offline=feed.offline,
            curated_from=[name for name in feed.curated_from if request.actor.may("read", name)],
            upstreams=upstreams_of(feed, self._served, request.actor),
        )  # fmt: skip


def _hides(feed: Feed, policy: Policy | None) -> str:
    """Return in plain words what a feed hides."""
    if policy is None:
        return _NO_POLICY[feed.kind]
    return " ".join((f"Policy {policy.name}.", *describe(policy), _ALWAYS))
