"""A conda feed as the inbound door sees it: index forms, shards and packages, all read from one edition of a subdir.

The way of a request: subdir -> edition -> document or shard, or file name -> name -> view -> gate -> record -> blob.
Nothing here goes out; what is visible is the edition's.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from proxy.artifacts.blob import Blob
from proxy.artifacts.store import BlobStore
from proxy.conda.names import FileName
from proxy.conda.pack import BadPack
from proxy.conda.record import Facts
from proxy.config.settings import Feed
from proxy.feeds.briefly import Briefly
from proxy.feeds.conda.channel import NOARCH, Channel, Edition
from proxy.feeds.conda.full_index import FullIndexes
from proxy.feeds.conda.packs import Generation, index_path
from proxy.feeds.conda.side_documents import SideDocuments
from proxy.feeds.conda.superseded import SupersededShards
from proxy.feeds.keeper import ArtifactRef, Keeper
from proxy.feeds.view import View, gate
from proxy.feeds.views import Views
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.verdict import Outcome, Verdict

_MOST_INDEXES = 64

CondaView = View[None, Facts]


@dataclass(frozen=True, slots=True)
class Located:
    """A package file that passed the gate."""

    record: Facts
    ref: ArtifactRef


class CondaFeed:
    """One feed of kind "conda"."""

    def __init__(
        self, feed: Feed, channel: Channel, keeper: Keeper, store: BlobStore, full: FullIndexes, side: SideDocuments,
        views: Views[CondaView], clock: Clock, inner: Mapping[str, "CondaFeed"],
    ) -> None:  # fmt: skip
        self.settings = feed
        self.channel = channel
        self._keeper = keeper
        self._store = store
        self._full = full
        self._side = side
        self._clock = clock
        self._views = views
        #: The feeds of this server that are upstreams of this one; a file passes their gate as well.
        self._inner = dict(inner)
        self._urls = {u.id: u.urls[0].reveal().rstrip("/") for u in feed.upstreams if u.urls}
        self._decided: Briefly[Located] = Briefly(clock)
        self._superseded: dict[Path, SupersededShards] = {}
        #: Shard indexes by folder and generation: a megabyte each at the most.
        self._indexes: dict[tuple[Path, str], Blob] = {}

    async def prefetch(self) -> None:
        """Take in the subdirs that the settings name, and noarch; what fails is tried again by the first client."""
        for subdir in dict.fromkeys((NOARCH, *self.settings.subdirs)):
            with contextlib.suppress(Problem):
                await self.channel.edition(subdir)

    # -- index forms ---------------------------------------------------------------------------------------

    async def edition(self, subdir: str) -> Edition:
        """Return what the feed shows in a subdir. Raises Problem: unknown, or the origin's trouble."""
        edition = self.channel.peek(subdir) or await self.channel.edition(subdir)
        if edition is None:
            raise Problem("unknown", f"this feed has no {subdir}", feed=self.settings.name, artifact=subdir)
        return edition

    async def full(self, subdir: str, form: str) -> tuple[Blob, Edition]:
        """Return a full index ("json" or "zst")."""
        edition = await self.edition(subdir)
        return await self._full.get(edition, form), edition

    async def shard_index(self, subdir: str) -> tuple[Blob, Edition]:
        """Return the shard index, as it was rendered with its generation."""
        edition = await self.edition(subdir)
        key = (edition.folder, edition.generation.stem)
        blob = self._indexes.get(key)
        if blob is None:
            blob = await asyncio.to_thread(_read_index, index_path(*key))
            if len(self._indexes) >= _MOST_INDEXES:
                self._indexes.clear()
            self._indexes[key] = blob
        return blob, edition

    async def shard(self, subdir: str, digest: Sha256) -> Blob:
        """Return a shard of the present generation, or one that was replaced in the last days."""
        edition = await self.edition(subdir)
        generation = edition.generation
        name = generation.by_digest.get(digest)
        try:
            if name is not None:
                (body,) = await asyncio.to_thread(generation.shards.parts, name)
                return Blob(digest, len(body), edition.folder, body)
        except BadPack:
            self.channel.damaged(edition)
            raise Problem("busy", "a shard was damaged and is made anew", retry_after_s=2) from None
        kept = self._superseded.setdefault(edition.folder, SupersededShards(edition.folder))
        old = await asyncio.to_thread(kept.find, digest)
        if old is None:
            raise Problem("unknown", "this feed has no such shard", feed=self.settings.name)
        return Blob(digest, len(old), edition.folder, old)

    async def run_exports(self, subdir: str, *, is_zst: bool) -> Blob:
        """Return run_exports.json of what is shown. Raises Problem: unknown where no upstream has one."""
        blob = await self._side.run_exports(await self.edition(subdir), is_zst=is_zst)
        if blob is None:
            raise Problem("unknown", "the origin has no run_exports.json", feed=self.settings.name)
        return blob

    async def channeldata(self) -> Blob:
        """Return channeldata.json over the subdirs that are served. Raises Problem: unknown where there is none."""
        blob = await self._side.channeldata(await self._editions())
        if blob is None:
            raise Problem("unknown", "the origin has no channeldata.json", feed=self.settings.name)
        return blob

    async def notices(self) -> bytes:
        """Return notices.json: how much is hidden, of the subdirs that are known by now."""
        ask = f"Ask the administrator of the feed {self.settings.name} why."
        known = {edition.subdir: edition for edition in self.channel.known()}
        return self._side.notices(known, ask, self._clock.now())

    async def _editions(self) -> dict[str, Edition]:
        subdirs = dict.fromkeys((NOARCH, *self.settings.subdirs, *(e.subdir for e in self.channel.known())))
        found = {subdir: await self.channel.edition(subdir) for subdir in subdirs}
        return {subdir: edition for subdir, edition in found.items() if edition is not None}

    # -- packages ------------------------------------------------------------------------------------------

    async def locate(self, subdir: str, file: FileName) -> Located:
        """Return the package file, if it may be downloaded. Raises Problem."""
        path = f"{subdir}/{file.file}"
        known = self._decided.get(path)
        if known is not None:
            return known
        edition = await self.edition(subdir)
        view = await self._view(edition, file.name)
        record = gate(view, path) if view is not None else None
        if view is None or record is None:
            raise Problem(
                "unknown", "this feed does not list this file", feed=self.settings.name, artifact=path
            )
        inner = self._inner.get(view.upstream)
        located = (
            await inner.locate(subdir, file)
            if inner is not None
            else Located(record, self._ref(view, record, subdir, file))
        )
        self._decided.put(path, located, edition.fresh_for_s)
        return located

    async def side_car(self, subdir: str, file: FileName, digest: Sha256) -> ArtifactRef:
        """Return a package's signature side-car, which the record must name (design, law 3). Raises Problem."""
        located = await self.locate(subdir, file)
        if located.record.attestations_sha256 != digest:
            raise Problem(
                "unknown", "the record names no such side-car", feed=self.settings.name, artifact=file.file
            )
        ref = located.ref
        name = f"{file.file}.sigs.{digest}"
        return ArtifactRef(ref.feed, ref.name, ref.upstream, f"{ref.url}.sigs.{digest}", name, digest, None)

    async def blob(self, ref: ArtifactRef) -> Blob | None:
        """Return the bytes if they are held."""
        if ref.sha256 is not None:
            return self._store.peek(ref.sha256) or await self._store.find(ref.sha256)
        digest = await self._keeper.held(ref)
        return None if digest is None else await self._store.find(digest)

    def stream(self, blob: Blob, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        """Yield a held file that was not verified since the start; its end leaves only when it proved right."""
        return self._store.stream(blob, start, stop)

    async def refreshed(self) -> None:
        """A file that is listed is gone at the origin: decisions of a moment ago are taken anew."""
        self._decided.clear()

    async def close(self) -> None:
        """Stop what is under way."""
        await self._full.close()
        await self._side.close()
        await self.channel.close()

    # -- parts ---------------------------------------------------------------------------------------------

    async def _view(self, edition: Edition, name: str) -> CondaView | None:
        generation = edition.generation
        key = (f"{self.settings.name}/{edition.subdir}/{name}", generation.stem)
        view = self._views.get(key)
        if view is None:
            try:
                view = await asyncio.to_thread(view_of, self.settings.name, edition, name)
            except BadPack:
                self.channel.damaged(edition)
                raise Problem("busy", "an index was damaged and is fetched anew", retry_after_s=2) from None
            self._views.put(key, view, 8 + len(view.kept))
        return view

    def _ref(self, view: CondaView, record: Facts, subdir: str, file: FileName) -> ArtifactRef:
        url = f"{self._urls[view.upstream]}/{subdir}/{quote(file.file, safe='+!~=._-')}"
        others = (("md5", record.md5),) if record.md5 is not None else ()
        return ArtifactRef(
            self.settings.name, view.name, view.upstream, url, file.file,
            Sha256(record.sha256) if record.sha256 is not None else None, record.size, others,
        )  # fmt: skip


def _read_index(path: Path) -> Blob:
    body = path.read_bytes()
    return Blob(Sha256(hashlib.sha256(body).hexdigest()), len(body), path, body)


def view_of(feed: str, edition: Edition, name: str) -> CondaView:
    """Return what the edition shows of a name: its records, and those of its files that are held. May read the disk."""
    generation: Generation = edition.generation
    block = generation.snapshot.block(name)
    records = block.facts() if block is not None else {}
    kept = {f"{edition.subdir}/{file}": facts for file, facts in records.items()}
    hidden = {
        f"{edition.subdir}/{file}": Verdict(Outcome.HOLD, "drift", why, "held")
        for file, why in generation.snapshot.top.held.items()
        if file.lower().startswith(f"{name}-")
    }
    upstream = edition.upstream_of(name) if block is not None else ""
    return View(feed, name, upstream, Sha256(generation.stem), None, kept, hidden)
