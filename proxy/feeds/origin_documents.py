"""Documents of an origin that are asked for whole, kept as blobs, and believed for the upstream's `ttl`.

For what belongs to no shard: a legacy JSON API, a channel's run_exports or channeldata. When the origin is in trouble
the last copy is used; where it has no such document, that is believed as long.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable

import msgspec

from proxy.artifacts.notes import Notes
from proxy.artifacts.store import BlobStore
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.upstream.errors import UpstreamError
from proxy.upstream.way import Way

_LOG = logging.getLogger("feedgate.documents")


class _Noted(msgspec.Struct, frozen=True, array_like=True):
    at_ms: int
    #: None: the origin has no such document.
    blob: Sha256 | None


_DECODER = msgspec.msgpack.Decoder(_Noted)


class OriginDocuments:
    """The kept documents. `offline` says that nothing is asked."""

    def __init__(self, store: BlobStore, notes: Notes, clock: Clock, *, offline: bool) -> None:
        self._store = store
        self._notes = notes
        self._clock = clock
        self._offline = offline

    async def get(
        self, remote: Way, url: str, *, accept: str, reduce: Callable[[bytes], bytes], max_bytes: int
    ) -> bytes | None:
        """Return a document after `reduce` (which raises ValueError for one that is none), or None.

        None: the origin has none, or does not answer and there is no copy.
        """
        key = f"origin/{remote.settings.id}/{hashlib.sha256(url.encode()).hexdigest()}"
        noted, body = await self._recall(key)
        now_ms = int(self._clock.now().timestamp() * 1000)
        is_believed = noted is not None and 0 <= now_ms - noted.at_ms < remote.settings.ttl_s * 1000
        if self._offline or is_believed:
            return body
        try:
            answer = await remote.document(url, accept=accept, max_bytes=max_bytes)
            fresh = await asyncio.to_thread(reduce, answer.body) if answer.status == 200 else None
        except (UpstreamError, ValueError) as error:
            _LOG.warning("a document of %s cannot be used: %s", remote.settings.id, error)
            return body
        blob = (await self._store.put(fresh)).digest if fresh is not None else None
        await self._notes.set(key, msgspec.msgpack.encode(_Noted(now_ms, blob)))
        return fresh

    async def _recall(self, key: str) -> tuple[_Noted | None, bytes | None]:
        data = await self._notes.get(key)
        try:
            noted = _DECODER.decode(data) if data is not None else None
        except msgspec.DecodeError:
            return None, None
        if noted is None or noted.blob is None:
            return noted, None
        blob = await self._store.get(noted.blob)
        return (None, None) if blob is None else (noted, await self._store.read(blob))
