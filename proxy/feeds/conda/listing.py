"""What a conda feed has, name by name over all its subdirs, read from the same views as every index form.

The subdirs are those that this server knows: `noarch`, those that the settings name, those that clients have asked
for, and those that are held from before. Nothing else can be listed, because a channel has no list of its subdirs.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

from proxy.conda.names import is_name, is_subdir, parse_file
from proxy.conda.pack import BadPack
from proxy.conda.record import Facts
from proxy.feeds.conda.channel import NOARCH
from proxy.feeds.conda.curated_feed import not_approved
from proxy.feeds.conda.edition import Edition, hidden_files
from proxy.feeds.conda.feed import CondaFeed
from proxy.feeds.conda.trial import CondaTrials
from proxy.feeds.conda.view import REMOVED, CondaView, Explained, explained_of, view_of
from proxy.feeds.explained import ArtifactExplained, NameExplained
from proxy.feeds.listing import (
    ArtifactItem,
    Ask,
    NameItem,
    NamePage,
    Package,
    State,
    following,
    judged,
    moment,
    nearest,
    page,
    with_change,
)
from proxy.feeds.trial import Trial
from proxy.feeds.troubles import bounded, resting
from proxy.feeds.view import told_verdict
from proxy.model.problem import Problem
from proxy.model.verdict import Verdict
from proxy.policy.settings import Policy
from proxy.upstream.way import Way

T = TypeVar("T")
Stems = tuple[tuple[str, str], ...]


class CondaListing:
    """One feed. `folders` are those of its channels' subdirs on disk, those of feeds that it takes from included.

    `ways` are the ways to its own upstreams.
    """

    def __init__(
        self, feed: CondaFeed, folders: Sequence[Path], trials: CondaTrials, ways: Sequence[Way] = ()
    ) -> None:
        self._ways = ways
        self._feed = feed
        self._trials = trials
        self._folders = folders
        #: The names of the editions that were listed last: sorting thirty thousand takes its time.
        self._sorted: tuple[Stems, tuple[str, ...]] = ((), ())
        self._counting: asyncio.Task[None] | None = None

    async def names(self, ask: Ask) -> NamePage:
        # All of them: a list that lacks some names without a word would mislead.
        editions = await self._editions(is_whole=True)
        if ask.state is State.HIDDEN:
            names = await asyncio.to_thread(lambda: tuple(sorted(_hiding(editions))))
        elif ask.state is State.APPROVED:
            names = self._feed.approved_names()
        else:
            names = await self._names(editions)
        wanted = ask.q.lower()
        found = nearest(wanted, names) if wanted else names

        async def after(name: str | None, count: int) -> Sequence[str]:
            return following(wanted, found, name, count)

        async def describe(some: Sequence[str]) -> Sequence[NameItem]:
            return await self._read(lambda: [_counted(name, self._views(editions, name)) for name in some])

        return await page(ask, after, describe)

    async def package(self, name: str) -> Package:
        name = name.lower()
        editions = await self._editions()
        counts, items = await self._read(lambda: _told(name, self._views(editions, name)))
        if not items:
            raise self._unknown(name, editions)
        return Package(
            feed=self._feed.settings.name, name=name, versions=counts.versions or 0, files=counts.files or 0,
            hidden=counts.hidden or 0, items=items,
        )  # fmt: skip

    async def explained(self, name: str, *, offline: bool = False) -> NameExplained:
        name = name.lower()
        editions = await self._editions(offline=offline)
        views, facts = await self._read(lambda: self._explained(editions, name))
        found = [
            each._replace(approvers=self._feed.approvers(name, each.artifact))
            for view in views
            for each in _explained(view, facts)
        ]
        if not found:
            raise self._unknown(name, editions)
        upstream = next(view.upstream for view in views if view.kept or view.hidden or view.removed)
        times = [view.until for view in views if view.until is not None]
        return NameExplained(
            self._feed.settings.name, name, upstream, found, views[0].policy, None, min(times, default=None)
        )

    async def trial(self, policy: Policy) -> Trial:
        return await self._trials.run(self._feed.settings.name, policy, await self._editions())

    def is_name(self, text: str) -> bool:
        return is_name(text)

    def notes(self) -> Sequence[str]:
        return bounded(chain(self._feed.channel.notes(), resting(self._ways)))

    def notes_of(self, name: str) -> Sequence[str]:
        """What is wrong with single files is told with them; a subdir's trouble is that of all its names."""
        return bounded(chain(self._feed.channel.notes_of(name.lower()), resting(self._ways)))

    def under_way(self) -> Sequence[str]:
        return self._feed.channel.under_way()

    def count(self) -> int | None:
        editions = self._feed.channel.known()
        stems, names = self._sorted
        if stems and stems == _stems(editions):
            return len(names)
        # A union of thirty thousand names for each subdir would hold the loop: it is made in a thread, for the next.
        if editions and self._counting is None:
            self._counting = asyncio.create_task(self._count(editions), name="count names")
            self._counting.add_done_callback(self._has_counted)
        return (
            len(names) if stems else max((len(each.generation.snapshot) for each in editions), default=None)
        )

    # -- parts ---------------------------------------------------------------------------------------------

    async def _count(self, editions: Sequence[Edition]) -> None:
        await self._names(editions)

    def _has_counted(self, task: "asyncio.Task[None]") -> None:
        self._counting = None
        if not task.cancelled():
            task.exception()  # whoever asks next counts again

    def _unknown(self, name: str, editions: Iterable[Edition]) -> Problem:
        if self._feed.settings.curated_from:
            return not_approved(self._feed.settings.name, name, name)
        known = ", ".join(edition.subdir for edition in editions) or "no subdir"
        detail = f"this feed lists nothing named {name}; looked at: {known}"
        return Problem("unknown", detail, feed=self._feed.settings.name, artifact=name)

    async def _editions(self, *, is_whole: bool = False, offline: bool = False) -> Sequence[Edition]:
        settings, channel = self._feed.settings, self._feed.channel
        known = self._feed.subdirs()
        held = () if settings.subdirs else await asyncio.to_thread(_held, self._folders)
        subdirs = (NOARCH, *settings.subdirs, *sorted({*known, *held}))
        found = await channel.editions(subdirs, subdirs if is_whole else (), offline=offline)
        return tuple(found.values())

    async def _names(self, editions: Sequence[Edition]) -> tuple[str, ...]:
        stems = _stems(editions)
        if self._sorted[0] != stems:
            self._sorted = (stems, await asyncio.to_thread(_sorted_names, editions))
        return self._sorted[1]

    def _views(self, editions: Sequence[Edition], name: str) -> Sequence[CondaView]:
        """Return the views of a name; they are not remembered, or a list would drive out what clients ask for."""
        views = []
        for edition in editions:
            try:
                view = view_of(self._feed.settings.name, edition, name)
                views.append(self._feed.amended(view, edition.subdir))
            except BadPack as damage:
                raise _Damaged(edition) from damage
        return views

    def _explained(
        self, editions: Sequence[Edition], name: str
    ) -> tuple[Sequence[CondaView], Mapping[str, Explained]]:
        views = self._views(editions, name)
        return views, {
            path: each for edition in editions for path, each in explained_of(edition, name).items()
        }

    async def _read(self, read: Callable[[], T]) -> T:
        """Read views off the loop."""
        try:
            return await asyncio.to_thread(read)
        except _Damaged as damaged:
            self._feed.channel.damaged(damaged.edition)
            raise Problem("busy", "an index was damaged and is fetched anew", retry_after_s=2) from damaged


