"""The management API's answers and what it is sent: structs, as JSON.

What a handler takes and answers is what its annotations say, and its docstring's first line says what it does: the
description of the API (`openapi.py`) is made from these, so nothing is said twice.

    Route(("GET",), "/api/v1/keys", answering(self.keys, asks=("limit", "cursor")))
    Route(("POST",), "/api/v1/keys", accepting(self.create, status=201))

A change is finished even if its client leaves meanwhile: what is on disk must be what memory says.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, TypeVar, get_type_hints

import msgspec

from proxy.web.access_rights import require_a_right
from proxy.web.api.body import MAX_BYTES, check_own, read_body
from proxy.web.inbound import Inbound
from proxy.web.outbound import Bytes, Handler, Headers, Outbound

MEDIA_TYPE = "application/json"

Answer = TypeVar("Answer", bound=msgspec.Struct)
Body = TypeVar("Body")

_ENCODER = msgspec.json.Encoder()
#: Changes whose clients may have left.
_UNDER_WAY: set["asyncio.Task[Outbound]"] = set()


@dataclass(frozen=True, slots=True)
class Told(Generic[Answer]):
    """An answer with more than a document: a header such as ETag or Location, or a status of this one answer."""

    document: Answer
    headers: Headers = ()
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """What the description of the API tells of a route beside the handler's annotations."""

    handler: Callable[..., Any]
    #: Fields of the query.
    asks: tuple[str, ...]
    status: int
    body: Any = None
    #: Request headers that mean something, and whether they must be there.
    headers: Mapping[str, bool] | None = None
    #: What the body may be, where its type does not tell.
    schema: Mapping[str, Any] | None = None

    @property
    def answer(self) -> Any:
        """The type of the document that is answered; None for an answer without one."""
        return get_type_hints(self.handler)["return"]

    @property
    def summary(self) -> str:
        return (self.handler.__doc__ or "").partition("\n")[0]


def answering(
    handler: Callable[[Inbound], Awaitable[Answer | Told[Answer]]], *, asks: tuple[str, ...] = (), status: int = 200
) -> Handler:  # fmt: skip
    """Return a reading handler as the table of routes wants it."""

    @wraps(handler)
    async def answer(request: Inbound) -> Outbound:
        return _sent(await handler(request), status)

    return _described(answer, Described(handler, asks, status))


def accepting(
    handler: Callable[[Inbound, Body], Awaitable[Answer | Told[Answer] | None]], *, asks: tuple[str, ...] = (),
    status: int = 200, headers: Mapping[str, bool] | None = None, schema: Mapping[str, Any] | None = None,
) -> Handler:  # fmt: skip
    """Return a changing handler that is handed the body of the request, as its second parameter's type says.

    Answers None: 204, nothing to tell. Raises Problem for a body that is no JSON of the type.
    """
    hints = get_type_hints(handler)
    hints.pop("return", None)
    *_, body_type = hints.values()

    @wraps(handler)
    async def answer(request: Inbound) -> Outbound:
        require_a_right(request.actor)
        check_own(request)
        body: Body = await read_body(request, body_type)
        return await _finished(_changed(handler(request, body), status))

    return _described(answer, Described(handler, asks, status, body_type, headers, schema))


def changing(
    handler: Callable[[Inbound], Awaitable[Answer | Told[Answer] | None]], *, asks: tuple[str, ...] = (),
    status: int = 200, headers: Mapping[str, bool] | None = None,
) -> Handler:  # fmt: skip
    """Return a changing handler that needs no body: a DELETE, a POST that only orders."""

    @wraps(handler)
    async def answer(request: Inbound) -> Outbound:
        require_a_right(request.actor)
        check_own(request)
        await request.read_body(MAX_BYTES)
        return await _finished(_changed(handler(request), status))

    return _described(answer, Described(handler, asks, status, headers=headers))


def described(handler: Handler) -> Described | None:
    """Return what is told of a route's handler; None for one that is not the API's."""
    found: Described | None = getattr(handler, "described", None)
    return found


def _described(answer: Handler, told: Described) -> Handler:
    answer.described = told  # type: ignore[attr-defined]
    return answer


async def _changed(handled: Awaitable[Answer | Told[Answer] | None], status: int) -> Outbound:
    return _sent(await handled, status)


async def _finished(change: Any) -> Outbound:
    task: asyncio.Task[Outbound] = asyncio.ensure_future(change)
    _UNDER_WAY.add(task)
    task.add_done_callback(_over)
    return await asyncio.shield(task)


def _over(task: "asyncio.Task[Outbound]") -> None:
    _UNDER_WAY.discard(task)
    if not task.cancelled():
        # Whoever still waits gets it as well; without a waiter it is nobody's loss.
        task.exception()


def _sent(answered: Answer | Told[Answer] | None, status: int) -> Bytes:
    told = answered if isinstance(answered, Told) else Told(answered) if answered is not None else None
    if told is None:
        return Bytes(body=b"", content_type=MEDIA_TYPE, status=204)
    body = _ENCODER.encode(told.document) + b"\n"
    return Bytes(body=body, content_type=MEDIA_TYPE, status=told.status or status, headers=told.headers)
