"""Shared work: a task that belongs to nobody, for which several wait.

Whoever waits may leave without ending it. When it is ended by force (the server stops, or a retired site's time is
over), that is no end of the waiting request: it is told to come again.
"""

import asyncio
from collections.abc import Collection
from typing import Any, TypeVar

from proxy.model.problem import Problem

T = TypeVar("T")

_AGAIN_S = 2


async def outcome(task: "asyncio.Task[T]") -> T:
    """Return what the task returns, raise what it raises; Problem('busy') where it was cancelled."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        own = asyncio.current_task()
        if not task.cancelled() or (own is not None and own.cancelling()):
            raise
    raise Problem("busy", "what this request waited for was given up; ask again", retry_after_s=_AGAIN_S)


async def finish(tasks: "Collection[asyncio.Task[Any]]", grace_s: float = 0.0) -> None:
    """Wait that long for the tasks, cancel what is left, and return when all have ended."""
    try:
        if tasks and grace_s > 0:
            await asyncio.wait(tasks, timeout=grace_s)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
