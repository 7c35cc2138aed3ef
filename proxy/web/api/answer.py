"""The management API's answers: structs, sent as JSON. What a handler answers is what its annotation says."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

import msgspec

from proxy.web.inbound import Inbound
from proxy.web.outbound import Bytes, Handler, Outbound

MEDIA_TYPE = "application/json"

Answer = TypeVar("Answer", bound=msgspec.Struct)

_ENCODER = msgspec.json.Encoder()


def answering(handler: Callable[[Inbound], Awaitable[Answer]]) -> Handler:
    """Return the handler as the table of routes wants it; `__wrapped__` keeps the struct's type."""

    @wraps(handler)
    async def answer(request: Inbound) -> Outbound:
        return Bytes(body=_ENCODER.encode(await handler(request)) + b"\n", content_type=MEDIA_TYPE)

    return answer
