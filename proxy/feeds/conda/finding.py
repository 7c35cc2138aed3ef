"""Finding editions for clients: once for all who ask, and no longer than a client waits."""

import asyncio

from proxy.feeds.conda.channel import Channel
from proxy.feeds.conda.edition import Edition
from proxy.feeds.shared import outcome
from proxy.model.problem import Problem

#: conda gives up after 60 s without a byte; rendering what was fetched takes its part of them.
PATIENCE_S = 35.0


class Finding:
    """The editions of one channel that are being made."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._tasks: dict[tuple[str, bool], asyncio.Task[Edition | None]] = {}

    async def find(self, subdir: str, *, offline: bool) -> Edition | None:
        """Wait for an edition as long as a client does; what is under way goes on without it. Raises Problem."""
        key = (subdir, offline)
        task = self._tasks.get(key)
        if task is None:
            finding = self._channel.edition(subdir, offline=offline)
            task = self._tasks[key] = asyncio.create_task(finding, name="edition")
            task.add_done_callback(lambda done: self._found(key, done))
        await asyncio.wait({task}, timeout=PATIENCE_S)
        if task.done():
            return await outcome(task)
        feed = self._channel.feed.name
        raise Problem("preparing", f"{subdir} is being fetched", feed=feed, retry_after_s=10)

    async def close(self) -> None:
        """Stop what is under way; who waits for it is told to ask again."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _found(self, key: tuple[str, bool], task: "asyncio.Task[Edition | None]") -> None:
        self._tasks.pop(key, None)
        if not task.cancelled():
            task.exception()  # those who waited have it
