"""What a PyPI feed has: names from the feed's list of names, counts and artifacts from the views of projects.

The list is the rendered document itself, forty megabytes for the public index: it is sorted and has one project in a
line, so a page of it is found by bisection and read from there; it is never decoded whole. A project's counts are
known once somebody has asked for it, and told as they were then.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import BinaryIO

from proxy.feeds.explained import NameExplained
from proxy.feeds.listing import (
    ArtifactItem,
    Ask,
    NameItem,
    NamePage,
    Package,
    State,
    following,
    judged,
    nearest,
    nearness,
    page,
    with_change,
)
from proxy.feeds.pypi.feed import PypiFeed
from proxy.feeds.pypi.trial import PypiTrials
from proxy.feeds.pypi.view import PypiView
from proxy.feeds.trial import Trial
from proxy.feeds.troubles import Troubles, bounded, resting
from proxy.feeds.view import listed_paths, told_verdict
from proxy.feeds.views import Views
from proxy.model.problem import Problem
from proxy.model.verdict import Verdict
from proxy.policy.settings import Policy
from proxy.pypi.distribution import Distribution
from proxy.pypi.names import is_valid, normalize, version_of
from proxy.pypi.negotiate import Form
from proxy.state.approvals import Approvals
from proxy.upstream.way import Way

#: A project's line as proxy.pypi.project_list writes it.
_LINE = re.compile(rb'<a href="([a-z0-9-]+)/">')
_LONGEST_LINE = 4096
_CHUNK_BYTES = 256 * 1024
_RUN = re.compile(r"[-_.]+")


class PypiListing:
    """One feed. `views` are those in memory, of every feed.

    `troubles` are those of its sources and owners, `ways` the ways to its own upstreams.
    """

    def __init__(
        self, feed: PypiFeed, views: Views[PypiView], trials: PypiTrials, approvals: Approvals,
        is_listing: Callable[[], bool],
        troubles: Sequence[Troubles] = (), ways: Sequence[Way] = (),
    ) -> None:  # fmt: skip
        self._troubles = (*troubles, feed.viewer.troubles)
        self._ways = ways
        self._approvals = approvals
        self._feed = feed
        self._trials = trials
        self._views = views
        #: Whether the list of names is being made.
        self._is_listing = is_listing

    async def names(self, ask: Ask) -> NamePage:
        wanted = _RUN.sub("-", ask.q).lower()
        if ask.state is State.HIDDEN:
            return await self._page_of(ask, wanted, self._hiding())
        if ask.state is State.APPROVED:
            return await self._page_of(ask, wanted, self._approvals.names(self._feed.settings.name))
        blob = await self._feed.names(Form.HTML)

        async def after(name: str | None, count: int) -> Sequence[str]:
            try:
                return await asyncio.to_thread(nearest_in, blob.path, name or "", wanted, count)
            except FileNotFoundError:
                detail = "the list of names is being made again"
                raise Problem("preparing", detail, feed=self._feed.settings.name, retry_after_s=5) from None

        return await page(ask, after, self._describe)

    async def package(self, name: str) -> Package:
        name = normalize(name)
        view = await self._view(name)
        counts = _counted(view)
        return Package(
            feed=self._feed.settings.name, name=name, versions=counts.versions or 0, files=counts.files or 0,
            hidden=counts.hidden or 0, items=await asyncio.to_thread(_artifacts, view),
            verdict=judged(view.verdict) if view.verdict is not None else None,
        )  # fmt: skip

    async def explained(self, name: str, *, offline: bool = False) -> NameExplained:
        view = await self._view(normalize(name), offline=offline)
        approved = self._approvals.of(view.feed, view.name)
        artifacts = [
            each._replace(approvers=[approved[each.artifact].actor] if each.artifact in approved else ())
            for each in await self._feed.viewer.explained(view)
        ]
        return NameExplained(
            view.feed, view.name, view.upstream, artifacts, view.policy, view.verdict, view.until
        )

    async def trial(self, policy: Policy) -> Trial:
        return await self._trials.run(policy, self._feed.viewer.licenses)

    def is_name(self, text: str) -> bool:
        return is_valid(text)

    def notes(self) -> Sequence[str]:
        lines = (line for troubles in self._troubles for line in troubles.lines())
        return bounded(chain(lines, resting(self._ways)))

    def notes_of(self, name: str) -> Sequence[str]:
        lines = (line for troubles in self._troubles for line in troubles.of(normalize(name)))
        return bounded(chain(lines, resting(self._ways)))

    def under_way(self) -> Sequence[str]:
        return ("the list of names is fetched from the origin",) if self._is_listing() else ()

    def count(self) -> int | None:
        return None

    # -- parts ---------------------------------------------------------------------------------------------

    async def _view(self, name: str, *, offline: bool = False) -> PypiView:
        view, offer = await self._feed.view(name, offline=offline)
        if view is None:
            raise self._feed.unknown(name, offer)
        return view

    async def _page_of(self, ask: Ask, wanted: str, names: Sequence[str]) -> NamePage:
        found = nearest(wanted, names)

        async def after(name: str | None, count: int) -> Sequence[str]:
            return following(wanted, found, name, count)

        return await page(ask, after, self._describe)

    async def _describe(self, names: Sequence[str]) -> Sequence[NameItem]:
        if self._feed.settings.curated_from:
            return [await self._approved(name) for name in names]
        known = self._known()
        return [_counted(known[name]) if name in known else NameItem(name=name) for name in names]

    async def _approved(self, name: str) -> NameItem:
        """Return the counts of a curated feed's name, which its approvals tell; a policy's, or an origin's, say."""
        feed = self._feed.settings.name
        active, revoked = self._approvals.of(feed, name), self._approvals.revoked(feed, name)
        is_quarantined = any(
            each.drift is not None and each.drift.kind == "quarantined" for each in active.values()
        )
        if self._feed.policy is None and not is_quarantined:
            return NameItem(
                name=name, versions=len({each.version for each in active.values()}), files=len(active),
                hidden=len(revoked.keys() - active.keys()),
            )  # fmt: skip
        try:
            view, _ = await self._feed.view(name, offline=True)
        except Problem:
            return NameItem(name=name)
        return _counted(view) if view is not None else NameItem(name=name)

    def _known(self) -> dict[str, PypiView]:
        """Return the views in memory by name, each as it was last seen: the newest one comes last."""
        feed = self._feed.settings.name
        is_own = self._feed.viewer.is_of_policy
        return {view.name: view for view in self._views if view.feed == feed and is_own(view)}

    def _hiding(self) -> list[str]:
        """Return the names of which something is hidden, as far as is known; a curated feed's that might be."""
        if self._feed.settings.curated_from:
            return sorted(self._approvals.known_names(self._feed.settings.name))
        return sorted(name for name, view in self._known().items() if view.hidden or view.verdict is not None)


