"""Reading the audit: some of it, or all of it to see whether it is whole. Writing is `Database.change`'s alone."""

from dataclasses import dataclass, replace

from proxy.model.audit_entry import AuditRecord
from proxy.state.database import Database

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries a reader asks for, oldest first."""

    limit: int
    after: int = 0
    since_ms: int | None = None
    feed: str | None = None
    #: Name or id.
    actor: str | None = None
    #: An action, or the noun of several.
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """What a look at the chain found: `fault` is None for a sound one, else what is wrong, in words."""

    entries: int
    #: Number and hash of the last sound entry.
    head: tuple[int, str]
    fault: str | None = None


class AuditTrail:
    """The audit of an open database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, wanted: Wanted) -> list[AuditRecord]:
        """Return the entries that are asked for. Raises Problem."""
        # The rows first: they load the library off the loop.
        rows = await self._database.rows()
        from proxy.state.audit import read

        async with rows.read() as connection:
            return await read(connection, wanted)

    async def verify(self) -> Chain:
        """Look at every entry; others get their turn in between. Raises Problem."""
        rows, seen = await self._database.rows(), Chain(0, (0, GENESIS))
        from proxy.state.audit import verify

        while True:
            async with rows.read() as connection:
                part = await verify(connection, *seen.head)
            seen = replace(part, entries=seen.entries + part.entries)
            if part.fault is not None or not part.entries:
                return seen
