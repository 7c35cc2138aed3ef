"""The conda feeds of a site, built."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from proxy.base import Base
from proxy.config.settings import Feed, Settings, Upstream
from proxy.feeds.conda.approved import Approved
from proxy.feeds.conda.approved_subdir import ApprovedSubdir
from proxy.feeds.conda.catalog import Catalog
from proxy.feeds.conda.channel import Channel
from proxy.feeds.conda.channel_intake import ChannelIntake
from proxy.feeds.conda.composer import Composer
from proxy.feeds.conda.curated_feed import CuratedCondaFeed
from proxy.feeds.conda.feed import CondaFeed
from proxy.feeds.conda.feed_subdir import FeedSubdir
from proxy.feeds.conda.full_index import FullIndexes
from proxy.feeds.conda.listing import CondaListing
from proxy.feeds.conda.ruling import Ruling
from proxy.feeds.conda.side_documents import SideDocuments
from proxy.feeds.conda.subdir_catalog import SubdirCatalog
from proxy.feeds.conda.trial import CondaTrials
from proxy.feeds.local_keeper import KeptFeed, LocalKeeper
from proxy.feeds.origin_documents import OriginDocuments
from proxy.feeds.owners import Owners
from proxy.feeds.troubles import Troubles
from proxy.policy.settings import Policy
from proxy.upstream.way import Way


def keep_conda(feed: Feed, feeds: Mapping[str, Feed], base: Base) -> KeptFeed:
    """Return the ways out of a conda feed, of those that it takes from included, as far as these may go out.

    The owners of its names are its channel's.
    """
    remotes = {upstream.id: base.door.remote(upstream) for upstream in _origins(feed, feeds)}
    owners = Owners(feed, {}, base.owners, base.tally, Troubles(base.clock))
    return KeptFeed(feed.name, owners, remotes, {}, feed.offline, feed.curated_from)


def _origins(feed: Feed, feeds: Mapping[str, Feed]) -> Iterator[Upstream]:
    for upstream in feed.upstreams:
        if upstream.feed is None:
            yield upstream
        elif not feeds[upstream.feed].offline:
            yield from _origins(feeds[upstream.feed], feeds)


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
                make = _curated if feed.curated_from else _feed
                made[feed.name] = make(feed, policy, base, keeper, made)
    return {alias: feed for feed in made.values() for alias in feed.settings.aliases} | made


def conda_listing(feed: CondaFeed, feeds: Mapping[str, Feed], base: Base) -> CondaListing:
    """Return the listing of a conda feed."""
    trials = CondaTrials(base.database.path, base.clock)
    folders = tuple(_folders(feed.settings, feeds, base))
    return CondaListing(feed, folders, trials, own_ways(feed.settings, base))


def own_ways(feed: Feed, base: Base) -> Sequence[Way]:
    """Return the ways to a feed's own upstreams; those of feeds that it takes from are told there."""
    return [base.door.remote(upstream) for upstream in feed.upstreams if upstream.feed is None]


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
            upstream, subdir, folder, intake, base.notes, base.clock, base.tally, offline=feed.offline,
            changed=lambda name: base.refreshes.tell(feed.name, name),
        )  # fmt: skip

    channel = _channel(feed, policy, base, catalog_of)
    side = _side(feed, [upstream for upstream in feed.upstreams if upstream.feed is None], inner, base)
    return CondaFeed(
        feed, channel, keeper, base.store, FullIndexes(feed.name, base.store, base.notes, base.clock), side,
        base.conda_views, base.clock, inner, policy,
    )  # fmt: skip


def _curated(
    feed: Feed, policy: Policy | None, base: Base, keeper: LocalKeeper, made: Mapping[str, CondaFeed]
) -> CondaFeed:
    """Return a curated feed: its one upstream is what was approved."""
    approved = Approved(feed.name, base.approvals)
    folder = base.conda_folder / f"approved_{feed.name}"

    def catalog_of(upstream: Upstream, subdir: str) -> Catalog:
        catalog = ApprovedSubdir(
            approved, subdir, folder / subdir, base.notes, base.clock, base.conda_locks,
            is_named=subdir in feed.subdirs,
        )  # fmt: skip
        approved.tell(catalog)
        return catalog

    approvals = Upstream(id=f"approved_{feed.name}", private=True)
    channel = _channel(replace(feed, upstreams=(approvals,)), policy, base, catalog_of)
    sources = {name: made[name] for name in feed.curated_from}
    return CuratedCondaFeed(
        feed, channel, keeper, base.store, FullIndexes(feed.name, base.store, base.notes, base.clock),
        _side(feed, (), {}, base), base.conda_views, base.clock, policy, approved, sources,
    )  # fmt: skip


def _channel(
    feed: Feed, policy: Policy | None, base: Base, catalog_of: Callable[[Upstream, str], Catalog]
) -> Channel:
    folder = base.conda_folder / f"feed-{feed.name}"
    ruling = Ruling(policy, base.clock, base.database.path) if policy is not None else None
    composer = Composer(
        feed.name, folder, base.owners, base.notes, base.clock, base.tally, base.conda_locks, ruling
    )
    return Channel(feed, folder, catalog_of, composer, base.notes, base.tally, ruling)


def _side(
    feed: Feed, origins: Sequence[Upstream], inner: Mapping[str, CondaFeed], base: Base
) -> SideDocuments:
    documents = OriginDocuments(base.store, base.notes, base.clock, offline=feed.offline)
    remotes = {upstream.id: base.door.remote(upstream) for upstream in origins}
    bases = {upstream.id: upstream.urls[0].reveal().rstrip("/") for upstream in origins}
    return SideDocuments(
        feed.name,
        remotes,
        bases,
        documents,
        base.store,
        base.clock,
        inner,
        is_curated=bool(feed.curated_from),
    )
