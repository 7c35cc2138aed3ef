"""The channel's side documents, filtered to what is shown: run_exports, channeldata, notices (CEP 12, 38, 6)."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
import zstandard

from proxy.artifacts.blob import Blob
from proxy.artifacts.store import BlobStore
from proxy.child.folder import temporary_folder
from proxy.child.run import ChildFailed, busy, run_in_child
from proxy.conda.names import parse_file
from proxy.conda.notices import hidden_notice, render_notices
from proxy.conda.pack import BadPack
from proxy.conda.run_exports import filter_run_exports
from proxy.feeds.conda.channel import Edition
from proxy.feeds.origin_documents import OriginDocuments
from proxy.upstream.way import Way

_MOST_BYTES = 256 * 1024**2
_JSON = "application/json"


class SideDocuments:
    """The side documents of one feed; `remotes` are its upstreams' ways out, `bases` their channel URLs."""

    def __init__(
        self, feed: str, remotes: Mapping[str, Way], bases: Mapping[str, str], documents: OriginDocuments,
        store: BlobStore,
    ) -> None:  # fmt: skip
        self._feed = feed
        self._remotes = remotes
        self._bases = bases
        self._documents = documents
        self._store = store

    async def run_exports(self, edition: Edition, *, is_zst: bool) -> Blob | None:
        """Return run_exports.json of what the edition shows; None where no upstream has one."""
        merged: dict[str, dict[str, msgspec.Raw]] = {}
        for upstream in edition.upstreams:
            if upstream not in self._bases:
                continue
            url = f"{self._bases[upstream]}/{edition.subdir}/run_exports.json"
            body = await self._asked(upstream, f"{url}.zst", _unpacked) or await self._asked(
                upstream, url, _same
            )
            if body is None:
                continue
            part = await asyncio.to_thread(_exports_of, body, edition, upstream)
            for section, files in part.items():
                merged.setdefault(section, {}).update(files)
        if not merged:
            return None
        text = msgspec.json.encode({"info": {"subdir": edition.subdir, "version": 1}, **merged})
        return await self._store.put(await asyncio.to_thread(_packed, text) if is_zst else text)

    async def channeldata(self, editions: Mapping[str, Edition]) -> bytes | None:
        """Return channeldata.json over the subdirs that are known so far; None where no upstream has one."""
        parts = [
            {
                "subdir": subdir,
                "folder": str(each.folder),
                "stem": each.generation.stem,
                "upstreams": each.upstreams,
            }
            for subdir, each in sorted(editions.items())
        ]
        async with temporary_folder("feedgate-channeldata-") as folder:
            documents: dict[str, str] = {}
            for number, upstream in enumerate(self._bases):
                body = await self._asked(upstream, f"{self._bases[upstream]}/channeldata.json", _same)
                if body is not None:
                    path = folder / str(number)
                    await asyncio.to_thread(path.write_bytes, body)
                    documents[upstream] = str(path)
            if not documents:
                return None
            out = folder / "out"
            job = {"parts": parts, "documents": documents, "out": str(out)}
            try:
                await run_in_child("proxy.feeds.conda.channeldata_job:run", job)
            except ChildFailed as failed:
                raise busy(failed) from failed
            return await asyncio.to_thread(out.read_bytes)

    def notices(self, editions: Mapping[str, Edition], ask: str, now: datetime) -> bytes:
        """Return notices.json: how much is hidden, and where to ask. The day is the notice's, so it is shown once."""
        hidden = sum(len(edition.generation.snapshot.top.held) for edition in editions.values())
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        notice = hidden_notice(self._feed, hidden, ask, day)
        return render_notices([notice] if notice is not None else [])

    async def _asked(self, upstream: str, url: str, reduce: Callable[[bytes], bytes]) -> bytes | None:
        return await self._documents.get(
            self._remotes[upstream], url, accept=_JSON, reduce=reduce, max_bytes=_MOST_BYTES
        )


class _Exports(msgspec.Struct, rename={"conda": "packages.conda"}):
    packages: dict[str, msgspec.Raw] = {}
    conda: dict[str, msgspec.Raw] = {}


class _Owned:
    """The files of an edition that one upstream owns, as a container: nothing is listed before it is asked for."""

    def __init__(self, edition: Edition, upstream: str) -> None:
        self._edition = edition
        self._upstream = upstream
        self._files: dict[str, frozenset[str]] = {}

    def __contains__(self, file: object) -> bool:
        parsed = parse_file(file) if isinstance(file, str) else None
        if parsed is None:
            return False
        if parsed.name not in self._files:
            self._files[parsed.name] = self._listed(parsed.name)
        return parsed.file in self._files[parsed.name]

    def _listed(self, name: str) -> frozenset[str]:
        snapshot = self._edition.generation.snapshot
        if name not in snapshot.pack.entries or self._edition.upstream_of(name) != self._upstream:
            return frozenset()
        try:
            block = snapshot.block(name)
        except BadPack:
            return frozenset()
        return frozenset(block.facts()) if block is not None else frozenset()


def _exports_of(body: bytes, edition: Edition, upstream: str) -> dict[str, dict[str, msgspec.Raw]]:
    document = filter_run_exports(body, edition.subdir, _Owned(edition, upstream))
    found = msgspec.json.decode(document, type=_Exports)
    return {"packages": found.packages, "packages.conda": found.conda}


def _same(body: bytes) -> bytes:
    msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return body


def _unpacked(body: bytes) -> bytes:
    try:
        plain = zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True).read(_MOST_BYTES)
    except zstandard.ZstdError as error:
        raise ValueError(f"not zstd: {error}") from error
    return _same(plain)


def _packed(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(text)
