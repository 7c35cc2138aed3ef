"""From an answer to a reply: status, header fields and which bytes. Pure; the sending is `respond.py`'s.

Every rule of RFC 9110 that an answer obeys is applied here: preconditions, ranges, what a 304 repeats,
Vary. The fields that do not depend on the answer (Date, X-Request-ID, Connection and the fixed ones) are
added when it leaves.
"""

from functools import lru_cache
from http import HTTPStatus
from pathlib import Path

import msgspec
from multidict import MultiMapping, istr

from proxy.model.problem import Problem
from proxy.web import problem as problems
from proxy.web.conditional import IF_RANGE, Outcome, evaluate, range_still_holds
from proxy.web.encoding import Coding, etag_of
from proxy.web.fields import joined
from proxy.web.outbound import BlobAnswer, Bytes, Cache, Document, Headers, Open, Redirect, StreamAnswer
from proxy.web.ranges import WHOLE, Part, Unsatisfiable, Whole, select_range
from proxy.web.text import escape_ascii

RANGE = istr("Range")
#: A browser that opens an artifact must find nothing to render or run in it (E10).
SANDBOX = "Content-Security-Policy: default-src 'none'; sandbox\r\n"

#: How many answers' fields are remembered: some 2 MB.
REMEMBERED = 4096

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES = {status: f"HTTP/1.1 {status} {reason}\r\n" for status, reason in _REASONS.items()}


class FilePart(msgspec.Struct, frozen=True):
    """The bytes [start, stop) of a file that is `size` bytes long."""

    path: Path
    start: int
    stop: int
    size: int


class StreamPart(msgspec.Struct, frozen=True):
    """The bytes [start, stop) of a stream, stop None meaning the end."""

    open: Open
    start: int
    stop: int | None


Body = bytes | FilePart | StreamPart


class Reply(msgspec.Struct, frozen=True):
    """What leaves: the status line, the fields of this answer, the body; `length` None is unknown."""

    status: int
    status_line: str
    fields: str
    body: Body
    length: int | None


def compose_bytes(answer: Bytes, headers: MultiMapping[str]) -> Reply:
    """Return the reply for a small answer; only a 200 with an ETag is conditional."""
    fields = answer.cache.line + _cached(answer.cache_control, answer.etag) + _extra(answer.headers)
    if answer.status == 200 and answer.etag is not None:
        early = _precondition(headers, answer.etag, None, fields)
        if early is not None:
            return early
    return _whole(answer.status, f"{fields}Content-Type: {_safe(answer.content_type)}\r\n", answer.body)


def compose_problem(problem: Problem) -> Reply:
    """Return the reply that tells a problem; its reason phrase is the problem's title, in ASCII."""
    answer = problems.document(problem)
    fields = (
        f"Cache-Status: feedgate; detail={problem.word}\r\nCache-Control: {answer.cache_control}\r\n"
        f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n"
        f"{_extra(answer.headers)}"
    )
    line = f"HTTP/1.1 {problem.status} {escape_ascii(problem.title, problems.MAX_TITLE_CHARS)}\r\n"
    return Reply(problem.status, line, fields, answer.body, len(answer.body))


def compose_redirect(answer: Redirect) -> Reply:
    """Return the reply that sends a client elsewhere in the same feed."""
    fields = f"{Cache.NONE.line}Location: {_safe(answer.location)}\r\n"
    return _whole(answer.status, f"{fields}Cache-Control: {_safe(answer.cache_control)}\r\n", b"")


def not_modified_document(answer: Document, coding: Coding, headers: MultiMapping[str]) -> Reply | None:
    """Return the 304 or 412 of a document, which needs none of its bytes; None if they are to be sent."""
    etag = etag_of(answer.digest, coding)
    return _precondition(headers, etag, answer.last_modified, _document_fields(answer, etag))


def compose_document(
    answer: Document, coding: Coding, coded: bytes | None, method: str, headers: MultiMapping[str]
) -> Reply:
    """Return the reply for a document in a coding, whose bytes are given unless it is identity.

    Ranges count in the bytes of the coding, as its ETag does.
    """
    etag = etag_of(answer.digest, coding)
    fields = f"{_document_fields(answer, etag)}Content-Type: {_safe(answer.content_type)}\r\n"
    if coding is not Coding.IDENTITY:
        fields += f"Content-Encoding: {coding.value}\r\n"
    source = answer.body if coded is None else coded
    body: Body = FilePart(source, 0, answer.size, answer.size) if isinstance(source, Path) else source
    size = answer.size if isinstance(source, Path) else len(source)
    chosen = _chosen_range(method, headers, size, etag, answer.last_modified)
    return _sent(fields, body, size, chosen)


def compose_blob(answer: BlobAnswer, method: str, headers: MultiMapping[str]) -> Reply:
    """Return the reply for a held artifact."""
    blob = answer.blob
    size, data, digest = blob.size, blob.data, blob.digest
    fields = _artifact_fields(answer, digest)
    early = _precondition(headers, digest, answer.last_modified, fields)
    if early is not None:
        return early
    fields = fields + _typed(answer.content_type)
    body = FilePart(blob.path, 0, size, size) if data is None else data
    return _sent(fields, body, size, _chosen_range(method, headers, size, digest, answer.last_modified))


