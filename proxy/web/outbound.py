"""What a handler may answer: a small union of frozen values, none of which knows the HTTP library.

A handler chooses the bytes and says how long they hold; `respond.py` alone decides status, range, 304 and
headers. ETags are written here without quotes and are always strong.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from enum import Enum
from pathlib import Path
from typing import Protocol

import msgspec

from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.web.inbound import Inbound

REVALIDATE = "private, max-age=0, must-revalidate"
IMMUTABLE = "private, max-age=31536000, immutable"
NO_STORE = "no-store"
OCTETS = "application/octet-stream"

Headers = tuple[tuple[str, str], ...]
Open = Callable[[int, int | None], AsyncIterator[bytes]]


class Cache(Enum):
    """What the cache did for an answer: the parameters of Cache-Status (RFC 9211) and a metric's label."""

    def __init__(self, parameters: str) -> None:
        # Plain attributes: an enum's own `name` and hash are Python calls, a microsecond of every hit.
        self.line = f"Cache-Status: feedgate{parameters}\r\n"
        self.label = "" if self._name_ == "NONE" else self._name_.lower()

    NONE = ""
    HIT = "; hit"
    STALE = "; hit; fwd=stale"
    MISS = "; fwd=miss; stored"
    COLLAPSED = "; fwd=miss; collapsed"
    PASSED = "; fwd=miss"
    REVALIDATED = "; fwd=stale; fwd-status=304"
    REPLACED = "; fwd=stale; fwd-status=200; stored"
    PASSED_ANEW = "; fwd=stale; fwd-status=200"


class HeldBlob(Protocol):
    """A blob on disk: `artifacts.store.Blob` is one. `data` holds its bytes where it is small."""

    @property
    def digest(self) -> Sha256: ...
    @property
    def size(self) -> int: ...
    @property
    def path(self) -> Path: ...
    @property
    def data(self) -> bytes | None: ...


class Bytes(msgspec.Struct, frozen=True, kw_only=True):
    """A small answer that is sent as it is: the API's JSON, health, metrics. Never compressed."""

    body: bytes
    content_type: str
    status: int = 200
    etag: str | None = None
    cache_control: str = NO_STORE
    headers: Headers = ()
    cache: Cache = Cache.NONE


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """An index form: bytes or a file named by its digest, coded as the client likes; `size` is plain."""

    digest: Sha256
    body: bytes | Path
    size: int
    content_type: str
    cache_control: str = REVALIDATE
    #: What else than Accept-Encoding chose it: pages say "Accept".
    vary: str | None = None
    last_modified: str | None = None
    age_s: int | None = None
    headers: Headers = ()
    cache: Cache = Cache.HIT


class BlobAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An artifact or side file that is held: its ETag is its digest, it is never content-coded."""

    blob: HeldBlob
    content_type: str = OCTETS
    cache_control: str = IMMUTABLE
    last_modified: str | None = None
    headers: Headers = ()
    cache: Cache = Cache.HIT


class StreamAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that are still arriving. `open(start, stop)` gives those of [start, stop), stop None: to the end.

    It is called once, only for a GET, with the range that the client gets, and closed early if the client
    leaves. A Problem raised before the first chunk is answered as one; after it the connection is aborted.
    `size` None means unknown: no range is answered then.
    """

    open: Open
    size: int | None
    etag: str | None = None
    content_type: str = OCTETS
    cache_control: str = IMMUTABLE
    last_modified: str | None = None
    headers: Headers = ()
    cache: Cache = Cache.MISS
    #: Asked when the first bytes are there: whether they are stored, as a MISS says.
    is_kept: Callable[[], bool] | None = None


class Redirect(msgspec.Struct, frozen=True, kw_only=True):
    """Another place in the same feed. `location` is a relative reference, already percent-encoded."""

    location: str
    status: int = 301
    cache_control: str = REVALIDATE


Outbound = Bytes | Document | BlobAnswer | StreamAnswer | Redirect | Problem
Handler = Callable[[Inbound], Awaitable[Outbound]]
