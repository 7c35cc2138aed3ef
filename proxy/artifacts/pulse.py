"""A pulse: wakes everybody who waits for "something changed", as often as something does.

Each beat sets one event and puts a new one in its place; a waiter that is cancelled disturbs nobody.
"""

import asyncio


class Pulse:
    """What the readers of a growing file wait for."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def beat(self) -> None:
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next beat. What is waited for must be looked at before, without a turn of the loop."""
        await self._next.wait()
