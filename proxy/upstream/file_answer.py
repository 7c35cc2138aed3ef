"""What a file answers, in HTTP's words (RFC 9110: preconditions, then ranges). Pure."""

from dataclasses import dataclass

from proxy.upstream.answer import Validators
from proxy.upstream.folder import Facts
from proxy.upstream.stream import Span, range_field


@dataclass(frozen=True, slots=True)
class FileAsk:
    """What is wanted of a file; the meanings are those of `Way.open`."""

    start: int = 0
    stop: int | None = None
    if_range: str | None = None
    validators: Validators | None = None
    max_bytes: int | None = None


def judge(facts: Facts, ask: FileAsk) -> tuple[int, Span]:
    """Return the status (200, 206, 304 or 416) and which bytes go with it."""
    size = facts.size
    if ask.validators is not None and _is_same(ask.validators, facts):
        return 304, Span(0, 0, None)
    if range_field(ask.start, ask.stop) is None or ask.if_range not in (None, facts.etag):
        return 200, Span(0, size, size)
    start = max(0, size + ask.start) if ask.start < 0 else ask.start
    if start >= size:
        return 416, Span(0, 0, size)
    return 206, Span(start, size if ask.stop is None else min(ask.stop, size), size)


def fields(facts: Facts, span: Span, name: str) -> dict[str, str]:
    """Return the header fields of an answer, as an origin would send them."""
    return {
        "accept-ranges": "bytes",
        "content-length": str(span.expected or 0),
        "content-type": "application/json" if name.endswith(".json") else "application/octet-stream",
        "etag": facts.etag,
        "last-modified": facts.last_modified,
    }


def _is_same(validators: Validators, facts: Facts) -> bool:
    """Compare as If-None-Match does, and by the date only where there is no tag (RFC 9110, 13.2.2)."""
    if validators.etag is not None:
        return validators.etag.removeprefix("W/") == facts.etag
    return validators.last_modified == facts.last_modified
