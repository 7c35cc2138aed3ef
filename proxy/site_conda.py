"""The conda feeds of a site, built."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from proxy.base import Base
from proxy.config.settings import Feed, Settings, Upstream
from proxy.feeds.conda.channel import Catalog, Channel
from proxy.feeds.conda.channel_intake import ChannelIntake
from proxy.feeds.conda.composer import Composer
from proxy.feeds.conda.feed import CondaFeed
from proxy.feeds.conda.feed_subdir import FeedSubdir
from proxy.feeds.conda.full_index import FullIndexes
from proxy.feeds.conda.listing import CondaListing
from proxy.feeds.conda.side_documents import SideDocuments
from proxy.feeds.conda.subdir_catalog import SubdirCatalog
from proxy.feeds.local_keeper import KeptFeed, LocalKeeper
from proxy.feeds.origin_documents import OriginDocuments
from proxy.feeds.owners import Owners
from proxy.policy.settings import Policy


def keep_conda(feed: Feed, base: Base) -> KeptFeed:
    """Return the ways out of a conda feed; the owners of its names are its channel's."""
    remotes = {
        upstream.id: base.door.remote(upstream) for upstream in feed.upstreams if upstream.feed is None
    }
    return KeptFeed(feed.name, Owners(feed, {}, base.owners, base.tally), remotes, {}, feed.offline)


def conda_feeds(
    feeds: Iterable[Feed],
    settings: Settings,
    base: Base,
    keeper: LocalKeeper,
    previous: Mapping[str, CondaFeed],
) -> Mapping[str, CondaFeed]:
    """Return the conda feeds by name and alias; a feed that is another's upstream comes before it.

    One that did not change, and those that it takes from neither, is the previous site's, with all that is under way.
    """
    made: dict[str, CondaFeed] = {}
    for feed in feeds:
        if feed.kind == "conda":
            former, policy = previous.get(feed.name), settings.policy_of(feed)
            if former is not None and former.is_made_of(feed, policy, made):
                former.keep_with(keeper)
                made[feed.name] = former
            else:
                made[feed.name] = _feed(feed, policy, base, keeper, made)
    return {alias: feed for feed in made.values() for alias in feed.settings.aliases} | made


def conda_listing(feed: CondaFeed, feeds: Mapping[str, Feed], base: Base) -> CondaListing:
    """Return the listing of a conda feed."""
    return CondaListing(feed, tuple(_folders(feed.settings, feeds, base)))


def _folders(feed: Feed, feeds: Mapping[str, Feed], base: Base) -> Iterator[Path]:
    for upstream in feed.upstreams:
        if upstream.feed is not None:
            yield from _folders(feeds[upstream.feed], feeds, base)
        else:
            yield base.conda_folder / upstream.id


def _feed(
    feed: Feed, policy: Policy | None, base: Base, keeper: LocalKeeper, made: Mapping[str, CondaFeed]
) -> CondaFeed:
    inner = {upstream.id: made[upstream.feed] for upstream in feed.upstreams if upstream.feed is not None}

    def catalog_of(upstream: Upstream, subdir: str) -> Catalog:
        if upstream.id in inner:
            return FeedSubdir(inner[upstream.id].channel, subdir)
        folder = base.conda_folder / upstream.id / subdir
        intake = ChannelIntake(
            upstream, subdir, folder, base.door.remote(upstream), base.sightings, base.database.path, base.tally,
            base.conda_locks, stamps=feed.indexed_timestamp == "observed",
        )  # fmt: skip
        return SubdirCatalog(
            upstream, subdir, folder, intake, base.notes, base.clock, base.tally, offline=feed.offline
        )

    folder = base.conda_folder / f"feed-{feed.name}"
    channel = Channel(
        feed,
        folder,
        catalog_of,
        Composer(feed.name, folder, base.owners, base.notes, base.clock, base.tally, base.conda_locks),
        base.notes,
        base.tally,
    )
    documents = OriginDocuments(base.store, base.notes, base.clock, offline=feed.offline)
    outside = [upstream for upstream in feed.upstreams if upstream.feed is None]
    remotes = {upstream.id: base.door.remote(upstream) for upstream in outside}
    bases = {upstream.id: upstream.urls[0].reveal().rstrip("/") for upstream in outside}
    return CondaFeed(
        feed, channel, keeper, base.store, FullIndexes(feed.name, base.store, base.notes, base.clock),
        SideDocuments(feed.name, remotes, bases, documents, base.store, base.clock), base.conda_views,
        base.clock, inner, policy,
    )  # fmt: skip
