"""`/api/v1/keys`: who may do what, for admins. A key's value is told once, when it is made, and never again."""

import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

import msgspec

from proxy.config.faults import nearest, quote
from proxy.model import key_value
from proxy.model.actor import EVERY_FEED, Grant
from proxy.model.key import Key, is_group, why_no_name
from proxy.model.problem import Problem
from proxy.state.keys import Keys
from proxy.web.access_rights import require_admin
from proxy.web.api.answer import Told, accepting, answering, changing
from proxy.web.api.asked import cut
from proxy.web.api.body import refused
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route

_MOST = 200


class GrantAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rights on a feed, or on every one ('*'). `manage` implies `promote`, which implies `read`."""

    feed: str
    rights: list[Literal["read", "promote", "manage"]]


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made. `expires` is a date (its end counts, UTC) or a time; without `value` one is made."""

    name: str
    grants: list[GrantAnswer] = []
    groups: list[str] = []
    admin: bool = False
    expires: str | None = None
    value: str | None = None


class KeyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A key, without its value. `last_used_at` is up to a minute late."""

    id: str
    name: str
    grants: list[GrantAnswer]
    groups: list[str]
    admin: bool
    created_at: str
    created_by: str
    expires: str | None
    expired: bool
    last_used_at: str | None


class KeyMade(KeyAnswer, frozen=True, kw_only=True):
    """A key that was made just now, with its value, which nobody can tell again."""

    value: str


class KeyPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some keys; `next` is the cursor of the following page, null at the end."""

    items: list[KeyAnswer]
    next: str | None


class KeysApi:
    """The handlers."""

    def __init__(self, keys: Keys, served: Served) -> None:
        self._keys = keys
        self._served = served

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(("GET",), "/api/v1/keys", answering(self.keys, asks=("limit", "cursor"))),
            Route(("POST",), "/api/v1/keys", accepting(self.create, status=201)),
            Route(("DELETE",), "/api/v1/keys/{id}", changing(self.delete)),
        )

    async def keys(self, request: Inbound) -> KeyPage:
        """List the keys, oldest first; the first admin's is none of them."""
        require_admin(request.actor)
        some, following = cut(request, self._keys.all(), lambda key: key.id)
        return KeyPage(items=[self._answer(key) for key in some], next=following)

    async def create(self, request: Inbound, body: NewKey) -> Told[KeyMade]:
        """Make a key and tell its value, this once."""
        require_admin(request.actor)
        faults = list(self._faults(body))
        if faults:
            raise refused(faults)
        value = body.value if body.value is not None else key_value.make()
        key = Key(
            id=secrets.token_hex(6), name=body.name, grants=tuple(self._grant(grant) for grant in body.grants),
            groups=tuple(dict.fromkeys(body.groups)), is_admin=body.admin, created_ms=self._keys.now_ms(),
            created_by=request.actor.name, expires_ms=_end_of(body.expires),
        )  # fmt: skip
        await self._keys.create(key, value, request.actor, request.request_id)
        made = KeyMade(**msgspec.structs.asdict(self._answer(key)), value=value)
        return Told(made, headers=(("Cache-Control", "no-store"),))

    async def delete(self, request: Inbound) -> KeyAnswer:
        """Take a key away, at once."""
        require_admin(request.actor)
        return self._answer(await self._keys.delete(request.params["id"], request.actor, request.request_id))

    # -- parts ---------------------------------------------------------------------------------------------

    def _faults(self, body: NewKey) -> Iterator[tuple[str, str]]:
        """Yield everything that is wrong with a new key, by its place."""
        why = why_no_name(body.name)
        if why is not None:
            yield "name", why
        for number, grant in enumerate(body.grants[:_MOST]):
            if self._own_name(grant.feed) is None:
                there = nearest(grant.feed, self._served.settings.feeds)
                told = f"there is no feed {quote(grant.feed)}{there}; '*' stands for every feed"
                yield f"grants[{number}].feed", told
            if not grant.rights:
                yield f"grants[{number}].rights", "must not be empty"
        for number, group in enumerate(body.groups[:_MOST]):
            if not is_group(group):
                yield (
                    f"groups[{number}]",
                    "is no name of a group: letters, digits, '.', '_' and '-', at most 64",
                )
        if max(len(body.grants), len(body.groups)) > _MOST:
            yield "", f"a key has at most {_MOST} grants and {_MOST} groups"
        why = key_value.why_refused(body.value) if body.value is not None else None
        if why is not None:
            yield "value", why
        yield from self._of_time(body.expires)

    def _of_time(self, expires: str | None) -> Iterator[tuple[str, str]]:
        try:
            end_ms = _end_of(expires)
        except (ValueError, OverflowError, OSError):
            yield "expires", "is a date or time such as 2027-01-31 or 2027-01-31T12:00:00Z"
            return
        if end_ms is not None and end_ms <= self._keys.now_ms():
            yield "expires", "is in the past"

    def _own_name(self, feed: str) -> str | None:
        if feed == EVERY_FEED:
            return feed
        for one in self._served.settings.feeds.values():
            if feed == one.name or feed in one.aliases:
                return one.name
        return None

    def _grant(self, grant: GrantAnswer) -> Grant:
        own = self._own_name(grant.feed)
        if own is None:
            raise Problem("conflict", f"the feed {grant.feed} has just gone")
        return Grant(own, tuple(dict.fromkeys(grant.rights)))

    def _answer(self, key: Key) -> KeyAnswer:
        return KeyAnswer(
            id=key.id, name=key.name, groups=list(key.groups), admin=key.is_admin, created_by=key.created_by,
            grants=[GrantAnswer(feed=grant.feed, rights=list(grant.rights)) for grant in key.grants],
            created_at=_stamp(key.created_ms) or "", expires=_stamp(key.expires_ms),
            expired=key.expires_ms is not None and self._keys.now_ms() >= key.expires_ms,
            last_used_at=_stamp(key.last_used_ms),
        )  # fmt: skip


def _end_of(text: str | None) -> int | None:
    """Return when a key ends; a date's end is the end of that day. Raises ValueError, OverflowError, OSError."""
    if text is None:
        return None
    try:
        end = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
    except ValueError:
        end = datetime.fromisoformat(text)
        end = end if end.tzinfo else end.replace(tzinfo=UTC)
    return round(end.timestamp() * 1000)


def _stamp(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
