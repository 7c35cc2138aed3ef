"""`/api/v1/audit`: who changed what, oldest first, for admins; and whether the chain of it is whole."""

from datetime import UTC, datetime

import msgspec

from proxy.model.audit_entry import AuditRecord
from proxy.model.problem import Problem
from proxy.state.audit_trail import AuditTrail, Wanted
from proxy.web.access_rights import require_admin
from proxy.web.api.answer import answering
from proxy.web.api.asked import cursor_of, limit_of
from proxy.web.inbound import Inbound
from proxy.web.routes import Route

_DIGITS = 15


class AuditItem(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `before` and `after` are what the thing was and is, without secrets; null: it was or is not there."""

    number: int
    at: str
    actor: str
    actor_id: str
    #: Where the request came from; '' for what the server did by itself.
    address: str
    action: str
    subject: str
    feed: str | None
    before: msgspec.Raw
    after: msgspec.Raw
    detail: str
    request_id: str
    #: The hash of the entry before, and this one's.
    previous: str
    hash: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some entries; `next` is the cursor of the following page, null at the end."""

    items: list[AuditItem]
    next: str | None


class ChainHead(msgspec.Struct, frozen=True, kw_only=True):
    """The last sound entry. Note it elsewhere: then nobody can write the whole chain anew unseen."""

    number: int
    hash: str


class ChainAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether every entry is there and unchanged; `fault` says what is not."""

    ok: bool
    entries: int
    head: ChainHead
    fault: str | None


class AuditApi:
    """The handlers."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    def routes(self) -> tuple[Route, ...]:
        asks = ("since", "feed", "actor", "action", "limit", "cursor")
        return (
            Route(("GET",), "/api/v1/audit", answering(self.entries, asks=asks)),
            Route(("GET",), "/api/v1/audit/chain", answering(self.chain)),
        )

    async def entries(self, request: Inbound) -> AuditPage:
        """List changes, oldest first."""
        require_admin(request.actor)
        limit, cursor = limit_of(request), cursor_of(request, _is_number)
        after, since_ms = _since(request)
        wanted = Wanted(
            limit=limit + 1, after=max(after, int(cursor or 0)), since_ms=since_ms, feed=request.query_value("feed"),
            actor=request.query_value("actor"), action=request.query_value("action"),
        )  # fmt: skip
        found = await self._trail.read(wanted)
        following = str(found[limit - 1].number) if len(found) > limit else None
        return AuditPage(items=[_item(record) for record in found[:limit]], next=following)

    async def chain(self, request: Inbound) -> ChainAnswer:
        """Look at every entry of the audit and tell whether the chain is whole."""
        require_admin(request.actor)
        chain = await self._trail.verify()
        number, digest = chain.head
        head = ChainHead(number=number, hash=digest)
        return ChainAnswer(ok=chain.fault is None, entries=chain.entries, head=head, fault=chain.fault)


def _item(record: AuditRecord) -> AuditItem:
    at = datetime.fromtimestamp(record.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return AuditItem(
        number=record.number, at=at.replace("+00:00", "Z"), actor=record.actor, actor_id=record.actor_id,
        address=record.address, action=record.action, subject=record.subject, feed=record.feed,
        before=_json(record.before), after=_json(record.after), detail=record.detail, request_id=record.request_id,
        previous=record.previous, hash=record.hash,
    )  # fmt: skip


def _json(text: str | None) -> msgspec.Raw:
    return msgspec.Raw((text or "null").encode())


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def _since(request: Inbound) -> tuple[int, int | None]:
    """Return the number after which, and the time from which on entries are asked for."""
    text = request.query_value("since")
    if text is None:
        return 0, None
    try:
        since = datetime.fromisoformat(text)
        return 0, round((since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        if _is_number(text):
            return int(text), None
        detail = "since is a time such as 2026-11-20 or 2026-11-20T09:00:00Z, or the number of an entry"
        raise Problem("unprocessable", detail) from None
