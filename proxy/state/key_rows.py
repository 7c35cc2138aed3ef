"""The table of keys, row by row; only `keys.py` uses it."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Update, bindparam, delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from proxy.state.tables import keys


async def insert_key(connection: AsyncConnection, row: Mapping[str, object]) -> None:
    await connection.execute(insert(keys).values(dict(row)))


async def delete_key(connection: AsyncConnection, key_id: str) -> None:
    await connection.execute(delete(keys).where(keys.c.id == key_id))


def touch(key_ids: Collection[str], at_ms: int) -> tuple[Update, Sequence[Mapping[str, object]]]:
    """Return the statement and its rows that tell when keys were last used."""
    statement = update(keys).where(keys.c.id == bindparam("of_id")).values(last_used_ms=bindparam("at_ms"))
    return statement, [{"of_id": key_id, "at_ms": at_ms} for key_id in key_ids]
