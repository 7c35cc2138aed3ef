"""Deadlines of client connections (reliability, 0 item 11): one walk a second, not timers per request.

A head must be complete `header_timeout` after the connection or its first byte; a client that is being
written to must take something within `write_timeout`. Bodies have their deadline where they are read. Idle
connections have aiohttp's own timer, which knows the `idle_timeout` that they began with; the walk ends them by the one
in force. Near the descriptor limit the longest idle connections go first.
"""

import asyncio
import logging
import math
import resource
from dataclasses import dataclass
from typing import assert_never

from proxy.config.settings import Server
from proxy.model.clock import Clock
from proxy.web.connection import Connection, Phase
from proxy.web.metrics import Metrics

#: Of the descriptors that the process may open, this share may be clients.
DESCRIPTOR_SHARE = 0.9
#: How many idle connections go at once, so that shedding is not a walk per accepted connection.
SHED_AT_ONCE = 32

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """The deadlines in seconds, and how many connections there may be."""

    header_s: float
    write_s: float
    connections: int
    idle_s: float = math.inf

    @classmethod
    def of(cls, settings: Server) -> "Limits":
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = int(soft * DESCRIPTOR_SHARE) if soft != resource.RLIM_INFINITY else 1_000_000
        return cls(settings.header_timeout_s, settings.write_timeout_s, most, settings.idle_timeout_s)

    @property
    def interval_s(self) -> float:
        """How often to look: a quarter of the shortest deadline, at most every second."""
        return max(0.02, min(1.0, self.header_s / 4, self.write_s / 4))


class Watch:
    """The open connections and the walk over them."""

    def __init__(self, limits: Limits, clock: Clock, metrics: Metrics) -> None:
        self.limits = limits
        self._clock = clock
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None
        self.connections: set[Connection] = set()
        self.is_empty = asyncio.Event()
        self.is_empty.set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._walk())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def opened(self, connection: Connection) -> None:
        self.connections.add(connection)
        self.is_empty.clear()
        self._metrics.connections = len(self.connections)
        if len(self.connections) > self.limits.connections:
            self._shed()

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._metrics.connections = len(self.connections)
        if not self.connections:
            self.is_empty.set()

    def look(self) -> None:
        """Judge every connection once."""
        now = self._clock.monotonic()
        for connection in tuple(self.connections):
            if self._is_overdue(connection, now):
                self._metrics.cut_connections[connection.phase.value] += 1
                connection.cut()

    def _is_overdue(self, connection: Connection, now: float) -> bool:
        phase = connection.phase
        match phase:
            case Phase.CLIENT:
                if not connection.stuck_since or connection.has_progressed():
                    connection.stuck_since = now
                return now - connection.stuck_since >= self.limits.write_s
            case Phase.HEAD:
                connection.head_since = connection.head_since or now
                return now - connection.head_since >= self.limits.header_s
            case Phase.IDLE:
                connection.stuck_since = 0.0
                if now - connection.idle_since >= self.limits.idle_s:
                    connection.force_close()
                return False
            case Phase.HANDLER:
                connection.stuck_since = 0.0
                return False
            case other:
                assert_never(other)

    def _shed(self) -> None:
        idle = [one for one in self.connections if one.phase is Phase.IDLE]
        idle.sort(key=lambda one: one.idle_since)
        for connection in idle[:SHED_AT_ONCE]:
            connection.cut()
        self._metrics.shed_connections += min(len(idle), SHED_AT_ONCE)
        _logger.warning("near the descriptor limit: %d idle connections closed", min(len(idle), SHED_AT_ONCE))

    async def _walk(self) -> None:
        while True:
            await asyncio.sleep(self.limits.interval_s)
            self.look()
