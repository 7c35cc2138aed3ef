"""Batches: what waits for its transaction while another one is on its way to the disk goes there together.

A transaction costs some syncs of the disk, however little it holds. Two hundred names that are asked for at once cost
a few transactions this way, and not two hundred, one behind the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from proxy.model.problem import Problem

G = TypeVar("G", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")


@dataclass(eq=False, slots=True)
class _Item(Generic[G, T, R]):
    """One item that waits; `outcome` is a list of the one result, or what was raised."""

    group: G
    name: str
    value: T
    outcome: list[R] | Exception | None = None


class Batches(Generic[G, T, R]):
    """Items by group and name. `write(group, values)` writes all of them or none, and returns a result for each.

    `turn` is held meanwhile. What is returned was written; whoever is cancelled takes nobody with him.
    """

    def __init__(
        self, turn: asyncio.Lock, write: Callable[[G, Mapping[str, T]], Awaitable[Mapping[str, R]]], most: int
    ) -> None:
        self._turn = turn
        self._write = write
        self._most = most
        self._waiting: dict[_Item[G, T, R], None] = {}

    async def add(self, group: G, name: str, value: T) -> R:
        """Write an item, with others of its group; raise what `write` raises for it."""
        item = _Item[G, T, R](group, name, value)
        self._waiting[item] = None
        try:
            while item.outcome is None:
                async with self._turn:
                    if item.outcome is None:
                        await self._write_with(item)
        finally:
            self._waiting.pop(item, None)
        if isinstance(item.outcome, Exception):
            raise item.outcome.with_traceback(None)
        return item.outcome[0]

    async def _write_with(self, first: _Item[G, T, R]) -> None:
        """Write an item and those that wait with it. A name that waits twice has its second turn later."""
        batch = {first.name: first}
        for item in self._waiting:
            if len(batch) >= self._most:
                break
            if item.group == first.group:
                batch.setdefault(item.name, item)
        try:
            await self._write_batch(batch)
        except Problem as problem:
            # The disk's trouble is everybody's.
            for item in batch.values():
                item.outcome = problem
        except Exception:  # noqa: BLE001 - what is wrong with one must not cost the others: each by itself
            for name, item in batch.items():
                try:
                    await self._write_batch({name: item})
                except Exception as failure:  # noqa: BLE001 - raised by `add`, for the one to whom it belongs
                    item.outcome = failure
        for item in batch.values():
            self._waiting.pop(item, None)

    async def _write_batch(self, batch: Mapping[str, _Item[G, T, R]]) -> None:
        group = next(iter(batch.values())).group
        written = await self._write(group, {name: item.value for name, item in batch.items()})
        for name, item in batch.items():
            item.outcome = [written[name]]
