"""Approvals and promotions as rows: values in, values out. `approvals.py` changes them, `approved.py` loads them at
the start, without SQLAlchemy.
"""

from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from proxy.model.approval import Approval, Promotion
from proxy.state.tables import approvals, promotions, vaulted

_PROMOTED = tuple(column.name for column in promotions.columns)
_AT_ONCE = 500


async def add(connection: AsyncConnection, promotion: Promotion, made: list[Approval]) -> None:
    """Write a promotion and its new approvals, in the transaction that is open."""
    await connection.execute(insert(promotions).values(msgspec.structs.asdict(promotion)))
    rows = [_row(approval) for approval in made]
    for at in range(0, len(rows), _AT_ONCE):
        await connection.execute(insert(approvals), rows[at : at + _AT_ONCE])


async def write(connection: AsyncConnection, changed: list[Approval]) -> None:
    """Write approvals anew, in the transaction that is open."""
    for approval in changed:
        await connection.execute(
            update(approvals).where(approvals.c.id == approval.id).values(_row(approval))
        )


async def forget_keys(connection: AsyncConnection, feed: str, before_ms: int) -> None:
    """Let the keys of older promotions be used again."""
    old = (promotions.c.feed == feed) & (promotions.c.at_ms < before_ms) & promotions.c.key.is_not(None)
    await connection.execute(update(promotions).where(old).values(key=None))


async def remove(connection: AsyncConnection, feed: str) -> None:
    """Forget a feed's approvals and promotions, in the transaction that is open."""
    await connection.execute(delete(approvals).where(approvals.c.feed == feed))
    await connection.execute(delete(promotions).where(promotions.c.feed == feed))
    await connection.execute(delete(vaulted).where(vaulted.c.feed == feed))


async def promotion(connection: AsyncConnection, feed: str, **by: str) -> Promotion | None:
    """Return the promotion of a feed that has this `id` or this `key`."""
    query = select(promotions).where(promotions.c.feed == feed)
    for column, value in by.items():
        query = query.where(promotions.c[column] == value)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _promotion(dict(row))


async def promotions_of(
    connection: AsyncConnection, feed: str, limit: int, before: tuple[int, str] | None
) -> list[Promotion]:
    """Return a feed's promotions, newest first; `before` is the last one's time and id of the page before."""
    query = select(promotions).where(promotions.c.feed == feed)
    if before is not None:
        at_ms, last = before
        query = query.where(
            (promotions.c.at_ms < at_ms) | ((promotions.c.at_ms == at_ms) & (promotions.c.id < last))
        )
    query = query.order_by(promotions.c.at_ms.desc(), promotions.c.id.desc()).limit(limit)
    return [_promotion(dict(row)) for row in (await connection.execute(query)).mappings()]


def _row(approval: Approval) -> dict[str, Any]:
    row = msgspec.structs.asdict(approval)
    row["drift"] = msgspec.msgpack.encode(approval.drift) if approval.drift is not None else None
    return row


def _promotion(row: dict[str, Any]) -> Promotion:
    return Promotion(**{name: row[name] for name in _PROMOTED})
