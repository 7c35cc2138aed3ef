"""The channel's side documents, filtered to what is shown: run_exports, channeldata, notices (CEP 12, 38, 6)."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from proxy.artifacts.blob import Blob
from proxy.artifacts.store import BlobStore
from proxy.child.folder import temporary_folder
from proxy.child.run import ChildFailed, busy, run_in_child
from proxy.conda.notices import hidden_notice, render_notices
from proxy.conda.pack import BadPack
from proxy.conda.reading import BadStream, Packing, read
from proxy.feeds.conda.edition import Edition
from proxy.feeds.conda.rendered import Rendered
from proxy.feeds.held import held_bytes
from proxy.feeds.origin_documents import OriginDocuments
from proxy.model.clock import Clock
from proxy.model.digest import parse_sha256
from proxy.model.problem import Problem
from proxy.upstream.way import Way

#: The largest known are some 35 MB.
_MOST_BYTES = 128 * 1024**2
_JSON = "application/json"


class DamagedSubdir(BadPack):
    """What is held of a subdir cannot be read; the text is its name."""


class Inner(Protocol):
    """A feed of this server as an upstream: its own side documents, narrowed to what it shows. They raise Problem."""

    async def run_exports(self, subdir: str, *, is_zst: bool, offline: bool = False) -> Blob: ...

    async def channeldata(self, *, offline: bool = False) -> Blob: ...


class SideDocuments:
    """The side documents of one feed; `remotes` are its upstreams' ways out, `bases` their channel URLs, `inner` those
    that are feeds of this server.

    A curated feed (`is_curated`) passes nothing on that its sources may change after an approval: its channeldata is
    made of the approved records, and it has no run_exports, which builds then read out of the package.
    """

    def __init__(
        self, feed: str, remotes: Mapping[str, Way], bases: Mapping[str, str], documents: OriginDocuments,
        store: BlobStore, clock: Clock, inner: Mapping[str, Inner], *, is_curated: bool = False,
    ) -> None:  # fmt: skip
        self._feed = feed
        self._is_curated = is_curated
        self._remotes = remotes
        self._bases = bases
        self._documents = documents
        self._inner = inner
        self._store = store
        self._rendered = Rendered(store, clock)

    async def run_exports(self, edition: Edition, *, is_zst: bool, offline: bool = False) -> Blob | None:
        """Return run_exports.json of what the edition shows; None where no upstream has one.

        `offline` is for a feed that takes from this one and must not cause a request.
        """
        key = ("run_exports", edition.subdir, edition.generation.stem, is_zst, offline)
        return await self._rendered.get(
            key, lambda: self._run_exports(edition, is_zst=is_zst, offline=offline)
        )

    async def channeldata(self, editions: Mapping[str, Edition], *, offline: bool = False) -> Blob | None:
        """Return channeldata.json over these subdirs; None where no upstream has one."""
        stems = sorted((subdir, each.generation.stem) for subdir, each in editions.items())
        key = ("channeldata", offline, *stems)
        return await self._rendered.get(key, lambda: self._channeldata(editions, offline=offline))

    def notices(self, editions: Mapping[str, Edition], ask: str, now: datetime) -> bytes:
        """Return notices.json: how much is hidden, and where to ask. The day is the notice's, so it is shown once."""
        known = editions.values()
        hidden = sum(len(edition.generation.snapshot.top.held) + edition.hides for edition in known)
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        notice = hidden_notice(self._feed, hidden, ask, day)
        return render_notices([notice] if notice is not None else [])

    async def close(self) -> None:
        """Stop what is under way."""
        await self._rendered.close()
        await self._documents.close()

    # -- parts ---------------------------------------------------------------------------------------------

    async def _run_exports(self, edition: Edition, *, is_zst: bool, offline: bool) -> Blob | None:
        bodies: dict[str, bytes] = {}
        for upstream in edition.upstreams:
            body = None
            if upstream in self._inner:
                inner = self._inner[upstream].run_exports(edition.subdir, is_zst=False, offline=offline)
                body = await self._of_inner(inner)
            elif upstream in self._bases:
                url = f"{self._bases[upstream]}/{edition.subdir}/run_exports.json"
                body = await self._asked(upstream, f"{url}.zst", _unpacked, offline)
                body = body or await self._asked(upstream, url, _checked, offline)
            if body is not None:
                bodies[upstream] = body
        order = {
            "folder": str(edition.folder), "stem": edition.generation.stem, "subdir": edition.subdir,
            "upstreams": edition.upstreams, "is_zst": is_zst,
        }  # fmt: skip
        return await self._in_child("run_exports_job", bodies, order) if bodies else None

    async def _channeldata(self, editions: Mapping[str, Edition], *, offline: bool) -> Blob | None:
        bodies: dict[str, bytes] = {}
        for upstream, base in self._bases.items():
            body = await self._asked(upstream, f"{base}/channeldata.json", _checked, offline)
            if body is not None:
                bodies[upstream] = body
        for upstream, inner in self._inner.items():
            body = await self._of_inner(inner.channeldata(offline=offline))
            if body is not None:
                bodies[upstream] = body
        if not bodies and not self._is_curated:
            return None
        order = {"parts": self._parts(editions), "is_curated": self._is_curated}
        return await self._in_child("channeldata_job", bodies, order)

    async def _in_child(self, job: str, bodies: Mapping[str, bytes], order: dict[str, Any]) -> Blob:
        """Have a document made, of the upstreams' own where there are any."""
        out = self._store.spare_path()
        async with temporary_folder("feedgate-side-") as folder:
            documents = {upstream: str(folder / str(number)) for number, upstream in enumerate(bodies)}
            for upstream, body in bodies.items():
                await asyncio.to_thread(Path(documents[upstream]).write_bytes, body)
            try:
                made = await run_in_child(
                    f"proxy.feeds.conda.{job}:run",
                    {"order": {**order, "documents": documents, "out": str(out)}},
                )
            except ChildFailed as failed:
                await asyncio.to_thread(out.unlink, missing_ok=True)
                raise busy(failed) from failed
        if "damaged" in made:
            raise DamagedSubdir(made["damaged"])
        return await self._store.take(out, parse_sha256(made["sha256"]))

    def _parts(self, editions: Mapping[str, Edition]) -> Sequence[dict[str, Any]]:
        return [
            {
                "subdir": subdir, "folder": str(each.folder), "stem": each.generation.stem,
                "upstreams": each.upstreams,
            }
            for subdir, each in sorted(editions.items())
        ]  # fmt: skip

    async def _of_inner(self, asking: Awaitable[Blob]) -> bytes | None:
        """Return the document of a feed of this server, None where it has none."""
        try:
            blob = await asking
        except Problem as problem:
            if problem.word != "unknown":
                raise
            return None
        return await held_bytes(self._store, blob.digest)

    async def _asked(
        self, upstream: str, url: str, reduce: Callable[[bytes], bytes], offline: bool
    ) -> bytes | None:
        return await self._documents.get(
            self._remotes[upstream], url, accept=_JSON, reduce=reduce, max_bytes=_MOST_BYTES, offline=offline
        )


def _checked(body: bytes) -> bytes:
    msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return body


def _unpacked(body: bytes) -> bytes:
    try:
        plain = read(io.BytesIO(body), Packing.ZST, max_output=_MOST_BYTES)
    except BadStream as bad:
        raise ValueError(str(bad)) from bad
    return _checked(bytes(plain))
