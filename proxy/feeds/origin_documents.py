"""Documents of an origin that are asked for whole, kept as blobs, and believed for the upstream's `ttl`.

For what belongs to no shard: a legacy JSON API, a channel's run_exports or channeldata. They are as fresh as
`freshness` says of pages: one request at a time for each, a copy at hand is not waited for long, an origin that failed
is left alone for a while. Where it has no such document, that is believed as long as a document is.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from proxy.artifacts.notes import Notes
from proxy.artifacts.store import BlobStore
from proxy.config.settings import Upstream
from proxy.feeds.freshness import Expired, Fresh, Freshness, Limits, Resting, Stale, decide, rest_s
from proxy.feeds.held import held_bytes
from proxy.feeds.shared import finish, outcome
from proxy.model.clock import Clock
from proxy.model.digest import StoredSha256
from proxy.upstream.errors import UpstreamError
from proxy.upstream.way import Way

_LOG = logging.getLogger("feedgate.documents")


class _Noted(msgspec.Struct, frozen=True, array_like=True):
    at_ms: int
    #: None: the origin has no such document.
    blob: StoredSha256 | None
    failures: int = 0
    failed_at_ms: int = 0


#: Raised when any `reduce` makes something else of the same document: what was kept before is asked for again.
FORM = 1


class _NoneYet(Exception):
    """The document did not come or cannot be used; it has been logged."""


#: Nothing was ever heard.
_NEVER = _Noted(0, None)
_DECODER = msgspec.msgpack.Decoder(_Noted)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, and what is made of it."""

    url: str
    accept: str
    reduce: Callable[[bytes], bytes]
    max_bytes: int


class OriginDocuments:
    """The kept documents. `offline` says that nothing is asked."""

    def __init__(self, store: BlobStore, notes: Notes, clock: Clock, *, offline: bool) -> None:
        self._store = store
        self._notes = notes
        self._clock = clock
        self._offline = offline
        self._asking: dict[str, asyncio.Task[bytes | None]] = {}

    async def get(
        self, remote: Way, url: str, *, accept: str, reduce: Callable[[bytes], bytes], max_bytes: int,
        offline: bool = False,
    ) -> bytes | None:  # fmt: skip
        """Return a document after `reduce` (which raises ValueError for one that is none), or None.

        None: the origin has none, or does not answer and there is no copy that is young enough. `offline`: it is not
        asked this time either.
        """
        key = _key(remote, url)
        noted, body = await self._recall(key)
        if self._offline or offline:
            return body
        asked = Asked(url, accept, reduce, max_bytes)
        match self._decide(noted, remote.settings):
            case Fresh() | Resting():
                return body
            case Stale(patience_s):
                task = self._ask(key, remote, asked)
                await asyncio.wait({task}, timeout=patience_s)
                is_here = task.done() and not task.cancelled() and task.exception() is None
                return task.result() if is_here else body
            case Expired():
                if rest_s(noted.failures, noted.failed_at_ms, self._now_ms()) > 0:
                    return None
                try:
                    return await outcome(self._ask(key, remote, asked))
                except _NoneYet:
                    return None

    async def is_absent(self, remote: Way, url: str) -> bool:
        """Tell whether the last word of the origin was that it has no such document."""
        noted, _ = await self._recall(_key(remote, url))
        return noted.blob is None and noted.at_ms > 0 and noted.failures == 0

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop what is under way, after waiting that long for it."""
        await finish(tuple(self._asking.values()), grace_s)

    # -- parts ---------------------------------------------------------------------------------------------

    def _decide(self, noted: _Noted, settings: Upstream) -> Freshness:
        return decide(
            is_present=noted.blob is not None, checked_at_ms=noted.at_ms, failures=noted.failures,
            failed_at_ms=noted.failed_at_ms, now_ms=self._now_ms(),
            limits=Limits(settings.ttl_s, settings.ttl_s, settings.stale_if_error_s),
        )  # fmt: skip

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _ask(self, key: str, remote: Way, asked: "Asked") -> "asyncio.Task[bytes | None]":
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(key, remote, asked), name="origin document")
            self._asking[key] = task
            task.add_done_callback(lambda done: self._asked(key, done))
        return task

    def _asked(self, key: str, task: "asyncio.Task[bytes | None]") -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()

    async def _fetch(self, key: str, remote: Way, asked: "Asked") -> bytes | None:
        try:
            most = min(asked.max_bytes, remote.settings.max_index_size_bytes)
            # Its trouble is none of the index's.
            answer = await remote.document(
                asked.url, accept=asked.accept, max_bytes=most, has_substitute=True
            )
            fresh = await asyncio.to_thread(asked.reduce, answer.body) if answer.status == 200 else None
        except (UpstreamError, ValueError, RecursionError) as error:
            _LOG.warning("a document of %s cannot be used: %s", remote.settings.title, error)
            noted, _ = await self._recall(key)
            failed = msgspec.structs.replace(noted, failures=noted.failures + 1, failed_at_ms=self._now_ms())
            await self._notes.set(key, msgspec.msgpack.encode(failed))
            raise _NoneYet from error
        blob = (await self._store.put(fresh)).digest if fresh is not None else None
        await self._notes.set(key, msgspec.msgpack.encode(_Noted(self._now_ms(), blob)))
        return fresh

    async def _recall(self, key: str) -> tuple[_Noted, bytes | None]:
        data = await self._notes.get(key)
        try:
            noted = _DECODER.decode(data) if data is not None else _NEVER
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _NEVER, None
        if noted.blob is None:
            return noted, None
        body = await held_bytes(self._store, noted.blob)
        return (_NEVER, None) if body is None else (noted, body)


def _key(remote: Way, url: str) -> str:
    return f"origin/{FORM}/{remote.settings.id}/{hashlib.sha256(url.encode()).hexdigest()}"
