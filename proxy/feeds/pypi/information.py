"""What only the origin's JSON API tells of a project: its description, vulnerabilities, serial.

Asked for when a client asks for the feed's own JSON API, reduced to what is served (never the file lists: those
come from the view), kept as a blob and believed as long as a page is.
"""

import asyncio
import hashlib
import logging

import msgspec

from proxy.artifacts.notes import Notes
from proxy.artifacts.store import BlobStore
from proxy.config.settings import Feed
from proxy.feeds.local_keeper import LocalKeeper
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.upstream.errors import UpstreamError

_LOG = logging.getLogger("feedgate.information")


class _Noted(msgspec.Struct, frozen=True, array_like=True):
    at_ms: int
    #: None: the origin has no such document.
    blob: Sha256 | None


_DECODER = msgspec.msgpack.Decoder(_Noted)


class _Document(msgspec.Struct, frozen=True):
    """Of the origin's document, what does not list files; passed on as it came."""

    info: msgspec.Raw
    vulnerabilities: msgspec.Raw = msgspec.Raw(b"[]")
    last_serial: msgspec.Raw = msgspec.Raw(b"null")


def reduce(document: bytes) -> bytes:
    """Return the document without its file lists. Raises msgspec.DecodeError (a ValueError)."""
    return msgspec.json.encode(msgspec.json.decode(document, type=_Document))


class Information:
    """The reduced JSON API documents of one feed."""

    def __init__(self, feed: Feed, keeper: LocalKeeper, store: BlobStore, notes: Notes, clock: Clock) -> None:
        self._bases = {upstream.id: (upstream.json_api, upstream.ttl_s) for upstream in feed.upstreams}
        self._feed = feed
        self._keeper = keeper
        self._store = store
        self._notes = notes
        self._clock = clock

    async def get(self, upstream: str, name: str, version: str | None) -> bytes | None:
        """Return the reduced document, or None where the origin has none or does not answer."""
        base, ttl_s = self._bases.get(upstream, (None, 0.0))
        if not base:
            return None
        url = f"{base.rstrip('/')}/{name}/{version}/json" if version else f"{base.rstrip('/')}/{name}/json"
        key = f"information/{upstream}/{hashlib.sha256(url.encode()).hexdigest()}"
        noted, body = await self._recall(key)
        now_ms = int(self._clock.now().timestamp() * 1000)
        if noted is not None and (self._feed.offline or 0 <= now_ms - noted.at_ms < ttl_s * 1000):
            return body
        return await self._ask(upstream, url, key, now_ms, body)

    async def _ask(
        self, upstream: str, url: str, key: str, now_ms: int, stored: bytes | None
    ) -> bytes | None:
        if self._feed.offline:
            return stored
        try:
            answer = await self._keeper.remote(self._feed.name, upstream).document(
                url, accept="application/json"
            )
            body = await asyncio.to_thread(reduce, answer.body) if answer.status == 200 else None
        except (UpstreamError, ValueError) as error:
            _LOG.warning(
                "the origin's JSON document cannot be used: upstream %s, error %s", upstream, str(error)
            )
            return stored
        blob = (await self._store.put(body)).digest if body is not None else None
        await self._notes.set(key, msgspec.msgpack.encode(_Noted(now_ms, blob)))
        return body

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
