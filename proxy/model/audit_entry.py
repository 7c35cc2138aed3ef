"""What the audit tells of a change: who did what to which thing, from where, and what it was before and after.

Plain values; `state/audit.py` writes them, in the transaction of the change itself (design, law 6). `before` and
`after` are values of JSON, None for what was not or is no more. Law 9: whoever makes an entry leaves secrets out or
hands over the types that print as `***`; what still looks like a URL with credentials is redacted here.
"""

from dataclasses import dataclass
from typing import Protocol

import orjson

from proxy.model.redact import Secret, SecretUrl, redact


class Acting(Protocol):
    """Who acts: a key's holder, nobody in particular, or the server itself (`proxy.model.actor.Actor`)."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str: ...


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change that is about to be made. `action` is noun.verb: "feed.create", "approval.revoke"."""

    actor: Acting
    action: str
    subject: str
    before: object = None
    after: object = None
    detail: str = ""
    feed: str | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change that was made, as it is kept; `before` and `after` are JSON, `at_ms` is the wall clock's."""

    number: int
    at_ms: int
    actor_id: str
    actor: str
    address: str
    action: str
    subject: str
    feed: str | None
    before: str | None
    after: str | None
    detail: str
    request_id: str
    #: sha256 of the entry before, 64 zeros for the first.
    previous: str
    hash: str


def as_kept(value: object) -> str | None:
    """Return a value of `before` or `after` as canonical JSON, redacted; None stays."""
    if value is None:
        return None
    return orjson.dumps(_redacted(value), option=orjson.OPT_SORT_KEYS, default=_printed).decode()


def _printed(value: object) -> object:
    if isinstance(value, Secret | SecretUrl):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def _redacted(value: object) -> object:
    match value:
        case str():
            return redact(value) if "://" in value and "@" in value and "***@" not in value else value
        case dict():
            return {str(name): _redacted(part) for name, part in value.items()}
        case list() | tuple():
            return [_redacted(part) for part in value]
        case _:
            return value
