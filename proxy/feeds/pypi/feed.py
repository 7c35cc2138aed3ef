"""A PyPI feed as the inbound door sees it: pages, files and side documents, all read from one view of a project.

The way of a request: name -> what the keeper offers -> view -> document, or path -> name -> view -> gate ->
record -> blob. Nothing here goes out; nothing here decides what is visible (that is the view's).
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from proxy.artifacts.blob import Blob, LostBlobError
from proxy.artifacts.store import BlobStore
from proxy.config.settings import Feed
from proxy.feeds.briefly import Briefly
from proxy.feeds.documents import Document, Documents
from proxy.feeds.held import held_blob
from proxy.feeds.keeper import Absent, ArtifactRef, How, Keeper, Offer
from proxy.feeds.ownership import readings
from proxy.feeds.pypi.keeper import PypiKeeper
from proxy.feeds.pypi.located import Located, located_in
from proxy.feeds.pypi.view import PypiView, blocked_view
from proxy.feeds.pypi.viewer import NO_OFFER, Viewer
from proxy.feeds.view import gate, refusal
from proxy.model.clock import Clock
from proxy.model.digest import parse_sha256
from proxy.model.problem import Problem
from proxy.policy.judged import least_closed
from proxy.pypi import legacy_json, render_html, render_json
from proxy.pypi.distribution import metadata_hashes
from proxy.pypi.legacy_json import ShownVersions
from proxy.pypi.names import FileKind, projects_of
from proxy.pypi.negotiate import Form
from proxy.pypi.versions import is_same_version

_LOG = logging.getLogger("feedgate.pypi")

#: Part of every document's key: raise it when a renderer changes its bytes.
RENDERERS = 2
_SUFFIX = ".metadata"
#: Words of problems that say that a project is there and hidden, or may be.
_HIDDEN = frozenset({"blocked", "held", "not-approved", "revoked"})
_MOST_VERSIONS = 32
#: For what the JSON API says of a version no larger wheel is fetched.
_SMALL_BYTES = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Page:
    """A project page in one form, and how it was come by."""

    document: Document
    offer: Offer


class PypiFeed:
    """One feed of kind "pypi"."""

    def __init__(
        self, feed: Feed, keeper: Keeper, pypi: PypiKeeper, store: BlobStore, viewer: Viewer,
        documents: Documents, clock: Clock, *, public_url: str | None,
    ) -> None:  # fmt: skip
        self.settings = feed
        self.policy = viewer.policy
        self.viewer = viewer
        self._keeper = keeper
        self._pypi = pypi
        self._store = store
        self._documents = documents
        #: Gate decisions of a moment ago: a popular file is asked for thousands of times a second.
        self._decided: Briefly[Located] = Briefly(clock)
        self._pages: Briefly[Page] = Briefly(clock)
        #: view's key -> the versions that it shows.
        self._versions: OrderedDict[str, ShownVersions] = OrderedDict()
        viewer.on_change = self.forget
        base = f"{public_url.rstrip('/')}/pypi/{feed.name}/" if public_url else None
        #: Attestation documents need an absolute https URL (PEP 740); without one they are linked relatively.
        self._provenance_base = base if base is not None and base.startswith("https://") else None
        self._public_base = base

    # -- pages ---------------------------------------------------------------------------------------------

    async def page(self, name: str, form: Form) -> Page:
        """Return a project's page. Raises Problem: unknown, all of it hidden, or the origin's trouble."""
        kind = "json" if form.is_json else "html"
        known = self._pages.get(f"{kind} {name}")
        if known is not None:
            return known
        view, offer = await self._shown(name)
        key = f"pypi-{kind}-{RENDERERS}-{self.settings.name}-{view.key}-{self._provenance_base or ''}"
        document = self._documents.peek(key)
        if document is None:
            render = (render_json if form.is_json else render_html).render
            document = await self._documents.get(
                key, lambda: render(view.listing, provenance_base=self._provenance_base)
            )
        for_s = self.viewer.valid_for_s(view, offer)
        self._pages.put(f"{kind} {name}", Page(document, _repeated(offer)), for_s)
        return Page(document, offer)

    async def json(self, name: str, version: str | None) -> Page:
        """Return the legacy JSON document of a project or of one version. Raises Problem."""
        asked = f"api {name} {version or ''}"
        known = self._pages.get(asked)
        if known is not None:
            return known
        view, offer = await self.view(name)
        if view is None or isinstance(offer, Absent):
            raise self.unknown(name, offer)
        refused = self._refusal(view)
        if refused is not None:
            is_404 = self.settings.blocked_project == "404"
            raise replace(refused, page_status=404) if is_404 else refused
        # What the view does not show is not asked for either, and what is asked is spelled as it shows it.
        shown = (await self._versions_of(view)).spelled(version) if view.kept else None
        if shown is None:
            raise self.unknown(name if version is None else f"{name} {version}", offer)
        told = await self._pypi.information(self.settings.name, offer.upstream, name, version and shown)
        metadata = None if told is not None else await self._metadata_of(view, shown)
        sources = legacy_json.Sources(told, metadata)
        prefix = self._public_base or ("../../" if version is None else "../../../")
        made_of = await asyncio.to_thread(_digest_of, prefix, shown, version, told, metadata)
        document = await self._documents.get(
            f"pypi-api-{RENDERERS}-{self.settings.name}-{view.key}-{made_of}",
            lambda: legacy_json.render(view.listing, prefix, sources, version and shown) or b"",
        )
        page = Page(document, offer)
        self._pages.put(asked, Page(document, _repeated(offer)), self.viewer.valid_for_s(view, offer))
        return page

    async def _versions_of(self, view: PypiView) -> ShownVersions:
        """Return the versions of a view: parsing twenty thousand for every request would hold the loop."""
        versions = self._versions.get(view.key)
        if versions is None:
            versions = await asyncio.to_thread(ShownVersions.of, view.listing)
            self._versions[view.key] = versions
        self._versions.move_to_end(view.key)
        if len(self._versions) > _MOST_VERSIONS:
            self._versions.popitem(last=False)
        return versions

    async def _metadata_of(self, view: PypiView, version: str) -> bytes | None:
        """Return the METADATA of a wheel of the version, for an origin whose JSON API tells nothing of it."""
        wheels = (f for f in view.listing.files if f.version == version and f.kind is FileKind.WHEEL)
        wheel = next(wheels, None)
        if wheel is None:
            return None
        is_small = wheel.size is not None and wheel.size <= _SMALL_BYTES
        try:
            return await self._store.read(await self.metadata(f"{wheel.path}{_SUFFIX}", may_fetch=is_small))
        except (Problem, LostBlobError):
            return None

    async def names(self, form: Form) -> Blob:
        """Return the list of names. Raises Problem('preparing') until there is one."""
        digest = await self._pypi.names(self.settings.name, "json" if form.is_json else "html")
        blob = await self._store.get(digest)
        if blob is None:
            raise Problem(
                "preparing", "the list of names is being made", feed=self.settings.name, retry_after_s=30
            )
        return blob

    async def provenance(self, name: str, version: str, filename: str) -> bytes:
        """Return the attestation document of a file of a version that the view shows. Raises Problem."""
        view, offer = await self.view(name)
        if view is not None:
            hidden = (path for path in view.hidden if path.rpartition("/")[2] == filename)
            gate(view, next(hidden, filename))
        record = (
            next((f for f in view.listing.files if f.filename == filename), None)
            if view is not None
            else None
        )
        is_there = record is not None and is_same_version(record.version, version)
        if view is None or record is None or record.provenance is None or not is_there:
            raise self.unknown(f"{name}: attestations of {filename}", offer)
        return await self._pypi.provenance(located_in(view, record).ref, record.provenance)

    async def view(
        self, name: str, *, refresh: bool = False, offline: bool = False, whole: bool = True
    ) -> tuple[PypiView | None, Offer | Absent]:
        """Return the feed's view of a normalised name, None where nobody has it (`Viewer.view`)."""
        return await self.viewer.view(name, refresh=refresh, offline=offline, whole=whole)

    def forget(self) -> None:
        """Decide anew with the next request."""
        self._decided.clear()
        self._pages.clear()

    async def _shown(self, name: str) -> tuple[PypiView, Offer]:
        """Return the view whose page is rendered.

        Raises Problem for a project that is hidden whole, with the status that `blocked_project` says, unless that is
        an empty page.
        """
        try:
            view, offer = await self.view(name)
            if view is None or isinstance(offer, Absent):
                refused: Problem | None = self.unknown(name, offer)
            elif (refused := self._refusal(view)) is None:
                return view, offer
        except Problem as problem:
            refused = problem
        assert refused is not None
        if refused.word not in _HIDDEN:
            raise refused
        if self.settings.blocked_project == "empty":
            return blocked_view(self.settings.name, name, None, None), NO_OFFER
        asked = refused.explain or f"/api/v1/feeds/{self.settings.name}/explain?spec={name}"
        raise replace(
            refused, name=name, explain=asked, page_status=int(self.settings.blocked_project)
        ) from refused.__cause__

    def _refusal(self, view: PypiView) -> Problem | None:
        """Return what a project is answered with of which everything is hidden; None where anything is shown.

        Quarantine has a page that says so (PEP 792).
        """
        verdict = view.verdict
        if verdict is None and view.hidden and not view.kept:
            verdict = least_closed(view.hidden.values())
        if verdict is None or verdict.word == "quarantined":
            return None
        return refusal(
            self.settings.name, view.name, verdict, view.policy, f"spec={view.name}", name=view.name
        )

    # -- files ---------------------------------------------------------------------------------------------

    async def locate(self, path: str) -> Located:
        """Return the file behind a feed path, if it may be downloaded. Raises Problem.

        Works without a page having been asked for: the file's name tells which projects it may belong to, and
        their views decide. A file that a page listed and the origin lost makes the page be asked for once.
        """
        known = self._decided.get(path)
        if known is not None:
            return known
        filename = path.rpartition("/")[2]
        found: tuple[Located, Offer] | None = None
        trouble: Problem | None = None
        for name, may_ask in self.candidates(filename):
            try:
                view, offer = await self.viewer.view(name, offline=bool(found) or not may_ask, whole=False)
            except Problem as problem:
                trouble = trouble or problem
                continue
            if view is None or isinstance(offer, Absent):
                continue
            if view.verdict is not None and path not in view.hidden:
                # Nobody knows whether it is this project's: another reading of the file's name may be right.
                trouble = trouble or refusal(
                    self.settings.name, filename, view.verdict, view.policy, name=view.name
                )
                continue
            if found is None and may_ask:
                view = await self.viewer.asked(view, path)
            record = gate(view, path) if found is None else view.kept.get(path)
            if record is None:
                continue
            located = located_in(view, record)
            if found is None:
                found = located, offer
            elif not found[0].is_same_file(located):
                raise self._ambiguous(path, found[0], located)
        if found is not None:
            self._decided.put(path, found[0], self.viewer.valid_for_s(found[0].view, found[1]))
            return found[0]
        if trouble is not None:
            raise trouble
        raise self._unlisted(filename)

    def candidates(self, filename: str) -> list[tuple[str, bool]]:
        """Return the projects that the file may belong to, and whether upstreams may be asked for each."""
        return readings(self.settings, projects_of(filename))

    def _ambiguous(self, path: str, one: Located, other: Located) -> Problem:
        """Two projects list other bytes under one path: neither can be meant for certain."""
        _LOG.error(
            "two projects list different files under one path, which is refused: feed %s, path %s, projects %s, %s",
            self.settings.name,
            path,
            one.view.name,
            other.view.name,
        )
        return self._unlisted(one.record.filename)

    async def blob(self, ref: ArtifactRef) -> Blob | None:
        """Return the file's bytes if they are held."""
        return await held_blob(self._store, self._keeper, ref)

    def stream(self, blob: Blob, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        """Yield a held file that was not verified since the start; its end leaves only when it proved right."""
        return self._store.stream(blob, start, stop)

    async def refreshed(self, located: Located) -> None:
        """Look at the page that was asked for again because the origin had no such file any more."""
        await self.view(located.view.name)
        self.forget()

    async def metadata(self, path: str, *, may_fetch: bool = True) -> Blob:
        """Return a wheel's METADATA by the wheel's path plus ".metadata". Raises Problem.

        `may_fetch`: where nothing less tells it, the whole wheel is fetched.
        """
        located = await self.locate(path.removesuffix(_SUFFIX))
        if located.record.kind is not FileKind.WHEEL:
            raise Problem(
                "unknown",
                "only wheels have a METADATA file",
                feed=self.settings.name,
                artifact=located.record.filename,
            )
        told = metadata_hashes(located.record.core_metadata).get("sha256")
        advertised = parse_sha256(told) if told else None
        digest = await self._pypi.core_metadata(located.ref, advertised, may_fetch=may_fetch)
        blob = await self._store.get(digest)
        if blob is None:
            raise self._busy("the METADATA could not be kept")
        return blob

    def _busy(self, detail: str) -> Problem:
        return Problem("busy", detail, feed=self.settings.name, retry_after_s=5)

    def _unlisted(self, filename: str) -> Problem:
        return Problem(
            "unknown", "no project of this feed lists this file", feed=self.settings.name, artifact=filename
        )

    def unknown(self, name: str, offer: Offer | Absent) -> Problem:
        detail = f"this feed has no project {name}"
        if self.settings.offline:
            detail = f"{detail}: it is offline and knows only what it holds"
        elif isinstance(offer, Absent):
            detail = f"{detail}: {offer.reason}"
        return Problem("unknown", detail, feed=self.settings.name, artifact=name)


def _digest_of(
    prefix: str, shown: str, version: str | None, told: bytes | None, metadata: bytes | None
) -> str:
    """Return the name of what a JSON API document is made of, beside its view."""
    digest = hashlib.sha256(f"{prefix}\n{shown}\n{version is None}\n{told is None}\n".encode())
    digest.update(told or metadata or b"")
    return digest.hexdigest()[:32]


def _repeated(offer: Offer) -> Offer:
    """Return the offer as the next client gets it: from the cache."""
    return offer if offer.how in (How.HIT, How.STALE) else replace(offer, how=How.HIT)
