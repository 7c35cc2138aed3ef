"""Documents: renderings of views, made once, kept in memory and on disk.

A document is a pure function of (view, form, renderer's version), so its key says all about it, and a lost
document is rendered again. Rendering happens in a thread, once per key however many ask.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from proxy.artifacts.notes import Notes
from proxy.artifacts.store import BlobStore
from proxy.feeds.held import held_bytes
from proxy.model.digest import Sha256, read_sha256


@dataclass(frozen=True, slots=True)
class Document:
    """Rendered bytes and their digest."""

    digest: Sha256
    body: bytes


class Documents:
    """The rendered documents. `max_bytes` bounds what is kept in memory."""

    def __init__(self, store: BlobStore, notes: Notes, *, max_bytes: int) -> None:
        self._store = store
        self._notes = notes
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._making: dict[str, asyncio.Task[Document]] = {}
        self._saving: set[asyncio.Task[None]] = set()

    def peek(self, key: str) -> Document | None:
        """Return the document if it is in memory."""
        document = self._kept.get(key)
        if document is not None:
            self._kept.move_to_end(key)
        return document

    async def get(self, key: str, render: Callable[[], bytes]) -> Document:
        """Return the document, from memory, from disk or by rendering it."""
        document = self.peek(key)
        if document is not None:
            return document
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._make(key, render), name="render")
            self._making[key] = task
            task.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for what is being saved."""
        await asyncio.gather(*self._making.values(), *self._saving, return_exceptions=True)

    async def _make(self, key: str, render: Callable[[], bytes]) -> Document:
        document = await self._recall(key)
        if document is None:
            body = await asyncio.to_thread(render)
            digest = Sha256(await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest()))
            document = Document(digest, body)
            saving = asyncio.create_task(self._save(key, document), name="save document")
            self._saving.add(saving)
            saving.add_done_callback(self._saving.discard)
        self._put(key, document)
        return document

    async def _recall(self, key: str) -> Document | None:
        digest = read_sha256(await self._notes.get(f"document/{key}"))
        body = await held_bytes(self._store, digest)
        return None if body is None or digest is None else Document(digest, body)

    async def _save(self, key: str, document: Document) -> None:
        await self._store.put(document.body)
        await self._notes.set(f"document/{key}", document.digest.encode("ascii"))

    def _put(self, key: str, document: Document) -> None:
        if len(document.body) > self._max_bytes // 4:
            return
        self._kept[key] = document
        self._bytes += len(document.body)
        while self._bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.body)
