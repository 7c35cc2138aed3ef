"""Waiting for work that several wait for: nobody who gives up stops it, and whoever waits is told if it was stopped."""

import asyncio
from typing import TypeVar

from proxy.model.problem import Problem

T = TypeVar("T")


async def outcome(task: "asyncio.Task[T]") -> T:
    """Return what comes of the work, or raise what it raises.

    Work that was stopped is a Problem: a reload of the settings has replaced what it was for.
    """
    await asyncio.wait({task})
    if task.cancelled():
        raise Problem("busy", "the server's settings were just changed; ask again", retry_after_s=2)
    return task.result()
