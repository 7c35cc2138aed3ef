"""A curated PyPI feed: the same pages and the same gate as any, over what people approved (`feeds/curated.py`).

Its own are the words for what nobody approved, and its list of names, which is that of its approvals.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence

import msgspec

from proxy.artifacts.store import BlobStore
from proxy.config.settings import Feed
from proxy.feeds.documents import Documents
from proxy.feeds.keeper import Absent, Keeper, Offer
from proxy.feeds.pypi.feed import PypiFeed
from proxy.feeds.pypi.keeper import PypiKeeper
from proxy.feeds.pypi.located import Located
from proxy.feeds.pypi.view import PypiView
from proxy.feeds.pypi.viewer import Viewer
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.pypi.project_list import render_html, render_json
from proxy.state.approvals import Approvals

_ADVICE = "ask a reviewer of this feed to promote it"


class CuratedPypiFeed(PypiFeed):
    """One feed with `curated_from`. The approvals are asked first: what they do not know no policy has a say in."""

    def __init__(
        self, feed: Feed, keeper: Keeper, pypi: PypiKeeper, store: BlobStore, viewer: Viewer,
        documents: Documents, clock: Clock, *, public_url: str | None, approvals: Approvals,
    ) -> None:  # fmt: skip
        super().__init__(feed, keeper, pypi, store, viewer, documents, clock, public_url=public_url)
        self._approvals = approvals

    async def view(
        self, name: str, *, refresh: bool = False, offline: bool = False, whole: bool = True
    ) -> tuple[PypiView | None, Offer | Absent]:
        if not self._approvals.revision(self.settings.name, name):
            return None, Absent("nobody has approved it", 0.0)
        return await super().view(name, refresh=refresh, offline=offline, whole=whole)

    async def locate(self, path: str) -> Located:
        filename = path.rpartition("/")[2]
        if not any(self._knows(name, filename) for name, _ in self.candidates(filename)):
            raise self._unlisted(filename)
        return await super().locate(path)

    def _knows(self, name: str, filename: str) -> bool:
        feed = self.settings.name
        return filename in self._approvals.of(feed, name) or filename in self._approvals.revoked(feed, name)

    def _unlisted(self, filename: str) -> Problem:
        projects = self.candidates(filename)
        name = projects[0][0] if projects else None
        return self._not_approved(f"{filename} is not approved in this feed; {_ADVICE}", filename, name)

    def unknown(self, name: str, offer: Offer | Absent) -> Problem:
        return self._not_approved(f"{name} is not approved in this feed; {_ADVICE}", name, name)

    def _not_approved(self, detail: str, what: str, name: str | None) -> Problem:
        return Problem("not-approved", detail, feed=self.settings.name, artifact=what, name=name)


class CuratedList:
    """The list of a curated feed's names (`project_list.NameList`), made anew after each change."""

    def __init__(
        self, feed: str, approvals: Approvals, store: BlobStore, viewer_of: Callable[[str], Viewer]
    ) -> None:
        self._feed = feed
        self._viewer_of = viewer_of
        self._approvals = approvals
        self._store = store
        #: form -> (the feed's revision, the list made then).
        self._made: dict[str, tuple[int, Sha256]] = {}

    async def get(self, form: str) -> Sha256:
        """Return the blob of the list ("html" or "json")."""
        revision, names = self._approvals.revision(self._feed), self._approvals.names(self._feed)
        made = self._made.get(form)
        if made is not None and made[0] == revision and await self._store.get(made[1]) is not None:
            return made[1]
        viewer = self._viewer_of(self._feed)
        shown = [name for name in names if viewer.policy is None or viewer.verdict_of(name) is None]
        blob = await self._store.put(await asyncio.to_thread(_rendered, form, shown))
        self._made[form] = (revision, blob.digest)
        return blob.digest

    async def waited(self, form: str) -> Sha256:
        return await self.get(form)

    def settings_digest(self) -> str:
        """Return what a list that is made of this one hangs on."""
        told = msgspec.json.encode([self._feed, self._approvals.revision(self._feed)])
        return hashlib.sha256(told).hexdigest()[:32]

    def is_being_made(self) -> bool:
        return False

    async def close(self, grace_s: float = 0.0) -> None:
        """Nothing is under way."""


def _rendered(form: str, names: Sequence[str]) -> bytes:
    render = render_json if form == "json" else render_html
    return b"".join(render([(name, name) for name in names]))
