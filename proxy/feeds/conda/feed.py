"""A conda feed as the inbound door sees it: index forms, shards and packages, all read from one edition of a subdir.

The way of a request: subdir -> edition -> document or shard, or file name -> name -> view -> gate -> record -> blob.
Nothing here goes out; what is visible is the edition's. While a policy's first edition is being made, the index forms
wait for it, and the gate judges by itself: a changed policy holds for downloads at once.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from proxy.artifacts.blob import Blob
from proxy.artifacts.store import BlobStore
from proxy.conda.names import FileName
from proxy.conda.pack import BadPack
from proxy.conda.record import Facts
from proxy.config.settings import Feed
from proxy.feeds.briefly import Briefly
from proxy.feeds.conda.channel import NOARCH, Channel
from proxy.feeds.conda.edition import Edition
from proxy.feeds.conda.edition_blobs import index_of, shard_in
from proxy.feeds.conda.finding import Finding
from proxy.feeds.conda.full_index import FullIndexes
from proxy.feeds.conda.package_url import package_url
from proxy.feeds.conda.side_documents import DamagedSubdir, SideDocuments
from proxy.feeds.conda.superseded import SupersededShards
from proxy.feeds.conda.view import CondaView
from proxy.feeds.conda.viewing import Viewing
from proxy.feeds.held import held_blob
from proxy.feeds.keeper import ArtifactRef, Keeper
from proxy.feeds.view import gate
from proxy.feeds.views import Views
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.verdict import Verdict
from proxy.policy.settings import Policy

_LOG = logging.getLogger("feedgate.conda")
_MOST_INDEXES = 64
#: A larger shard index is sent from its file, without a copy.
_IN_MEMORY_BYTES = 64 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Located:
    """A package file that passed the gate."""

    record: Facts
    ref: ArtifactRef
    #: What is to be said of it although it is shown.
    verdict: Verdict | None = None


class CondaFeed:
    """One feed of kind "conda"."""

    def __init__(
        self, feed: Feed, channel: Channel, keeper: Keeper, store: BlobStore, full: FullIndexes, side: SideDocuments,
        views: Views[CondaView], clock: Clock, inner: Mapping[str, "CondaFeed"], policy: Policy | None = None,
    ) -> None:  # fmt: skip
        self.settings = feed
        self.policy = policy
        self.channel = channel
        self._keeper = keeper
        self._store = store
        self._full = full
        self._side = side
        self._clock = clock
        self._viewing = Viewing(channel, views)
        #: The feeds of this server that are upstreams of this one; a file passes their gate as well.
        self._inner = dict(inner)
        self._urls = {u.id: u.urls[0].reveal().rstrip("/") for u in feed.upstreams if u.urls}
        self._finding = Finding(channel)
        self._decided: Briefly[Located] = Briefly(clock)
        self._superseded: dict[Path, SupersededShards] = {}
        #: Shard indexes by folder and generation: a megabyte each at the most.
        self._indexes: dict[tuple[Path, str], Blob] = {}

    def is_made_of(self, feed: Feed, policy: Policy | None, made: Mapping[str, "CondaFeed"]) -> bool:
        """Tell whether it is what these settings make, with these feeds to take from."""
        inner = {upstream.id: made[upstream.feed] for upstream in feed.upstreams if upstream.feed is not None}
        return (self.settings, self.policy) == (feed, policy) and self._inner == inner

    def keep_with(self, keeper: Keeper) -> None:
        """Go on after a reload."""
        self._keeper = keeper

    def takes_from(self) -> Sequence["CondaFeed"]:
        """Return the feeds of this server that it takes from."""
        return tuple(self._inner.values())

    def subdirs(self) -> tuple[str, ...]:
        """Return the subdirs that the feed is known to have: a channel has no list of them."""
        known = (edition.subdir for edition in self.channel.known())
        inner = (subdir for feed in self._inner.values() for subdir in feed.subdirs())
        served = (subdir for subdir in inner if self.channel.serves(subdir))
        return tuple(dict.fromkeys((NOARCH, *self.settings.subdirs, *known, *served)))

    async def prefetch(self) -> None:
        """Take in the subdirs that the settings name, and noarch; what fails is tried again by the first client."""
        for subdir in self.subdirs():
            try:
                await self.channel.edition(subdir)
            except Problem as problem:
                _LOG.warning("%s of %s is not there yet: %s", subdir, self.settings.name, problem)

    # -- index forms ---------------------------------------------------------------------------------------

    async def edition(self, subdir: str, *, offline: bool = False) -> Edition:
        """Return what the feed shows in a subdir. Raises Problem: unknown, or the origin's trouble.

        `offline` is for a feed that takes from this one and must not cause a request.
        """
        edition = self.channel.peek(subdir) or await self._finding.find(subdir, offline=offline)
        if edition is None:
            raise Problem("unknown", f"this feed has no {subdir}", feed=self.settings.name, artifact=subdir)
        return edition

    async def full(self, subdir: str, form: str) -> tuple[Blob, Edition]:
        """Return a full index ("json" or "zst")."""

        async def read(edition: Edition) -> tuple[Blob, Edition]:
            return await self._full.get(edition, form), edition

        return await self._undamaged(subdir, read)

    async def shard_index(self, subdir: str) -> tuple[Blob, Edition]:
        """Return the shard index, as it was rendered with its generation."""
        edition = await self.edition(subdir)
        key = (edition.folder, edition.generation.stem)
        blob = self._indexes.get(key)
        if blob is not None and blob.data is None:
            blob = self._store.peek(blob.digest)
        if blob is None:
            blob = await asyncio.to_thread(index_of, edition)
            if blob.data is not None and len(blob.data) > _IN_MEMORY_BYTES:
                blob = await self._store.put(blob.data)
            # A curated feed may have another one every second.
            self._indexes = {known: each for known, each in self._indexes.items() if known[0] != key[0]}
            if len(self._indexes) >= _MOST_INDEXES:
                self._indexes.clear()
            self._indexes[key] = blob
        return blob, edition

    async def shard(self, subdir: str, digest: Sha256) -> Blob:
        """Return a shard of the present generation, or one that was replaced in the last days."""

        async def read(edition: Edition) -> Blob | None:
            body = await asyncio.to_thread(shard_in, edition, digest)
            # What a feed shows as it came lies elsewhere than what it composed while it had a policy.
            for folder in dict.fromkeys((edition.folder, self.channel.folder_of(subdir))):
                if body is None:
                    kept = self._superseded.setdefault(folder, SupersededShards(folder))
                    body = await asyncio.to_thread(kept.find, digest)
            return None if body is None else Blob(digest, len(body), edition.folder, body)

        blob = await self._undamaged(subdir, read)
        if blob is None:
            raise Problem("unknown", "this feed has no such shard", feed=self.settings.name)
        return blob

    async def run_exports(self, subdir: str, *, is_zst: bool, offline: bool = False) -> Blob:
        """Return run_exports.json of what is shown. Raises Problem: unknown where no upstream has one.

        `offline`, here and below, is for a feed that takes from this one and must not cause a request.
        """
        offline = offline or self.settings.offline

        async def made(edition: Edition) -> Blob | None:
            return await self._side.run_exports(edition, is_zst=is_zst, offline=offline)

        blob = await self._undamaged(subdir, made, offline=offline)
        if blob is None:
            raise Problem("unknown", "the origin has no run_exports.json", feed=self.settings.name)
        return blob

    async def channeldata(self, *, offline: bool = False) -> Blob:
        """Return channeldata.json over the subdirs that are served. Raises Problem: unknown where there is none."""
        offline = offline or self.settings.offline
        editions = await self.channel.editions(self.subdirs(), offline=offline)
        try:
            blob = await self._side.channeldata(editions, offline=offline)
        except DamagedSubdir as damaged:
            self.channel.damaged(editions[str(damaged)])
            raise
        if blob is None:
            raise Problem("unknown", "the origin has no channeldata.json", feed=self.settings.name)
        return blob

    async def notices(self) -> bytes:
        """Return notices.json: how much is hidden, of the subdirs that are known by now."""
        ask = f"Ask the administrator of the feed {self.settings.name} why."
        known = {edition.subdir: edition for edition in self.channel.known()}
        return self._side.notices(known, ask, self._clock.now())

    # -- packages ------------------------------------------------------------------------------------------

    async def locate(self, subdir: str, file: FileName, *, offline: bool = False) -> Located:
        """Return the package file, if it may be downloaded. Raises Problem."""
        path = f"{subdir}/{file.file}"
        known = self._decided.get(path)
        if known is not None:
            return known
        edition, view = await self.view(subdir, file.name, offline=offline)
        record = gate(view, path, path)
        if record is None:
            detail = "this feed does not list this file"
            raise Problem("unknown", detail, feed=self.settings.name, artifact=path)
        inner = self._inner.get(view.upstream)
        if inner is None:
            url = package_url(self._urls[view.upstream], edition, file)
            located = Located(record, self._ref(view, record, url, subdir, file), view.noted.get(path))
        else:
            located = await inner.locate(subdir, file, offline=offline or self.settings.offline)
            located = replace(located, verdict=view.noted.get(path) or located.verdict)
            if self.settings.offline:  # asked for under this feed's name, the keeper does not go out for it
                located = replace(located, ref=replace(located.ref, feed=self.settings.name))
        self._decided.put(path, located, edition.fresh_for_s)
        return located

    def origin_of(self, subdir: str, file: FileName, located: Located) -> str:
        """Return the id of the upstream that has a file which passed the gate."""
        return located.ref.upstream

    def amended(self, view: CondaView, subdir: str) -> CondaView:
        """Return the view with what is known of its name beside the edition."""
        return view

    def approved_names(self) -> tuple[str, ...]:
        """Return the names of which anything is approved, in the order of the alphabet."""
        return ()

    def approvers(self, name: str, path: str) -> Sequence[str]:
        """Return who approved a file."""
        return ()

    async def view(self, subdir: str, name: str, *, offline: bool = False) -> tuple[Edition, CondaView]:
        """Return what the feed shows and hides of a name in a subdir. Raises Problem."""

        found = await self._viewing.ahead(subdir, name, offline=offline)
        if found is not None:
            return found

        async def read(edition: Edition) -> tuple[Edition, CondaView]:
            return edition, await self._viewing.of(edition, name)

        return await self._undamaged(subdir, read, offline=offline)

    async def side_car(self, subdir: str, file: FileName, digest: Sha256) -> ArtifactRef:
        """Return a package's signature side-car, which the record must name (design, law 3). Raises Problem."""
        located = await self.locate(subdir, file)
        if located.record.attestations_sha256 != digest:
            detail = "the record names no such side-car"
            raise Problem("unknown", detail, feed=self.settings.name, artifact=f"{subdir}/{file.file}")
        ref = located.ref
        name = f"{file.file}.sigs.{digest}"
        return ArtifactRef(ref.feed, ref.name, ref.upstream, f"{ref.url}.sigs.{digest}", name, digest, None)

    async def blob(self, ref: ArtifactRef) -> Blob | None:
        """Return the bytes if they are held."""
        return await held_blob(self._store, self._keeper, ref)

    def stream(self, blob: Blob, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        """Yield a held file that was not verified since the start; its end leaves only when it proved right."""
        return self._store.stream(blob, start, stop)

    async def refreshed(self) -> None:
        """A file that is listed is gone at the origin: decisions of a moment ago are taken anew."""
        self.forget()

    def forget(self) -> None:
        """Drop what was decided of files a moment ago."""
        self._decided.clear()

    async def close(self) -> None:
        """Stop what is under way; whoever waits for it is told to ask again, and gets what is in force by then."""
        await self._finding.close()
        await self._full.close()
        await self._side.close()
        await self.channel.close()

    # -- parts ---------------------------------------------------------------------------------------------

    async def _undamaged(
        self, subdir: str, read: Callable[[Edition], Awaitable[T]], *, offline: bool = False
    ) -> T:
        """Read something of a subdir; where its files are damaged, have them made anew and read once more.

        What was composed of damaged files is damaged again, so there is a second time.
        """
        for _ in range(2):
            edition = await self.edition(subdir, offline=offline)
            try:
                return await read(edition)
            except BadPack as damage:
                _LOG.warning("what was held of %s is made anew: %s", subdir, damage)
                self.channel.damaged(edition)
        try:
            return await read(await self.edition(subdir, offline=offline))
        except BadPack as damage:
            raise Problem("busy", f"what is held of {subdir} is damaged", retry_after_s=2) from damage

    def _ref(self, view: CondaView, record: Facts, url: str, subdir: str, file: FileName) -> ArtifactRef:
        others = (("md5", record.md5),) if record.md5 is not None else ()
        return ArtifactRef(
            self.settings.name, view.name, view.upstream, url, file.file,
            Sha256(record.sha256) if record.sha256 is not None else None, record.size or None, others,
            subdir,
        )  # fmt: skip
