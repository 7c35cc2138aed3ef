"""The site: all that is made from the feeds' settings. A reload makes the next site and swaps it in whole, or none.

The kinds of feeds meet here: another ecosystem adds its line to `build_site`. Catalogs of upstreams that did not
change are taken over, with what they remember; what lives longer than settings is the base's.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from proxy.base import Base
from proxy.config.settings import Feed, Settings, Upstream
from proxy.config.validate import sources_of
from proxy.feeds.accepting import Accepting
from proxy.feeds.conda.accepting import CondaAccepting
from proxy.feeds.conda.feed import CondaFeed
from proxy.feeds.curated import CuratedNames, Pins
from proxy.feeds.intake import Intake
from proxy.feeds.listing import Listing
from proxy.feeds.local_keeper import KeptFeed, LocalKeeper
from proxy.feeds.name_catalog import NameCatalog
from proxy.feeds.origin_documents import OriginDocuments
from proxy.feeds.owners import Catalog, Owners
from proxy.feeds.pypi import pinned
from proxy.feeds.pypi.accepting import PypiAccepting
from proxy.feeds.pypi.core_metadata import CoreMetadata
from proxy.feeds.pypi.curated_feed import CuratedList, CuratedPypiFeed
from proxy.feeds.pypi.describing import Describing
from proxy.feeds.pypi.feed import PypiFeed
from proxy.feeds.pypi.feed_catalog import FeedCatalog
from proxy.feeds.pypi.index import PypiIndex
from proxy.feeds.pypi.information import Information
from proxy.feeds.pypi.licenses import Licenses
from proxy.feeds.pypi.listing import PypiListing
from proxy.feeds.pypi.local_keeper import LocalPypiKeeper
from proxy.feeds.pypi.located import link_in
from proxy.feeds.pypi.needs import Everything, Needs
from proxy.feeds.pypi.project_list import NameList, ProjectList
from proxy.feeds.pypi.trial import PypiTrials
from proxy.feeds.pypi.viewer import Viewer
from proxy.feeds.troubles import Troubles
from proxy.model.problem import Problem
from proxy.policy.only import Needed
from proxy.policy.settings import Policy
from proxy.site_conda import conda_feeds, conda_listing, keep_conda, own_ways

CatalogKey = tuple[Upstream, bool]


@dataclass(slots=True)
class Site:
    """The feeds as they are now."""

    settings: Settings
    keeper: LocalKeeper
    pypi_keeper: LocalPypiKeeper
    pypi_feeds: Mapping[str, PypiFeed]
    conda_feeds: Mapping[str, CondaFeed]
    catalogs: Mapping[CatalogKey, NameCatalog]
    owners: Mapping[str, Owners | CuratedNames] = field(default_factory=dict)
    #: What each feed has, by the feed's own name.
    listings: Mapping[str, Listing] = field(default_factory=dict)

    def pypi_feed(self, name: str) -> PypiFeed | None:
        """Return the PyPI feed of a name or alias."""
        return self.pypi_feeds.get(name)

    def conda_feed(self, name: str) -> CondaFeed | None:
        """Return the conda feed of a name or alias."""
        return self.conda_feeds.get(name)

    def judged(self) -> Mapping[tuple[str, str, str], int]:
        """Return (feed, rule, outcome) -> files, of the conda feeds with a policy, in the subdirs that are known."""
        found: dict[tuple[str, str, str], int] = {}
        for feed in {id(each): each for each in self.conda_feeds.values()}.values():
            for edition in feed.channel.known():
                for key, count in edition.counts.items():
                    outcome, _, rule = key.partition(" ")
                    place = (feed.settings.name, rule, outcome)
                    found[place] = found.get(place, 0) + count
        return found

    async def has_listed(self, feed: Feed, upstream: str, name: str) -> bool:
        """Tell whether an upstream ever listed a file of a name that it owns; in a channel an owner always has."""
        known = self.owners.get(feed.name)
        return await known.has_listed(name, upstream) if isinstance(known, Owners) else feed.kind == "conda"

    async def decide_owners_anew(self, feed: Feed) -> None:
        """Have the owner of a released name decided, here and in the feeds behind."""
        for each in self.pypi_feeds.values():
            each.forget()
        channel = self.conda_feeds.get(feed.name)
        if channel is not None:
            await channel.channel.decide_anew()

    def accepting(self, name: str) -> Accepting:
        """Return who takes changed files of an open feed, by the feed's own name. Raises Problem."""
        conda, pypi = self.conda_feeds.get(name), self.pypi_feeds.get(name)
        if conda is not None:
            return CondaAccepting(conda, self._forget)
        owners = self.owners.get(name)
        if pypi is None or owners is None:
            raise Problem("busy", "the settings of this feed have just changed", feed=name, retry_after_s=1)
        return PypiAccepting(pypi, owners, self._forget)

    def _forget(self) -> None:
        for conda in self.conda_feeds.values():
            conda.forget()
        for pypi in self.pypi_feeds.values():
            pypi.forget()

    async def prefetch(self) -> None:
        """Ask, before any client does, for what every client of a conda feed asks first."""
        for feed in {id(each): each for each in self.conda_feeds.values()}.values():
            await feed.prefetch()

    async def close(self, successor: "Site | None" = None) -> None:
        """Stop what is under way and is not the successor's.

        With a successor the server goes on, and clients may wait for what a retired site began: it has
        `stop_timeout` to end by itself. Cancelled, this stops at once.
        """
        grace_s = self.settings.server.stop_timeout_s if successor is not None else 0.0
        kept = set(successor.catalogs) if successor is not None else set()
        # Conda feeds that did not change go on whole.
        going_on = {id(feed) for feed in successor.conda_feeds.values()} if successor is not None else set()
        await asyncio.gather(
            *(feed.close() for feed in self.conda_feeds.values() if id(feed) not in going_on),
            *(owners.close(grace_s) for owners in self.owners.values()),
            *(catalog.close(grace_s) for key, catalog in self.catalogs.items() if key not in kept),
            *(feed.viewer.close(grace_s) for feed in self.pypi_feeds.values()),
            self.pypi_keeper.close(grace_s),
        )