@dataclass
class _Damaged(Exception):
    edition: Edition


def _held(folders: Iterable[Path]) -> set[str]:
    """Return the subdirs of which a generation lies on disk. Blocks."""
    paths = chain.from_iterable(folder.glob("*/*.records") for folder in folders)
    return {path.parent.name for path in paths if is_subdir(path.parent.name)}


def _stems(editions: Iterable[Edition]) -> Stems:
    return tuple(sorted((edition.subdir, edition.generation.stem) for edition in editions))


def _sorted_names(editions: Iterable[Edition]) -> tuple[str, ...]:
    listed = (edition.generation.snapshot.pack.entries for edition in editions)
    return tuple(sorted(set().union(*listed, _hiding(editions))))


def _hiding(editions: Iterable[Edition]) -> set[str]:
    """Return the names of which the editions hide something."""
    editions = [each for edition in editions for each in (edition, *_below(edition))]
    tops = [edition.generation.snapshot.top for edition in editions]
    held = chain.from_iterable((*top.held, *top.dropped_files) for top in tops)
    judged = chain.from_iterable(_judged_away(edition) for edition in editions if edition.ruling)
    return {parsed.name for file in held if (parsed := parse_file(file)) is not None}.union(judged)


def _below(edition: Edition) -> Iterator[Edition]:
    """Yield the editions of the feeds of this server that an edition is made of."""
    for held in edition.below:
        if held.edition is not None:
            yield held.edition
            yield from _below(held.edition)