@lru_cache(maxsize=REMEMBERED)
def whole_blob_fields(line: str, digest: str, size: int, cache_control: str, content_type: str) -> str:
    """Return the fields of the plainest answer, a held artifact sent whole to a GET without conditions."""
    fields = _fields(line, "Accept-Ranges: bytes", digest, cache_control, None)
    return f"{fields}{_typed(content_type)}Content-Length: {size}\r\n"


def compose_stream(answer: StreamAnswer, method: str, headers: MultiMapping[str]) -> Reply:
    """Return the reply for an artifact that is still arriving."""
    size, etag = answer.size, answer.etag
    fields = _artifact_fields(answer, etag)
    early = _precondition(headers, etag, answer.last_modified, fields)
    if early is not None:
        return early
    fields = fields + _typed(answer.content_type)
    body = StreamPart(answer.open, 0, None)
    if size is None:
        return Reply(200, _STATUS_LINES[200], fields, body, None)
    return _sent(fields, body, size, _chosen_range(method, headers, size, etag, answer.last_modified))


def _chosen_range(
    method: str, headers: MultiMapping[str], size: int, etag: str | None, last_modified: str | None
) -> Whole | Part | Unsatisfiable:
    """Return the range that a GET asks for; Range is defined for GET alone (RFC 9110, 14.2)."""
    wanted = joined(headers, RANGE)
    if wanted is None or method != "GET":
        return WHOLE
    if not range_still_holds(joined(headers, IF_RANGE), etag, last_modified):
        return WHOLE
    return select_range(wanted, size)


def _precondition(
    headers: MultiMapping[str], etag: str | None, last_modified: str | None, fields: str
) -> Reply | None:
    match evaluate(headers, etag, last_modified):
        case Outcome.SEND:
            return None
        case Outcome.NOT_MODIFIED:
            return Reply(304, _STATUS_LINES[304], fields, b"", 0)
        case Outcome.FAILED:
            detail = "If-Match or If-Unmodified-Since names another version"
            return compose_problem(Problem("precondition-failed", detail))


def _whole(status: int, fields: str, body: bytes) -> Reply:
    if status == 204:
        return Reply(status, _STATUS_LINES[status], fields, b"", 0)
    fields = f"{fields}Content-Length: {len(body)}\r\n"
    return Reply(status, _STATUS_LINES[status], fields, body, len(body))


def _sent(fields: str, body: Body, size: int, chosen: Whole | Part | Unsatisfiable) -> Reply:
    match chosen:
        case Whole():
            return Reply(200, _STATUS_LINES[200], f"{fields}Content-Length: {size}\r\n", body, size)
        case Part(start, stop):
            length = stop - start
            fields += f"Content-Range: bytes {start}-{stop - 1}/{size}\r\nContent-Length: {length}\r\n"
            return Reply(206, _STATUS_LINES[206], fields, _cut(body, start, stop), length)
        case Unsatisfiable():
            detail = f"the range lies outside the {size} bytes of this file"
            size_header = {"Content-Range": f"bytes */{size}"}
            return compose_problem(Problem("range-not-satisfiable", detail, headers=size_header))


def _cut(body: Body, start: int, stop: int) -> Body:
    match body:
        case bytes():
            return body[start:stop]
        case FilePart(path=path, size=size):
            return FilePart(path, start, stop, size)
        case StreamPart(open=open_):
            return StreamPart(open_, start, stop)


def _artifact_fields(answer: BlobAnswer | StreamAnswer, etag: str | None) -> str:
    fields = _fields(
        answer.cache.line, "Accept-Ranges: bytes", etag, answer.cache_control, answer.last_modified
    )
    return fields + _extra(answer.headers) if answer.headers else fields


def _document_fields(answer: Document, etag: str) -> str:
    vary = "Vary: Accept-Encoding" if answer.vary is None else f"Vary: {answer.vary}, Accept-Encoding"
    fields = _fields(answer.cache.line, vary, etag, answer.cache_control, answer.last_modified)
    if answer.age_s is not None:
        fields += f"Age: {answer.age_s}\r\n"
    return fields + _extra(answer.headers) if answer.headers else fields


@lru_cache(maxsize=REMEMBERED)
def _fields(line: str, kind: str, etag: str | None, cache_control: str, last_modified: str | None) -> str:
    """Return what a 304 repeats; remembered, because a hit is asked for again and again."""
    fields = f"{line}{_safe(kind)}\r\n{_cached(cache_control, etag)}"
    return fields if last_modified is None else f"{fields}Last-Modified: {_safe(last_modified)}\r\n"


@lru_cache(maxsize=256)
def _typed(content_type: str) -> str:
    return f"{SANDBOX}Content-Type: {_safe(content_type)}\r\n"


def _cached(cache_control: str, etag: str | None) -> str:
    if etag is None:
        return f"Cache-Control: {_safe(cache_control)}\r\n"
    if '"' in etag:
        raise ValueError("an ETag is given without quotes")
    return f'ETag: "{_safe(etag)}"\r\nCache-Control: {_safe(cache_control)}\r\n'


def _extra(headers: Headers) -> str:
    return "".join(f"{_safe(name)}: {_safe(value)}\r\n" for name, value in headers)


def _safe(text: str) -> str:
    """Return a header's text if it is printable ASCII: nothing may split an answer (E12)."""
    if text.isascii() and text.isprintable():
        return text
    raise ValueError("a header may hold printable ASCII only")