def build_site(settings: Settings, base: Base, previous: Site | None = None) -> Site:
    """Build the feeds. Asks nothing and changes nothing outside."""
    known = previous.catalogs if previous is not None else {}
    catalogs: dict[CatalogKey, NameCatalog] = {}
    owners: dict[str, Owners | CuratedNames] = {}
    kept: dict[str, KeptFeed] = {}
    viewers: dict[str, Viewer] = {}
    for feed in _inner_first(settings.feeds):
        if feed.kind == "pypi":
            make = _curated if feed.curated_from else _kept
            kept[feed.name] = make(feed, base, known, catalogs, owners, viewers.__getitem__)
        elif feed.kind == "conda":
            kept[feed.name] = keep_conda(feed, settings.feeds, base)
    keeper = LocalKeeper(
        kept,
        base.store,
        base.vault,
        base.arrivals,
        base.flights,
        base.vault_flights,
        Pins(base.approvals, base.clock),
    )
    pypi_keeper = _pypi_keeper(settings, base, keeper, kept, viewers)
    viewers |= {
        feed.name: _viewer(feed, settings.policy_of(feed), base, keeper, pypi_keeper, previous)
        for feed in settings.feeds.values()
        if feed.kind == "pypi"
    }
    feeds = {
        feed.name: (partial(CuratedPypiFeed, approvals=base.approvals) if feed.curated_from else PypiFeed)(
            feed, keeper, pypi_keeper, base.store, viewers[feed.name], base.documents, base.clock,
            public_url=settings.server.public_url,
        )
        for feed in settings.feeds.values()
        if feed.kind == "pypi"
    }  # fmt: skip
    aliases = {alias: feed for feed in feeds.values() for alias in feed.settings.aliases}
    former = previous.conda_feeds if previous is not None else {}
    conda = conda_feeds(_inner_first(settings.feeds), settings, base, keeper, former)
    listings: dict[str, Listing] = {
        name: PypiListing(
            feed,
            base.pypi_views,
            _trials(feed.settings, settings, keeper, base),
            base.approvals,
            partial(pypi_keeper.is_listing, feed.settings.name),
            _troubles(feed.settings, catalogs, owners[name]),
            own_ways(feed.settings, base),
        )
        for name, feed in feeds.items()
    }
    listings |= {feed.settings.name: conda_listing(feed, settings.feeds, base) for feed in conda.values()}
    return Site(settings, keeper, pypi_keeper, {**aliases, **feeds}, conda, catalogs, owners, listings)


def _kept(
    feed: Feed, base: Base, known: Mapping[CatalogKey, NameCatalog],
    catalogs: dict[CatalogKey, NameCatalog], owners: dict[str, Owners | CuratedNames],
    viewer_of: Callable[[str], Viewer],
) -> KeptFeed:  # fmt: skip
    remotes = {
        upstream.id: base.door.remote(upstream) for upstream in feed.upstreams if upstream.feed is None
    }
    offered: dict[str, Catalog] = {}
    for upstream in feed.upstreams:
        if upstream.feed is not None:
            offered[upstream.id] = FeedCatalog(
                upstream.feed, feed.name, viewer_of, owners[upstream.feed], base.store
            )
            continue
        key = (upstream, feed.offline)
        catalog = known.get(key) or NameCatalog(
            upstream, _intake(upstream, base), base.clock, offline=feed.offline
        )
        offered[upstream.id] = catalogs[key] = catalog
    owners[feed.name] = Owners(feed, offered, base.owners, base.tally, Troubles(base.clock))
    inner = {upstream.id: upstream.feed for upstream in feed.upstreams if upstream.feed is not None}
    return KeptFeed(feed.name, owners[feed.name], remotes, inner, feed.offline, link_of=link_in)


