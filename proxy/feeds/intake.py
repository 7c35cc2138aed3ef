"""Intake: ask the origin for one name, read what comes, keep it as a shard blob.

The page and its companion (the document that adds what a poor page lacks) are asked for at the same time while
it is not known that the page needs none, so that the first answer is complete. A page that did not change (304,
or the same bytes from an origin without validators) costs nothing more. Reading happens in a thread (the
parsers hold the GIL for a few milliseconds a piece); a page of more than 16 MiB goes to a file and is read by a child.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import aiofiles
import msgspec

from proxy.artifacts.notes import Notes
from proxy.artifacts.store import BlobStore
from proxy.child.folder import temporary_folder
from proxy.config.settings import Upstream
from proxy.feeds.facts import Facts
from proxy.feeds.held import held_bytes
from proxy.feeds.reading import Reading, ReadingHere, ReadingInChild
from proxy.feeds.refusals import Refusals
from proxy.feeds.shards import Ask, Ingested, NameIndex, Received
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.sights import Sights
from proxy.model.tally import Tally
from proxy.upstream.answer import Answer, Validators
from proxy.upstream.errors import AuthRefused, BadAnswer, TooLarge, UpstreamError
from proxy.upstream.headers import age_s, is_for_one_only
from proxy.upstream.stream import OriginStream
from proxy.upstream.way import Way

_LOG = logging.getLogger("feedgate.intake")
#: What is larger does not go through memory; the largest page of the public index is some 5 MB.
_IN_MEMORY_BYTES = 16 * 1024**2
#: A companion that takes longer than this after its page is left for the next refresh.
_COMPANION_S = 10.0


class History(Protocol):
    """First sight and digest history (state, not cache)."""

    async def sights(self, upstream: str, name: str, files: dict[str, str | None], now_ms: int) -> Sights:
        """Record the files; return when each was first seen, and those whose digest changed."""
        ...

    async def has_listed(self, upstream: str, name: str) -> bool:
        """Tell whether the upstream ever listed a file of the name."""
        ...


class Intake:
    """What one upstream's pages become."""

    def __init__(
        self, upstream: Upstream, remote: Way, index: NameIndex, store: BlobStore, notes: Notes,
        history: History, tally: Tally,
    ) -> None:  # fmt: skip
        self.notes = notes
        self._upstream = upstream
        self._remote = remote
        self._index = index
        self._store = store
        self._history = history
        self._tally = tally
        self._refusals = Refusals(upstream, remote, history, index.root())
        #: Until a page was whole by itself: an origin that speaks the rich form does so for every name.
        self._are_pages_poor = True
        self._has_met_unreadable = False

    async def has(self, facts: Facts) -> bool:
        """Tell whether the shard that the facts speak of is still held."""
        return facts.shard is not None and (
            self._store.peek(facts.shard) is not None or await self._store.get(facts.shard) is not None
        )

    async def can_read(self, facts: Facts) -> bool:
        """Return whether the shard that recalled facts name is held and is one that this program can read.

        Another version may have kept it. What is not readable counts as not held: it would be confirmed by every
        conditional request, and never be replaced.
        """
        data = await self._bytes(facts.shard) if facts.shard is not None else None
        if data is None:
            return False
        if await asyncio.to_thread(self._index.is_readable, data):
            return True
        if not self._has_met_unreadable:
            self._has_met_unreadable = True
            _LOG.warning(
                "pages of %s were kept by another version of this program; they are fetched again when "
                "somebody asks for them",
                self._upstream.title,
            )
        return False

    async def amended(self, facts: Facts, edit: Callable[[bytes], bytes | None]) -> Facts | None:
        """Return facts that speak of the edited shard; None where there is nothing to edit."""
        data = await self._bytes(facts.shard) if facts.shard is not None else None
        edited = await asyncio.to_thread(edit, data) if data is not None else None
        if edited is None:
            return None
        return msgspec.structs.replace(facts, shard=(await self._store.put(edited)).digest)

    async def has_listed(self, name: str) -> bool:
        """Tell whether the upstream ever listed a file of the name."""
        return await self._history.has_listed(self._upstream.id, name)

    async def take(self, name: str, facts: Facts | None, now_ms: int) -> Facts:
        """Ask for the name; return the new facts. Raises UpstreamError or BadIndex, and then nothing has changed."""
        held = facts if facts is not None and await self.has(facts) else None
        companion = self._companion_soon(name, held)
        try:
            answer = await self._ask(self._index.page(name), _validators(held))
            return await self._taken(name, held, answer, companion, now_ms)
        except AuthRefused as refused:
            await self._refusals.check(name, self._index.page(name), refused)
            self._tally.count("index_answers", "absent")
            return Facts(now_ms)
        except TooLarge:
            if self._upstream.max_index_size_bytes <= _IN_MEMORY_BYTES:
                raise
            return await self._taken_large(name, held, companion, now_ms)
        finally:
            if companion is not None:
                companion.cancel()
                # Its end, whatever it is; this task's own cancellation passes.
                await asyncio.gather(companion, return_exceptions=True)

    async def _taken(
        self,
        name: str,
        held: Facts | None,
        answer: Answer,
        companion: "asyncio.Task[bytes | None] | None",
        now_ms: int,
    ) -> Facts:
        match answer.status:
            case 404 | 410:
                self._tally.count("index_answers", "absent")
                return Facts(now_ms)
            case 304 if held is not None:
                self._tally.count("index_answers", "unchanged")
                return self._confirmed(held, answer.headers, now_ms)
            case 200:
                page = Received(
                    answer.url, _type(answer.headers), answer.body, _serial(answer.headers), answer.is_framed
                )
                reading = ReadingHere(self._index, page, answer.headers)
                return await self._changed(name, held, reading, companion, now_ms)
            case status:
                raise BadAnswer("origin", f"the origin answered {status} for an index page")

    async def _taken_large(
        self, name: str, held: Facts | None, companion: "asyncio.Task[bytes | None] | None", now_ms: int
    ) -> Facts:
        """Take a page that has turned out to be large."""
        ask = self._index.page(name)
        async with temporary_folder("feedgate-page-") as folder:
            most = self._upstream.max_index_size_bytes
            stream = await self._remote.open(
                ask.url, accept=ask.accept, index=True, is_file=False, max_bytes=most
            )
            async with stream:
                if stream.status != 200:
                    raise BadAnswer("origin", "a large index page did not come as it was asked for")
                digest = await _save(stream, folder / "page")
            is_framed = stream.total is not None
            page = Received(stream.url, _type(stream.headers), b"", _serial(stream.headers), is_framed)
            reading = ReadingInChild(self._index, page, stream.headers, folder, digest, most)
            return await self._changed(name, held, reading, companion, now_ms)

    async def _changed(
        self,
        name: str,
        held: Facts | None,
        reading: Reading,
        companion: "asyncio.Task[bytes | None] | None",
        now_ms: int,
    ) -> Facts:
        page = reading.page
        if held is not None and self._is_older(name, held, page.serial):
            return self._confirmed(held, reading.headers, now_ms)
        if held is not None and held.body == reading.digest and _is_known(held):
            self._tally.count("index_answers", "unchanged")
            return self._confirmed(held, reading.headers, now_ms)
        previous = await self._bytes(held.shard) if held is not None and held.shard is not None else None
        self._are_pages_poor = self._index.needs_companion(page)
        extra = await self._companion(name, companion) if self._are_pages_poor else b""
        ingested = await reading.ingest(name, extra, previous)
        if ingested.is_absent:
            self._tally.count("index_answers", "absent")
            return Facts(now_ms)
        if held is not None and self._is_older(name, held, ingested.serial):
            return self._confirmed(held, reading.headers, now_ms)
        shard = await self._keep(name, reading, ingested, previous, now_ms)
        self._tally.count("index_answers", "changed")
        headers = reading.headers
        return Facts(
            self._said_at(headers, now_ms), shard, reading.digest, headers.get("etag"), headers.get("last-modified"),
            ingested.serial, ingested.is_complete, is_for_one_only=is_for_one_only(headers),
            is_empty=ingested.is_empty,
        )  # fmt: skip

    def _confirmed(self, held: Facts, headers: Mapping[str, str], now_ms: int) -> Facts:
        confirmed = held.confirmed(self._said_at(headers, now_ms))
        if "cache-control" not in headers:
            return confirmed
        return msgspec.structs.replace(confirmed, is_for_one_only=is_for_one_only(headers))

    def _said_at(self, headers: Mapping[str, str], now_ms: int) -> int:
        """Return when the origin said it: what lay in a cache on the way is as much older, up to `ttl`."""
        return now_ms - int(min(age_s(headers), self._upstream.ttl_s) * 1000)

    async def _keep(
        self, name: str, reading: Reading, ingested: Ingested, previous: bytes | None, now_ms: int
    ) -> Sha256:
        for filename, why in ingested.dropped:
            _LOG.warning(
                "an index entry was left out: origin %s, project %s, file %s, why %s",
                self._upstream.title,
                name,
                filename[:200],
                why,
            )
        sights = await self._history.sights(self._upstream.id, name, dict(ingested.files), now_ms)
        for filename, why in sights.drifted.items():
            self._tally.count("drift", self._upstream.id)
            _LOG.error(
                "a file changed under its name and is held: origin %s, project %s, file %s, why %s",
                self._upstream.title,
                name,
                filename,
                why,
            )
        packed = await reading.pack(ingested, replace(sights, at_ms=now_ms), previous)
        return (await self._store.put(packed)).digest

    def _is_older(self, name: str, held: Facts, serial: int | None) -> bool:
        """A 200 with a lower serial comes from a stale node of the origin's CDN: ours stays."""
        if serial is None or held.serial is None or serial >= held.serial:
            return False
        self._tally.count("index_rollbacks", self._upstream.id)
        _LOG.warning(
            "the origin answered an older page: origin %s, project %s, serial %s, held %s",
            self._upstream.title,
            name,
            serial,
            held.serial,
        )
        return True

    # -- companions ----------------------------------------------------------------------------------------

    def _companion_soon(self, name: str, held: Facts | None) -> "asyncio.Task[bytes | None] | None":
        """Ask beside the page unless it is known that pages need none, or likely that this one did not change."""
        is_likely = self._are_pages_poor and (held is None or not held.is_complete)
        ask = self._index.companion(name) if is_likely else None
        return asyncio.create_task(self._companion_body(ask)) if ask is not None else None

    async def _companion(self, name: str, started: "asyncio.Task[bytes | None] | None") -> bytes | None:
        ask = self._index.companion(name)
        if ask is None:
            return b""
        try:
            async with asyncio.timeout(_COMPANION_S):
                return await (started if started is not None else self._companion_body(ask))
        except (UpstreamError, TimeoutError) as error:
            self._tally.count("companion_failures", self._upstream.id)
            _LOG.warning(
                "the companion of a page did not come: origin %s, project %s, error %s",
                self._upstream.title,
                name,
                str(error),
            )
            return None

    async def _companion_body(self, ask: Ask) -> bytes | None:
        # Its trouble is none of the pages'.
        answer = await self._ask(ask, None, has_substitute=True)
        return answer.body if answer.status == 200 else b""

    # -- parts ---------------------------------------------------------------------------------------------

    async def _ask(self, ask: Ask, validators: Validators | None, *, has_substitute: bool = False) -> Answer:
        most = min(self._upstream.max_index_size_bytes, _IN_MEMORY_BYTES)
        return await self._remote.document(
            ask.url, accept=ask.accept, validators=validators, max_bytes=most, has_substitute=has_substitute
        )

    async def _bytes(self, digest: Sha256) -> bytes | None:
        return await held_bytes(self._store, digest)


def _is_known(held: Facts) -> bool:
    """Tell whether all is known of a page that did not change."""
    return held.is_complete and held.is_empty is not None


def _validators(held: Facts | None) -> Validators | None:
    if held is None or not _is_known(held) or (held.etag is None and held.last_modified is None):
        return None
    return Validators(held.etag, held.last_modified)


def _type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "")


def _serial(headers: Mapping[str, str]) -> int | None:
    text = headers.get("x-pypi-last-serial", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def _save(stream: OriginStream, path: Path) -> str:
    """Write the body to a file; return its SHA-256."""
    digest = hashlib.sha256()
    try:
        async with aiofiles.open(path, "wb") as file:
            async for chunk in stream.chunks():
                digest.update(chunk)
                await file.write(chunk)
    except OSError as error:
        _LOG.warning("a large index page could not be kept: %s", error)
        raise Problem("disk-full", "the disk takes no large index page now", retry_after_s=30) from error
    return digest.hexdigest()
