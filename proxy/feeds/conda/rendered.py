"""Side documents that were rendered a moment ago, kept for as long as what they were made of is believed.

Rendering costs a child process; whoever asks for one that is being rendered waits for the same child.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from proxy.artifacts.blob import Blob
from proxy.artifacts.store import BlobStore
from proxy.feeds.shared import outcome
from proxy.model.clock import Clock

_KEPT_S = 60.0
_MOST = 256

Render = Callable[[], Coroutine[Any, Any, Blob | None]]


class Rendered:
    """Blobs by what they were rendered from; None where there is nothing to render."""

    def __init__(self, store: BlobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, Blob | None]] = OrderedDict()
        self._making: dict[Hashable, asyncio.Task[Blob | None]] = {}

    async def get(self, key: Hashable, render: Render) -> Blob | None:
        """Return the document; `render` makes it where it is not kept, and may raise Problem."""
        known = self._kept.get(key)
        if known is not None and self._clock.monotonic() < known[0]:
            blob = known[1]
            if blob is None or await self._store.get(blob.digest) is not None:
                return blob
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(self._make(key, render), name="side document")
            # Whoever still waits gets the error; nobody left is no reason for a warning.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await outcome(task)

    async def close(self) -> None:
        """Stop what is under way."""
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, key: Hashable, render: Render) -> Blob | None:
        try:
            blob = await render()
        finally:
            del self._making[key]
        self._kept[key] = (self._clock.monotonic() + _KEPT_S, blob)
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return blob
