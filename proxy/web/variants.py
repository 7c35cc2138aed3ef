"""Coded variants of documents: made in a thread when first asked for, kept within a bound.

Concurrent requests for the same variant share one compression. A variant is a pure function of the
document's bytes (gzip without a time), so its ETag holds over restarts and in every worker.
"""

import asyncio
import gzip
from collections import OrderedDict
from pathlib import Path

import zstandard

from proxy.model.digest import Sha256
from proxy.web.encoding import Coding

Key = tuple[Sha256, Coding]

_GZIP_LEVEL = 6
_ZSTD_LEVEL = 5


class Variants:
    """The kept variants, least recently used first to go; `max_bytes` bounds what is kept."""

    def __init__(self, max_bytes: int = 32 * 1024**2) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._held: OrderedDict[Key, bytes] = OrderedDict()
        self._making: dict[Key, asyncio.Task[bytes]] = {}

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    def peek(self, digest: Sha256, coding: Coding) -> bytes | None:
        """Return a kept variant, or None."""
        data = self._held.get((digest, coding))
        if data is not None:
            self._held.move_to_end((digest, coding))
        return data

    async def make(self, digest: Sha256, coding: Coding, body: bytes | Path) -> bytes:
        """Return the variant, compressing it in a thread unless it is kept or being made."""
        held = self.peek(digest, coding)
        if held is not None:
            return held
        key = (digest, coding)
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(self._make(key, body))
            # Whoever still waits gets the error; nobody left is no reason for a warning.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded: a client that leaves must not spoil the variant for the others.
        return await asyncio.shield(task)

    async def _make(self, key: Key, body: bytes | Path) -> bytes:
        try:
            data = await asyncio.to_thread(_compress, body, key[1])
        finally:
            del self._making[key]
        self._keep(key, data)
        return data

    def _keep(self, key: Key, data: bytes) -> None:
        if len(data) > self._max_bytes:
            return
        self._held[key] = data
        self._held_bytes += len(data)
        while self._held_bytes > self._max_bytes:
            _, gone = self._held.popitem(last=False)
            self._held_bytes -= len(gone)


def _compress(body: bytes | Path, coding: Coding) -> bytes:
    data = body.read_bytes() if isinstance(body, Path) else body
    match coding:
        case Coding.GZIP:
            return gzip.compress(data, _GZIP_LEVEL, mtime=0)
        case Coding.ZSTD:
            return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)
        case Coding.IDENTITY:
            return data