def _curated(
    feed: Feed, base: Base, known: Mapping[CatalogKey, NameCatalog],
    catalogs: dict[CatalogKey, NameCatalog], owners: dict[str, Owners | CuratedNames],
    viewer_of: Callable[[str], Viewer],
) -> KeptFeed:  # fmt: skip
    owners[feed.name] = names = CuratedNames(feed.name, base.approvals, base.store, pinned.build)
    return KeptFeed(feed.name, names, {}, {}, feed.offline, feed.curated_from)


def _viewer(
    feed: Feed, policy: Policy | None, base: Base, keeper: LocalKeeper, pypi_keeper: LocalPypiKeeper,
    previous: Site | None,
) -> Viewer:  # fmt: skip
    before = previous.pypi_feeds.get(feed.name) if previous is not None else None
    troubles = before.viewer.troubles if before is not None else Troubles(base.clock)

    def made(needed: Needed | None = None) -> Viewer:
        licenses = Licenses(pypi_keeper, base.notes, base.clock)
        return Viewer(
            feed, policy, keeper, base.store, base.pypi_views, base.clock, licenses, base.refreshes, needed,
            troubles,
        )  # fmt: skip

    viewer = made()
    if policy is not None and policy.include_dependencies:
        is_same = before is not None and (before.settings, before.policy) == (feed, policy)
        known = before.viewer.needs.known if is_same and before and before.viewer.needs else None
        viewer.take_needs(Needs(policy, pypi_keeper, made(Everything()), base.clock, known))
    return viewer


def _intake(upstream: Upstream, base: Base) -> Intake:
    return Intake(
        upstream,
        base.door.remote(upstream),
        PypiIndex(upstream),
        base.store,
        base.notes,
        base.sightings,
        base.tally,
    )


def _pypi_keeper(
    settings: Settings,
    base: Base,
    keeper: LocalKeeper,
    kept: Mapping[str, KeptFeed],
    viewers: Mapping[str, Viewer],
) -> LocalPypiKeeper:
    lists: dict[str, NameList] = {}
    information: dict[str, Information] = {}
    for feed in settings.feeds.values():
        if feed.kind == "pypi":
            remotes = kept[feed.name].remotes
            lists[feed.name] = (
                CuratedList(feed.name, base.approvals, base.store, viewers.__getitem__)
                if feed.curated_from
                else ProjectList(
                    feed, settings.policy_of(feed), remotes, lists.__getitem__, _needs_of(viewers, feed.name),
                    base.store, base.notes, base.clock,
                )
            )  # fmt: skip
            documents = OriginDocuments(base.store, base.notes, base.clock, offline=feed.offline)
            information[feed.name] = Information(feed, remotes, documents)
    metadata = CoreMetadata(keeper, base.store, base.notes, base.proofs, base.tally)
    describing = Describing(keeper, metadata, base.store)
    return LocalPypiKeeper(keeper, metadata, describing, lists, information)


def _troubles(
    feed: Feed, catalogs: Mapping[CatalogKey, NameCatalog], owners: Owners | CuratedNames
) -> Sequence[Troubles]:
    """Return where it is noted what is wrong with the names of a feed; what is behind a feed of ours is that one's."""
    own = [catalogs[upstream, feed.offline].troubles for upstream in feed.upstreams if upstream.feed is None]
    return [*own, owners.troubles] if isinstance(owners, Owners) else own


def _trials(feed: Feed, settings: Settings, keeper: LocalKeeper, base: Base) -> PypiTrials:
    return PypiTrials(feed, settings.feeds, keeper, base.store, base.notes, base.approvals, base.clock)


def _needs_of(viewers: Mapping[str, Viewer], name: str) -> Callable[[], Needs | None]:
    """Return what tells, once the feeds are made, what a feed's package list needs."""
    return lambda: viewers[name].needs


def _inner_first(feeds: Mapping[str, Feed]) -> list[Feed]:
    """Return the feeds so that one that another takes from comes before it; loops are refused by the settings."""
    ordered: dict[str, Feed] = {}

    def place(feed: Feed) -> None:
        for source in sources_of(feed):
            if source not in ordered:
                place(feeds[source])
        ordered.setdefault(feed.name, feed)

    for feed in feeds.values():
        place(feed)
    return list(ordered.values())