def nearest_in(path: Path, after: str, wanted: str, count: int) -> list[str]:
    """Return the next names of a rendered list (HTML) that contain the text, nearest first. Blocks; raises OSError.

    Those that begin with it stand together in the list, so that they cost no walk through all of it.
    """
    place = nearness(wanted, after) if after else (-1, "")
    found: list[str] = []
    with path.open("rb") as file:
        if place < (2, ""):
            last = after if place[0] >= 0 else ""
            beginning = takewhile(
                lambda name: name.startswith(wanted), _names_from(file, wanted, "", after=last)
            )
            found += islice(beginning, count)
            place = (2, "")
        if wanted and len(found) < count:
            others = (
                name for name in _names_from(file, "", wanted, after=place[1]) if not name.startswith(wanted)
            )
            found += islice(others, count - len(found))
    return found


def _names_from(file: BinaryIO, first: str, part: str, *, after: str) -> Iterator[str]:
    """Yield the names that contain the text, from the first place on that both bounds allow."""
    least, last, inside = first.encode(), after.encode(), part.encode()
    file.seek(_place(file, max(least, last)))
    for chunk in _chunks(file):
        if inside not in chunk:
            continue
        for match in _LINE.finditer(chunk):
            if match[1] >= least and match[1] > last and inside in match[1]:
                yield match[1].decode("ascii")


def _place(file: BinaryIO, last: bytes) -> int:
    """Return a place before the line that follows a name, by bisection."""
    low, high = 0, file.seek(0, 2)
    while high - low > _CHUNK_BYTES:
        middle = (low + high) // 2
        file.seek(middle)
        match = _LINE.search(file.read(_LONGEST_LINE))
        if match is not None and match[1] <= last:
            low = middle
        else:
            high = middle
    return low


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of the file in pieces that end with a line."""
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk + file.readline()


def _counted(view: PypiView) -> NameItem:
    files = view.kept.values()
    hidden = len(view.hidden) or int(view.verdict is not None)
    return NameItem(
        name=view.name, versions=len({file.version for file in files if file.version is not None}),
        files=len(files), hidden=hidden,
    )  # fmt: skip


def _artifacts(view: PypiView) -> list[ArtifactItem]:
    shown = [_shown(file, told_verdict(view, file.path)) for file in view.listing.files]
    told = [path for path in listed_paths(view) if path not in view.kept]
    hidden = [_hidden(view.name, path, view.hidden[path]) for path in told]
    return [
        with_change(item, view.changes.get(item.path), is_served=item.path in view.kept)
        for item in (*shown, *hidden)
    ]


def _shown(file: Distribution, verdict: Verdict) -> ArtifactItem:
    return ArtifactItem(
        artifact=file.filename, filename=file.filename, path=file.path, version=file.version,
        verdict=judged(verdict),
        size=file.size, sha256=file.sha256, uploaded_at=file.upload_time, yanked=file.yanked,
    )  # fmt: skip


def _hidden(name: str, path: str, verdict: Verdict) -> ArtifactItem:
    filename = path.rpartition("/")[2]
    return ArtifactItem(
        artifact=filename, filename=filename, path=path, version=version_of(filename, name),
        verdict=judged(verdict),
    )  # fmt: skip
