"""The conda feeds of a site, built."""

from collections.abc import Mapping

from proxy.base import Base
from proxy.config.settings import Feed, Settings, Upstream
from proxy.feeds.conda.channel import Channel
from proxy.feeds.conda.channel_intake import ChannelIntake
from proxy.feeds.conda.feed import CondaFeed
from proxy.feeds.conda.full_index import FullIndexes
from proxy.feeds.conda.side_documents import SideDocuments
from proxy.feeds.conda.subdir_catalog import SubdirCatalog
from proxy.feeds.local_keeper import KeptFeed, LocalKeeper
from proxy.feeds.origin_documents import OriginDocuments
from proxy.feeds.owners import Owners


def keep_conda(feed: Feed, base: Base) -> KeptFeed:
    """Return the ways out of a conda feed; the owners of its names are its channel's."""
    remotes = {upstream.id: base.door.remote(upstream) for upstream in feed.upstreams}
    return KeptFeed(feed.name, Owners(feed, {}, base.owners, base.tally), remotes, {}, feed.offline)


def conda_feeds(settings: Settings, base: Base, keeper: LocalKeeper) -> Mapping[str, CondaFeed]:
    """Return the conda feeds by name and alias."""
    feeds = {feed.name: _feed(feed, base, keeper) for feed in settings.feeds.values() if feed.kind == "conda"}
    return {alias: feed for feed in feeds.values() for alias in feed.settings.aliases} | feeds


def _feed(feed: Feed, base: Base, keeper: LocalKeeper) -> CondaFeed:
    def catalog_of(upstream: Upstream, subdir: str) -> SubdirCatalog:
        folder = base.conda_folder / upstream.id / subdir
        intake = ChannelIntake(
            upstream, subdir, folder, base.door.remote(upstream), base.sightings, base.database.path, base.tally,
            stamps=feed.indexed_timestamp == "observed",
        )  # fmt: skip
        return SubdirCatalog(upstream, subdir, folder, intake, base.notes, base.clock, offline=feed.offline)

    channel = Channel(
        feed,
        base.conda_folder / f"feed-{feed.name}",
        catalog_of,
        base.owners,
        base.notes,
        base.clock,
        base.tally,
    )
    documents = OriginDocuments(base.store, base.notes, base.clock, offline=feed.offline)
    remotes = {upstream.id: base.door.remote(upstream) for upstream in feed.upstreams}
    bases = {upstream.id: upstream.urls[0].reveal().rstrip("/") for upstream in feed.upstreams}
    return CondaFeed(
        feed, channel, keeper, base.store, FullIndexes(feed.name, base.store, base.notes, base.clock),
        SideDocuments(feed.name, remotes, bases, documents, base.store), base.conda_views, base.clock,
    )  # fmt: skip
