"""What can go wrong at an origin, as values. A `Fault` says how one answer departs from the honest one.

The letters are the cases of the reliability sheet. Faults combine where that makes sense (a slow answer that
is cut off); `send.py` carries them out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How an answer departs from the honest one. The default departs in nothing."""

    #: Only these methods are hit; others are answered honestly.
    methods: Sequence[str] = ("GET", "HEAD", "POST")

    # -- before the header
    #: A01: the request is read and nothing ever comes.
    silent: bool = False
    #: Seconds before the first byte of the header.
    delay_s: float = 0.0
    #: The connection is reset before any byte of an answer.
    refuse: bool = False
    #: These bytes are the whole answer, then the connection is closed.
    raw: bytes | None = None

    # -- status
    #: A09: this status, with `body` in place of the resource's (error bodies are small).
    status: int | None = None
    body: bytes | None = None
    content_type: str | None = None
    #: A09: seconds or an HTTP date, as text.
    retry_after: str | None = None
    #: A12: `Location`, with `status` (302 if none is given).
    location: str | None = None
    #: A14: 206 with a Content-Range though no Range was asked for.
    unasked_206: bool = False
    #: A14: 304 though nothing conditional was asked.
    unasked_304: bool = False
    #: A14: 200 and everything in answer to a Range.
    ignore_range: bool = False
    #: 206 whose range starts this many bytes later than asked.
    shift_range: int = 0

    # -- header
    #: Added to the header as they are; a name of the honest header is replaced.
    headers: Sequence[tuple[str, str]] = ()
    #: Names left out of the header.
    without: Sequence[str] = ()
    #: A15: that many extra fields.
    extra_headers: int = 0
    #: A05: this text as Content-Length in place of the right one.
    length: str | None = None
    #: A05: a second Content-Length field.
    second_length: str | None = None
    #: A05: Content-Length and Transfer-Encoding both.
    length_and_chunked: bool = False
    #: Honest chunked coding, no Content-Length.
    chunked: bool = False
    #: A04: HTTP/1.0, no length at all; the end of the connection is the end of the body.
    close_delimited: bool = False
    #: A14, A15: the body is sent in this coding ('gzip', 'deflate', 'zstd') and named so.
    encoding: str | None = None
    #: The body is in that coding already (a bomb made beforehand).
    encoded: bytes | None = field(default=None, repr=False)

    # -- body
    #: A02: that many bytes, every so many seconds.
    drip: tuple[int, float] | None = None
    #: Bytes per second, evenly.
    rate: float | None = None
    #: A03: reset (linger 0) after that many body bytes.
    reset_at: int | None = None
    #: A04: orderly close after that many body bytes.
    truncate_at: int | None = None
    #: Nothing more after that many body bytes, the connection stays open.
    stall_at: int | None = None
    #: A07: one bit of the byte at this place is flipped (negative counts from the end).
    flip_at: int | None = None
    #: A05: chunks without end.
    endless: bool = False
    #: A06: these bytes after the body ...
    trailing: bytes = b""
    #: ... in the same packet, or so many seconds later.
    trailing_after_s: float = 0.0
    #: The connection is closed after the answer (with `Connection: close`).
    close: bool = False


HONEST = Fault()
SILENT = Fault(silent=True)
UNAVAILABLE = Fault(status=503)


def failing(status: int, times: int, retry_after: str | None = None) -> tuple[Fault, ...]:
    """Return that many answers of one status, for `Origin.script`."""
    return (Fault(status=status, retry_after=retry_after),) * times
