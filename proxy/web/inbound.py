"""What a handler is told of a request: one frozen value, with nothing of the HTTP library in it.

`segments` is the canonical path without the server's prefix, `params` what the route captured of it; `peer`
is the client's address after `trust.py` has judged the forwarding headers. A msgspec struct because one is
made for every request (a frozen dataclass of as many fields costs 2 µs more).
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from multidict import MultiMapping

from proxy.model.actor import ANONYMOUS, Actor
from proxy.web.fields import joined
from proxy.web.path import query_values

ReadBody = Callable[[int], Awaitable[bytes]]


class Inbound(msgspec.Struct, frozen=True, gc=False):
    """One request. `base_url` is the server's own URL as this client sees it, without a trailing slash."""

    method: str
    segments: tuple[str, ...]
    params: Mapping[str, str]
    query: str
    headers: MultiMapping[str]
    peer: str
    request_id: str
    base_url: str
    #: Reads the whole body, at most so many bytes; raises Problem for a larger or later one.
    read_body: ReadBody
    #: Who asks. Whether that one may read the feed of the path has been decided.
    actor: Actor = ANONYMOUS

    def header(self, name: str) -> str | None:
        """Return a header's value, several lines joined by ', ' (RFC 9110, 5.3); None if it is absent."""
        return joined(self.headers, name)

    def query_value(self, name: str) -> str | None:
        """Return the first value of a query field, '' for one without a value, None if it is absent."""
        values = query_values(self.query, name)
        return values[0] if values else None
