"""What the fake origin answers: pure functions from a resource, a request and a fault to an answer's bytes.

RFC 9110 where no fault says otherwise: GET and HEAD, one byte range (closed, open, suffix), If-None-Match,
If-Modified-Since, If-Range, 304, 416. Several ranges are answered with everything, as public hosts do.
"""

import gzip
import hashlib
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Protocol

import zstandard

from tests.support.faults import Fault

_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


class Body(Protocol):
    """Bytes that have a length and can be sliced: `bytes`, or a body too big to be made at once."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> bytes: ...


class Pattern:
    """A deterministic body of any size that costs one mebibyte of memory."""

    def __init__(self, size: int, seed: bytes = b"pattern") -> None:
        self._size = size
        self._block = hashlib.shake_256(seed).digest(1 << 20)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        start, stop, _ = part.indices(self._size)
        first, width = start % len(self._block), max(0, stop - start)
        copies = (first + width) // len(self._block) + 1
        return (self._block * copies)[first : first + width]

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for at in range(0, self._size, len(self._block)):
            digest.update(self[at : at + len(self._block)])
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived. Header names are lower-case; `at` is monotonic seconds."""

    method: str
    target: str
    headers: Mapping[str, str]
    at: float
    #: Every field in order, with the names as they were sent.
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    #: The connection's number, so that a test can see which requests shared one.
    connection: int = 0

    @property
    def path(self) -> str:
        return self.target.split("?", 1)[0]


@dataclass(frozen=True, slots=True)
class Resource:
    """What lies at a path."""

    body: Body
    content_type: str = "application/octet-stream"
    etag: str | None = None
    last_modified: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ranges: bool = True
    status: int = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's header and its body's bytes, before the faults of sending."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: Body
    has_body: bool


NOT_FOUND = Resource(b"not found\n", "text/plain", status=404, ranges=False)


def answer(resource: Resource, request: Received, fault: Fault) -> Answer:
    """Return the answer to the request, with what the fault changes in status, header and body."""
    status, headers, body = _select(resource, request, fault)
    body = _flipped(body, fault.flip_at)
    if fault.encoding is not None:
        body = fault.encoded if fault.encoded is not None else encode(body[:], fault.encoding)
        headers["Content-Encoding"] = fault.encoding
    has_body = request.method != "HEAD" and status not in (204, 304)
    return Answer(status, tuple(_framed(headers, status, len(body), fault)), body, has_body)


def _select(resource: Resource, request: Received, fault: Fault) -> tuple[int, dict[str, str], Body]:
    """Return status, header and body before coding and framing."""
    if fault.location is not None or fault.status is not None:
        return _told(fault)
    headers = {"Content-Type": resource.content_type, **_validators(resource), **resource.headers}
    if resource.status != 200:
        return resource.status, headers, resource.body
    if fault.unasked_304 or _not_modified(resource, request):
        return 304, headers, b""
    return _ranged(resource, request, fault, headers)


def _told(fault: Fault) -> tuple[int, dict[str, str], Body]:
    status = fault.status or 302
    body = fault.body if fault.body is not None else f"{status}\n".encode()
    headers = {"Content-Type": fault.content_type or "text/plain"}
    if fault.location is not None:
        headers["Location"] = fault.location
    if fault.retry_after is not None:
        headers["Retry-After"] = fault.retry_after
    return status, headers, body


def _validators(resource: Resource) -> dict[str, str]:
    headers = {"Accept-Ranges": "bytes"} if resource.ranges else {}
    if resource.etag is not None:
        headers["ETag"] = resource.etag
    if resource.last_modified is not None:
        headers["Last-Modified"] = resource.last_modified
    return headers


def _not_modified(resource: Resource, request: Received) -> bool:
    """RFC 9110, section 13.2.2: If-None-Match first, If-Modified-Since only without it."""
    wanted = request.headers.get("if-none-match")
    if wanted is not None:
        known = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
        return resource.etag is not None and (wanted == "*" or resource.etag.removeprefix("W/") in known)
    since = request.headers.get("if-modified-since")
    if since is None or resource.last_modified is None:
        return False
    return parsedate_to_datetime(resource.last_modified) <= parsedate_to_datetime(since)


def _ranged(
    resource: Resource, request: Received, fault: Fault, headers: dict[str, str]
) -> tuple[int, dict[str, str], Body]:
    size = len(resource.body)
    if fault.unasked_206:
        headers["Content-Range"] = f"bytes 0-{size - 1}/{size}"
        return 206, headers, resource.body
    asked = request.headers.get("range")
    matched = _RANGE.match(asked) if asked and resource.ranges and not fault.ignore_range else None
    if matched is None or asked == "bytes=-" or not _if_range_holds(resource, request):
        return 200, headers, resource.body
    start, stop = _bounds(matched[1], matched[2], size)
    if start >= stop:
        headers["Content-Range"] = f"bytes */{size}"
        return 416, headers, b""
    start += fault.shift_range
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return 206, headers, resource.body[start:stop]


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


def _if_range_holds(resource: Resource, request: Received) -> bool:
    wanted = request.headers.get("if-range")
    if wanted is None:
        return True
    return wanted in (resource.etag, resource.last_modified) and not wanted.startswith("W/")


def _flipped(body: Body, at: int | None) -> Body:
    if at is None or not len(body):
        return body
    copy = bytearray(body[:])
    copy[at] ^= 0x01
    return bytes(copy)


def encode(body: bytes, coding: str) -> bytes:
    """Return the body in a content coding."""
    if coding == "gzip":
        return gzip.compress(body, mtime=0)
    if coding == "deflate":
        return zlib.compress(body)
    return zstandard.ZstdCompressor().compress(body)


def _framed(headers: dict[str, str], status: int, size: int, fault: Fault) -> list[tuple[str, str]]:
    """Return the header's fields with the framing: the honest length, or what the fault says."""
    fields = dict(headers)
    chunked = fault.chunked or fault.endless or fault.length_and_chunked
    if chunked:
        fields["Transfer-Encoding"] = "chunked"
    if fault.length is not None:
        fields["Content-Length"] = fault.length
    elif status not in (204, 304) and (not chunked or fault.length_and_chunked):
        fields["Content-Length"] = str(size)
    if fault.close_delimited:
        fields.pop("Content-Length", None)
    if fault.close or fault.close_delimited:
        fields["Connection"] = "close"
    dropped = {name.lower() for name in fault.without} | {name.lower() for name, _ in fault.headers}
    lines = [(name, value) for name, value in fields.items() if name.lower() not in dropped]
    lines += list(fault.headers)
    if fault.second_length is not None:
        lines.append(("Content-Length", fault.second_length))
    lines += [(f"X-Extra-{number}", "x") for number in range(fault.extra_headers)]
    return lines


def head(reply: Answer, *, version: str = "HTTP/1.1") -> bytes:
    """Return the status line and the header, ending with the empty line."""
    try:
        reason = HTTPStatus(reply.status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"{version} {reply.status} {reason}", *(f"{name}: {value}" for name, value in reply.headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