def _judged_away(edition: Edition) -> Iterator[str]:
    """Yield the names of which a policy hides something."""
    for name in edition.generation.snapshot:
        if hidden_files(edition.noted(name).counts):
            yield name


def _hidden(view: CondaView) -> dict[str, Verdict]:
    """Return the hidden files that are the name's own."""
    named = ((path, parse_file(path.partition("/")[2]), verdict) for path, verdict in view.hidden.items())
    return {
        path: verdict for path, parsed, verdict in named if parsed is not None and parsed.name == view.name
    }


def _explained(view: CondaView, known: Mapping[str, Explained]) -> list[ArtifactExplained]:
    shown = {path: told_verdict(view, path) for path in view.kept}
    shown |= {path: view.noted.get(path, REMOVED) for path in view.removed}
    found = []
    for path, verdict in (shown | _hidden(view)).items():
        facts, findings = known.get(path, (None, ()))
        change = view.changes.get(path)
        found.append(ArtifactExplained(path, verdict, facts, findings, (), change, path in view.kept))
    return found


def _counted(name: str, views: Sequence[CondaView]) -> NameItem:
    return NameItem(
        name=name,
        versions=len({facts.version for view in views for facts in view.kept.values()}),
        files=sum(len(view.kept) for view in views),
        hidden=sum(len(_hidden(view)) for view in views),
    )


def _told(name: str, views: Sequence[CondaView]) -> tuple[NameItem, list[ArtifactItem]]:
    return _counted(name, views), [item for view in views for item in _artifacts(view)]


def _artifacts(view: CondaView) -> list[ArtifactItem]:
    shown = [_item(path, told_verdict(view, path), facts) for path, facts in view.kept.items()]
    removed = [_item(path, view.noted.get(path, REMOVED), facts) for path, facts in view.removed.items()]
    hidden = [_item(path, verdict) for path, verdict in _hidden(view).items()]
    items = [
        with_change(item, view.changes.get(item.path), is_served=item.path in view.kept)
        for item in (*shown, *removed, *hidden)
    ]
    return sorted(items, key=lambda item: item.artifact)


def _item(path: str, verdict: Verdict, facts: Facts | None = None) -> ArtifactItem:
    subdir, _, file = path.partition("/")
    parsed = parse_file(file)
    assert parsed is not None, "what is no file name is left out on ingest"
    told = judged(verdict)
    if facts is None:
        return ArtifactItem(
            artifact=path, filename=file, path=path, version=parsed.version, verdict=told, subdir=subdir,
            build=parsed.build,
        )  # fmt: skip
    return ArtifactItem(
        artifact=path, filename=file, path=path, version=facts.version, verdict=told, subdir=subdir, build=facts.build,
        size=facts.size, sha256=facts.sha256, uploaded_at=moment(facts.timestamp_ms), yanked=bool(facts.revoked),
    )  # fmt: skip
