"""The table of owners, where a person changes it; only `owners.py` uses it."""

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from proxy.state.tables import owners


async def remove(connection: AsyncConnection, feed: str, name: str) -> None:
    """Forget who owns a name, in the transaction that is open."""
    await connection.execute(delete(owners).where(owners.c.feed == feed, owners.c.name == name))
