"""Health: what is known about an upstream from the requests that were made anyway. Asks nothing."""

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime

from proxy.upstream.errors import UpstreamError

_WEIGHT = 0.2
#: Upper bounds of the latency histogram, in seconds; the last bucket has none.
LATENCY_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(slots=True)
class RemoteHealth:
    """Counts and times of one upstream; `latency_s` is a moving average of the time to the header."""

    upstream: str
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    #: The last failure in one line, without credentials.
    last_error: str | None = None
    successes: int = 0
    failures: int = 0
    #: How often each kind of failure happened, by the name of its class.
    errors: dict[str, int] = field(default_factory=dict)
    latency_s: float | None = None
    #: How many headers took up to each of LATENCY_BOUNDS_S (not cumulative), and longer; and their sum.
    latency_counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_S) + 1))
    latency_sum_s: float = 0.0
    received_bytes: int = 0
    in_flight: int = 0
    #: The breaker's state by source, where it is not closed.
    breakers: dict[str, str] = field(default_factory=dict)
    #: What is left alone for wrong bytes: the origin, since when, and why.
    rests: list[tuple[str, datetime, str]] = field(default_factory=list)

    @property
    def is_failing(self) -> bool:
        """Whether the last request failed, or the source is left alone after failures."""
        succeeded, failed = self.last_success_at, self.last_failure_at
        return bool(self.breakers) or (failed is not None and (succeeded is None or failed > succeeded))

    def answered(self, seconds: float) -> None:
        """A header came after so many seconds."""
        self.latency_counts[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self.latency_sum_s += seconds
        self.latency_s = (
            seconds if self.latency_s is None else self.latency_s + _WEIGHT * (seconds - self.latency_s)
        )

    def succeeded(self, now: datetime) -> None:
        self.successes += 1
        self.last_success_at = now

    def failed(self, error: UpstreamError, now: datetime) -> None:
        kind = type(error).__name__
        self.failures += 1
        self.errors[kind] = self.errors.get(kind, 0) + 1
        self.last_failure_at = now
        self.last_error = str(error)
