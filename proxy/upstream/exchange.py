"""An exchange: the accounting of one request, from its slot to its end.

It ends once, as a success, as a failure, or without telling anything about the origin (cancelled, refused by
ourselves); whatever comes first counts. Slot, breaker and health hear of it here and nowhere else.

An origin that answers "not you", "not this" or "not so" (401, 403, 405, 501 and the like) to one request works: that
is no failure of the origin. An answer of which next to nothing comes for a second gives its slot up.
"""

import asyncio
from collections.abc import Callable

from proxy.model.clock import Clock
from proxy.upstream.breaker import Gate, is_of_host
from proxy.upstream.errors import UpstreamError
from proxy.upstream.health import RemoteHealth
from proxy.upstream.slots import Slot
from proxy.upstream.status import NOT_DONE

#: How often it is looked at what came, in seconds, and what is slow. As many slow transfers as may go on without a slot
#: have given theirs up before somebody who stands behind them loses patience.
_LOOK_S = 1.0
SLOW_BYTES_PER_S = 128 * 1024


class Exchange:
    """One request that was let out."""

    def __init__(
        self,
        slot: Slot,
        gate: Gate,
        health: RemoteHealth,
        clock: Clock,
        *,
        on_broken: Callable[[], None] | None = None,
        on_end: Callable[[], None] | None = None,
        substitute_at: str | None = None,
    ) -> None:
        self._slot = slot
        self._gate = gate
        self._health = health
        self._clock = clock
        self._began = clock.monotonic()
        self._is_over = False
        self._is_answered = False
        #: Called when the body fails though its header came.
        self._on_broken = on_broken
        self._on_end = on_end
        self._received = 0
        self._timer: asyncio.TimerHandle | None = None
        #: The source's origin, where another document is asked for in this one's place: of its failures only one counts
        #: against the source, that the host cannot be reached.
        self._substitute_at = substitute_at
        health.in_flight += 1

    def answered(self) -> None:
        """The header came and means something."""
        self._is_answered = True
        self._health.answered(self._clock.monotonic() - self._began)
        self._gate.answered()
        self._tell()
        if self._timer is None and not self._is_over:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self._look, self._received)

    def received(self, size: int) -> None:
        self._received += size
        self._health.received_bytes += size

    def succeed(self) -> None:
        """The whole answer came."""
        if self._end():
            self._gate.succeeded()
            self._health.succeeded(self._clock.now())
            self._tell()

    def fail(self, error: UpstreamError) -> None:
        """It failed; only what a moment may cure says something about the source's state."""
        if not self._end():
            return
        self._health.failed(error, self._clock.now())
        if self._is_answered and self._on_broken is not None:
            self._on_broken()
        if error.status is not None and (not error.curable or error.status in NOT_DONE):
            self._gate.succeeded()
        elif error.curable and (self._substitute_at is None or is_of_host(error, self._substitute_at)):
            self._gate.failed(error)
        else:
            self._gate.abandoned()
        self._tell()

    def abandon(self) -> None:
        """Nobody wants it any more."""
        if self._end():
            self._gate.abandoned()
            self._tell()

    def _end(self) -> bool:
        """Return True the first time."""
        if self._is_over:
            return False
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        self._health.in_flight -= 1
        self._slot.release()
        return True

    def _tell(self) -> None:
        if self._on_end is not None:
            self._on_end()

    def _look(self, before: int) -> None:
        """Give the slot up if next to nothing of the answer has come since it began, or since the last look.

        An origin that has not answered yet may be at work: it gets no more than its number of requests.
        """
        if self._received - before < _LOOK_S * SLOW_BYTES_PER_S:
            self._slot.park()
        self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self._look, self._received)
