"""Sight: what `feedgate doctor` saw of an origin's real answer, and what that tells."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from proxy.upstream.hop import Hop

#: Up to here a clock is right; from there on certificates and waiting periods suffer.
_CLOSE, _FAR = timedelta(minutes=2), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Sight:
    """An answer's status, the beginning of its body, and two of its fields."""

    status: int
    head: bytes
    date: str | None = None
    #: A 407 of a plain-http request through an outbound proxy, and what the proxy would take.
    is_proxy_refusal: bool = False
    challenge: str = ""
    #: The fields that the intake would read.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Whether the transport says where the body ends.
    is_framed: bool = True

    def origin_hop(self) -> Hop:
        """Return what the status tells."""
        return Hop("origin", self.status < 400, f"answered {self.status}", _ADVICE.get(self.status, ""))


@dataclass(frozen=True, slots=True)
class Whole:
    """How an answer is taken in whole: to the file `into`, of up to `most_bytes`; then `read` says what it is."""

    into: Path
    accept: str
    most_bytes: int
    read: Callable[[Sight], Awaitable[Hop]]


_ADVICE = {
    401: "the origin wants credentials: set auth of the upstream, or check it",
    403: "the origin refuses these credentials or this machine: check auth of the upstream",
    404: "check the upstream's url: nothing is there",
    407: "check the upstream's url: an origin does not say this",
    429: "the origin is asked too often: lower concurrency, or wait",
} | dict.fromkeys(
    (500, 502, 503, 504), "the origin, or a proxy before it, has trouble of its own: try again later"
)


def clock_hop(sight: Sight, now: datetime) -> Hop | None:
    """Return how this machine's clock stands to the origin's; None where that tells no time."""
    try:
        theirs = parsedate_to_datetime(sight.date or "")
    except (ValueError, OverflowError):
        return None
    ahead = now - (theirs if theirs.tzinfo is not None else theirs.replace(tzinfo=UTC))
    if abs(ahead) <= _CLOSE:
        return Hop("clock", True, "agrees with the origin's")
    way = "ahead of" if ahead > timedelta() else "behind"
    detail = f"this machine's clock is {_length(abs(ahead))} {way} the origin's"
    return Hop("clock", abs(ahead) < _FAR, detail, is_warning=True)


def _length(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{span.days} days"
