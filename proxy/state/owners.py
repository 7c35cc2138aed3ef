"""Which upstream of a feed a name belongs to (contract, section 1): remembered, so that none changes unseen.

The rule is in `feeds/ownership`; here it is only kept. What was set is on disk.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.model.audit_entry import AuditEntry
from proxy.model.clock import Clock
from proxy.state.batches import Batches
from proxy.state.database import Database

#: Names in memory, those without an owner included.
MEMORY_NAMES = 50_000
_NAMES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns a name: the upstream's id, and since when (UTC milliseconds)."""

    name: str
    upstream: str
    since_ms: int


class Owners:
    """The remembered owners of all feeds."""

    def __init__(self, database: Database, clock: Clock, *, memory_names: int = MEMORY_NAMES) -> None:
        self._database = database
        self._clock = clock
        self._max = memory_names
        self._held: OrderedDict[tuple[str, str], str | None] = OrderedDict()
        self._turn = asyncio.Lock()
        self._batches = Batches[str, str, None](self._turn, self._set, _NAMES_AT_ONCE)

    async def of(self, feed: str, name: str) -> str | None:
        """Return the upstream's id, or None if the name has no owner yet."""
        key = (feed, name)
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        async with self._turn:
            if key not in self._held:
                self._keep(key, await (await self._database.rows()).owner(feed, name))
            return self._held[key]

    async def set(self, feed: str, name: str, upstream: str) -> None:
        """Make the upstream the name's owner. Raises Problem('disk-full'); nothing has changed then."""
        await self._batches.add(feed, name, upstream)

    async def all(self, feed: str) -> dict[str, str]:
        """Return every owned name of a feed: for an index that is judged as a whole."""
        return await (await self._database.rows()).owners(feed)

    async def find(self, feed: str, name: str) -> Owner | None:
        """Return who owns a name, and since when."""
        row = await (await self._database.rows()).owner_since(feed, name)
        return None if row is None else Owner(name, *row)

    async def some(self, feed: str, *, after: str = "", containing: str = "", limit: int) -> list[Owner]:
        """Return so many owned names of a feed behind `after`, in the order of the alphabet."""
        rows = await (await self._database.rows()).owners_after(feed, after, containing, limit)
        return [Owner(*row) for row in rows]

    async def release(self, feed: str, name: str, entry: AuditEntry) -> None:
        """Forget who owns a name: the first upstream that has it then is its owner. Raises Problem."""
        async with self._turn:
            async with self._database.change(entry) as connection:
                from proxy.state.owner_rows import remove

                await remove(connection, feed, name)
            self._held.pop((feed, name), None)

    async def learn(self, feed: str, names: dict[str, str]) -> None:
        """Remember the owners of names that had none. Raises Problem('disk-full'); nothing has changed then."""
        if not names:
            return
        since_ms = round(self._clock.now().timestamp() * 1000)
        async with self._turn:
            await (await self._database.rows()).write_owners(feed, names, since_ms)
            self._held.clear()

    async def _set(self, feed: str, owners: Mapping[str, str]) -> dict[str, None]:
        """Write those that are new, in one transaction."""
        changed = {name: owner for name, owner in owners.items() if self._held.get((feed, name)) != owner}
        if changed:
            since_ms = round(self._clock.now().timestamp() * 1000)
            await (await self._database.rows()).set_owners(feed, changed, since_ms)
        for name, owner in changed.items():
            self._keep((feed, name), owner)
        return dict.fromkeys(owners)

    def _keep(self, key: tuple[str, str], upstream: str | None) -> None:
        self._held[key] = upstream
        self._held.move_to_end(key)
        while len(self._held) > self._max:
            self._held.popitem(last=False)
