"""Via: through which servers of this kind the request came that is being answered (RFC 9110, section 7.6.3).

What goes out on a request's behalf names them all, so that a loop of several servers closes at the first one that
finds itself among them. The inbound door tells, the outbound door asks; between them the context carries it, also
into the tasks that a request starts. Names of other proxies are not ours to tell an origin and stay here.
"""

import re
from collections.abc import Sequence
from contextvars import ContextVar

_TOKEN = re.compile(r"\bfeedgate-[0-9a-z]{1,64}(?![^\s,])")
#: A longer way than this is none that anybody built on purpose; the oldest names are left out.
_MOST = 16

_BEFORE: ContextVar[tuple[str, ...]] = ContextVar("via", default=())


def came(fields: Sequence[str]) -> None:
    """Note the `Via` fields of the request that this task now answers; none where it came from a client."""
    _BEFORE.set(tuple(_TOKEN.findall(",".join(fields)))[-_MOST:] if fields else ())


def through(own: str) -> str:
    """Return the `Via` value for a request that leaves: those before, then `own`."""
    return ", ".join([*(f"1.1 {token}" for token in _BEFORE.get()), own])
