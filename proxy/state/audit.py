"""The audit: an append-only chain of entries, each with the hash of the one before (reliability, F02).

An entry's hash is sha256 over the previous hash and the entry's canonical JSON, so that whoever changes or takes out
one would have to change all that follow; `verify` finds it, and a head that was noted elsewhere finds even that.
The triggers of the table refuse UPDATE, DELETE and REPLACE. It is written in the transaction of the change it tells
of and nowhere else (`Database.change`): no audit, no change. Order is by number, never by clock (B13).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, fields

import orjson
from sqlalchemy import ColumnElement, insert, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from proxy.model.audit_entry import AuditEntry, AuditRecord, as_kept
from proxy.state.audit_trail import GENESIS, Chain, Wanted
from proxy.state.tables import audit

_HASHED = tuple(each.name for each in fields(AuditRecord) if each.name not in ("previous", "hash"))
_AT_ONCE = 500


async def append(connection: AsyncConnection, entries: Iterable[AuditEntry], at_ms: int) -> None:
    """Add entries to the chain, in the transaction that is open."""
    number, previous = await _head(connection)
    for entry in entries:
        number += 1
        record = _record(entry, number, at_ms, previous)
        await connection.execute(insert(audit).values(asdict(record)))
        previous = record.hash


async def read(connection: AsyncConnection, wanted: Wanted) -> list[AuditRecord]:
    """Return the entries that are asked for."""
    query = select(audit).where(audit.c.number > wanted.after, *_filters(wanted))
    rows = await connection.execute(query.order_by(audit.c.number).limit(wanted.limit))
    return [AuditRecord(**row) for row in rows.mappings()]


async def verify(connection: AsyncConnection, after: int, previous: str) -> Chain:
    """Check the entries that follow a number, some at once; `entries` is how many were looked at."""
    number, seen = after, 0
    for record in await read(connection, Wanted(limit=_AT_ONCE, after=after)):
        fault = _fault(record, number, previous)
        if fault is not None:
            return Chain(seen, (number, previous), fault)
        number, previous, seen = record.number, record.hash, seen + 1
    if seen == 0 and await _highest(connection) != number:
        return Chain(0, (number, previous), f"the entries after number {number} are missing")
    return Chain(seen, (number, previous))


def _fault(record: AuditRecord, number: int, previous: str) -> str | None:
    if record.number != number + 1:
        return f"entry {number + 1} is missing"
    if record.previous != previous:
        return f"entry {record.number} does not follow the entry before it"
    if record.hash != hash_of(record):
        return f"entry {record.number} was changed"
    return None


def hash_of(record: AuditRecord) -> str:
    """Return the hash that an entry must have."""
    told = orjson.dumps({name: getattr(record, name) for name in _HASHED}, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(record.previous.encode() + told).hexdigest()


def _record(entry: AuditEntry, number: int, at_ms: int, previous: str) -> AuditRecord:
    told = AuditRecord(
        number=number, at_ms=at_ms, actor_id=entry.actor.id, actor=entry.actor.name, address=entry.actor.address,
        action=entry.action, subject=entry.subject, feed=entry.feed, before=as_kept(entry.before),
        after=as_kept(entry.after), detail=entry.detail, request_id=entry.request_id, previous=previous, hash="",
    )  # fmt: skip
    return AuditRecord(**(asdict(told) | {"hash": hash_of(told)}))


async def _head(connection: AsyncConnection) -> tuple[int, str]:
    last = select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
    row = (await connection.execute(last)).first()
    return (row.number, row.hash) if row is not None else (0, GENESIS)


async def _highest(connection: AsyncConnection) -> int:
    """Return the highest number that there ever was, as SQLite remembers it beside the table."""
    found = await connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'audit'"))
    return int(found.scalar_one_or_none() or 0)


def _filters(wanted: Wanted) -> Iterable[ColumnElement[bool]]:
    if wanted.since_ms is not None:
        yield audit.c.at_ms >= wanted.since_ms
    if wanted.feed is not None:
        yield audit.c.feed == wanted.feed
    if wanted.actor is not None:
        yield or_(audit.c.actor == wanted.actor, audit.c.actor_id == wanted.actor)
    if wanted.action is not None:
        noun = f"{wanted.action}."
        yield or_(audit.c.action == wanted.action, audit.c.action.startswith(noun, autoescape=True))
