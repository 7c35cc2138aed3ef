"""What is counted: plain integers and dicts that the hot path increments, read only when somebody scrapes.

Every label set is bounded: routes are patterns, statuses those we send, cache results an enum; what other rooms
count is registered as a gauge. `exposition.py` turns it all into Prometheus' text.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: Upper bounds in seconds of the buckets of a latency.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

#: A labelled gauge: label value -> number. An unlabelled one is a mapping with the key ''.
Gauge = Callable[[], Mapping[str, float]]


@dataclass(slots=True)
class Latency:
    """A histogram: `counts` has one place per bucket and one for everything above."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum_s += seconds

    def merge(self, other: "Latency") -> None:
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.sum_s += other.sum_s


@dataclass(slots=True)
class Tally:
    """Requests of one kind: how many, the body bytes passed to clients, how long they took."""

    requests: int = 0
    sent_bytes: int = 0
    latency: Latency = field(default_factory=Latency)


@dataclass(frozen=True, slots=True)
class Registered:
    """A gauge that another room registered: its name without the prefix, its help, its label's name or ''."""

    name: str
    help: str
    label: str
    read: Gauge


class Metrics:
    """The process's counters."""

    def __init__(self) -> None:
        #: (route, status, cache result) -> requests
        self.requests: defaultdict[tuple[str, int, str], Tally] = defaultdict(Tally)
        #: what the connection was waiting for when its deadline passed -> connections
        self.cut_connections: defaultdict[str, int] = defaultdict(int)
        #: (rule, outcome) -> answers about a file that were more than a plain yes; see `note_verdict`.
        self.verdicts: defaultdict[tuple[str, str], int] = defaultdict(int)
        #: Gives (feed, rule, outcome) -> files, of the catalogs that are judged whole; read like a gauge.
        self.judged: Callable[[], Mapping[tuple[str, str, str], int]] = dict
        self.unreadable_requests = 0
        self.shed_connections = 0
        self.connections = 0
        self.loop_lag_s = 0.0
        self.worst_loop_lag_s = 0.0
        self.gauges: list[Registered] = []

    def note_request(self, route: str, status: int, cache: str, sent_bytes: int, seconds: float) -> None:
        """Count an answered request."""
        tally = self.requests[route, status, cache]
        tally.requests += 1
        tally.sent_bytes += sent_bytes
        tally.latency.add(seconds)

    def note_verdict(self, rule: str, outcome: str) -> None:
        """Count an answer about a file: `warn`, `hold`, `block`; `audit-hold`, `audit-block` hid nothing."""
        self.verdicts[rule, outcome] += 1

    def note_loop_lag(self, seconds: float) -> None:
        self.loop_lag_s = seconds
        self.worst_loop_lag_s = max(self.worst_loop_lag_s, seconds)

    def register(self, name: str, help_text: str, read: Gauge, label: str = "") -> None:
        """Add a gauge `feedgate_<name>`; it is read at each scrape, in a thread, and must be quick."""
        self.gauges.append(Registered(name, help_text, label, read))
