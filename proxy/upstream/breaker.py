"""The breaker: when a source that fails is left alone, and for how long (A09).

After five failures in a row it opens. While it is open nothing is asked; after each step exactly one
request goes out as a probe, and its failure doubles the step up to two seconds: an origin that is up again is found
at once, and one request every two seconds harms nobody. An origin that names a time itself (`Retry-After`) is left
alone for that time, within a bound. Time is the injected clock's. No I/O.

Whoever comes while it is open waits for the next probe (`remote.py`), so that nobody is refused whom it would serve.

A `Gate` puts two of them before a request: the source's own, and the host's, which hears only of connections: what
lies beside an index on a host that cannot be reached is not tried in its place, and need not fail with it otherwise.
"""

from typing import Literal

from proxy.model.clock import Clock
from proxy.upstream.errors import Silent, Unreachable, UpstreamError

THRESHOLD = 5
FIRST_STEP_S = 0.5
LONGEST_STEP_S = 2.0
#: The longest time that an origin can ask for.
LONGEST_ASKED_S = 120.0

#: Where a connection fails: these hops say that the host cannot be reached at all.
_CONNECTING = frozenset({"name", "tcp", "proxy", "tls"})

State = Literal["closed", "open", "half-open"]


class Breaker:
    """The memory of one source."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._steps = 0
        self._open_until: float | None = None
        self._probing = False
        #: How many probes have failed, ever: whoever waits for one learns from it how it ended.
        self.failed_probes = 0
        #: Why it is open, in the words of the last failure.
        self.reason = ""

    @property
    def state(self) -> State:
        if self._open_until is None:
            return "closed"
        return "half-open" if self._probing or self._clock.monotonic() >= self._open_until else "open"

    @property
    def failures(self) -> int:
        """How many requests failed in a row."""
        return self._failures

    @property
    def is_probed(self) -> bool:
        """Whether a probe is under way."""
        return self._probing

    def wait_s(self) -> float:
        """Return how long to leave the source alone; 0 when it may be asked now."""
        if self._open_until is None:
            return 0.0
        left = self._open_until - self._clock.monotonic()
        return max(left, FIRST_STEP_S if self._probing else 0.0)

    def admit(self) -> float:
        """Return 0 and let one request out (the probe, if the breaker is open), or the seconds to wait."""
        wait = self.wait_s()
        if wait == 0 and self._open_until is not None:
            self._probing = True
        return wait

    def answered(self) -> None:
        """The source sent a header that means something; if the body fails, one failure is enough."""
        if self._open_until is not None:
            self._failures = THRESHOLD - 1
        self._open_until, self._probing = None, False

    def succeeded(self) -> None:
        """A whole answer came."""
        self._failures = self._steps = 0
        self._open_until, self._probing, self.reason = None, False, ""

    def failed(self, reason: str, retry_after_s: int | None = None) -> None:
        """A request failed; open if it was one too many, a probe, or the origin asked to be left alone."""
        was_probe, self._probing = self._probing, False
        self.failed_probes += was_probe
        was_open = self._open_until is not None
        self._failures += 1
        self.reason = reason
        step = 0.0
        # What was under way already when the breaker opened is no reason to step further.
        if was_probe or (self._failures >= THRESHOLD and not was_open):
            step = min(LONGEST_STEP_S, FIRST_STEP_S * 2 ** min(self._steps, 10))
            self._steps += 1
        step = max(step, min(float(retry_after_s or 0), LONGEST_ASKED_S))
        if step:
            self._open_until = max(self._clock.monotonic() + step, self._open_until or 0.0)

    def abandoned(self) -> None:
        """The request ended without telling anything about the source (cancelled, refused by ourselves)."""
        self._probing = False


def is_of_host(error: UpstreamError, origin: str) -> bool:
    """Tell whether the origin's host cannot be reached at all; where a redirect leads may be another."""
    return isinstance(error, Unreachable) and error.hop in _CONNECTING and error.origin == origin


class Gate:
    """The breakers before one request: `own` of the source, and `host` where others share the source's host."""

    def __init__(self, own: Breaker, host: Breaker | None = None) -> None:
        self._own = own
        self._host = host
        self._all = (own,) if host is None else (own, host)

    @property
    def reason(self) -> str:
        """Why it is shut, in the words of the last failure."""
        return max(self._all, key=Breaker.wait_s).reason

    def wait_s(self) -> float:
        """Return how long to leave the source alone; 0 when it may be asked now."""
        return max(breaker.wait_s() for breaker in self._all)

    @property
    def is_probed(self) -> bool:
        """Whether a probe is under way."""
        return any(breaker.is_probed for breaker in self._all)

    @property
    def failed_probes(self) -> int:
        """How many probes have failed, ever."""
        return sum(breaker.failed_probes for breaker in self._all)

    def admit(self) -> float:
        """Return 0 and let one request out, or the seconds to wait."""
        wait = self.wait_s()
        if wait == 0:
            for breaker in self._all:
                breaker.admit()
        return wait

    def answered(self) -> None:
        for breaker in self._all:
            breaker.answered()

    def succeeded(self) -> None:
        for breaker in self._all:
            breaker.succeeded()

    def failed(self, error: UpstreamError) -> None:
        """A request failed in a way that a moment may cure."""
        self._own.failed(error.detail, error.retry_after_s)
        if self._host is None:
            return
        if is_of_host(error, error.origin):
            self._host.failed(error.detail)
        elif isinstance(error, Silent):
            self._host.abandoned()
        else:
            self._host.succeeded()

    def abandoned(self) -> None:
        for breaker in self._all:
            breaker.abandoned()
