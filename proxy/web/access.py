"""The access log: one line per request, without query, credentials or keys, whatever the client sent.

Lines are gathered and written in one call from a thread, at the latest 200 ms later, so that a request costs
about a microsecond and a slow or stuck reader of the log never stops the server: past a bound, lines are dropped
and counted. What does not change from request to request (path, route, agent) is escaped once and remembered.
"""

import asyncio
import time
from collections.abc import Callable

import orjson
from multidict import istr

from proxy.model.clock import Clock
from proxy.web.exchange import COMPLETE, Exchange
from proxy.web.text import escape_ascii

USER_AGENT = istr("User-Agent")
FLUSH_S = 0.2
FLUSH_CHARS = 64 * 1024
MAX_WAITING_CHARS = 8 * 1024**2
MAX_AGENT_CHARS = 64
MAX_REMEMBERED = 1024

Write = Callable[[bytes], object]


class AccessLog:
    """Gathers lines; `write` takes whole lines and may block, `as_json` chooses the form."""

    def __init__(self, write: Write, clock: Clock, *, as_json: bool) -> None:
        self._write = write
        self._clock = clock
        self._form: JsonForm | TextForm = JsonForm() if as_json else TextForm()
        self._lines: list[str] = []
        self._waiting_chars = 0
        self._flushing: asyncio.Task[None] | None = None
        self._ends: dict[tuple[str, str, str], str] = {}
        self._tick = -1
        self._timestamp = ""
        self._wall_offset = 0.0
        self.dropped = 0

    def describe(self, method: str, path: str, route: str) -> str:
        """Return the part of a line that is the same for every request of a target; all are printable ASCII."""
        return self._form.target(method, path, route)

    def record(self, exchange: Exchange, ended: float) -> None:
        """Note an answered request; `ended` is a monotonic time."""
        if self._flushing is None:
            self._wall_offset = self._clock.now().timestamp() - ended
            self._flushing = asyncio.get_running_loop().create_task(self._flush_soon())
        if self._waiting_chars > MAX_WAITING_CHARS:
            self.dropped += 1
            return
        tick = int((ended + self._wall_offset) * 1000)
        if tick != self._tick:
            self._tell_time(tick)
        end = exchange.cache, exchange.end, exchange.headers.get(USER_AGENT, "")
        tail = self._ends.get(end) or self._end(end)
        line = self._form.line(self._timestamp, exchange, (ended - exchange.started) * 1000, tail)
        self._lines.append(line)
        self._waiting_chars += len(line)

    async def close(self) -> None:
        """Write what waits."""
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)
        await self._flush()

    async def _flush_soon(self) -> None:
        # Lines that came while others were being written find this task still there, so it stays for them.
        while self._lines:
            waited = 0.0
            while waited < FLUSH_S and self._waiting_chars < FLUSH_CHARS:
                await asyncio.sleep(FLUSH_S / 4)
                waited += FLUSH_S / 4
            await self._flush()
        self._flushing = None

    async def _flush(self) -> None:
        lines, self._lines, self._waiting_chars = self._lines, [], 0
        if not lines:
            return
        try:
            await asyncio.to_thread(self._write_lines, lines)
        except OSError:
            # Nobody reads the log any more (a closed pipe, a full disk): serving goes on.
            self.dropped += len(lines)

    def _write_lines(self, lines: list[str]) -> None:
        self._write("".join(lines).encode("ascii", "backslashreplace"))

    def _end(self, end: tuple[str, str, str]) -> str:
        if len(self._ends) >= MAX_REMEMBERED:
            self._ends.clear()
        cache, how, agent = end
        # A User-Agent's leading token names the program; what follows is telemetry.
        token = escape_ascii(agent.partition(" ")[0], MAX_AGENT_CHARS)
        tail = self._ends[end] = self._form.tail(cache, "" if how == COMPLETE else how, token)
        return tail

    def _tell_time(self, tick: int) -> None:
        self._tick = tick
        second, millisecond = divmod(tick, 1000)
        self._timestamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{millisecond:03d}Z"


class JsonForm:
    """One JSON object a line."""

    def target(self, method: str, path: str, route: str) -> str:
        fields = {"method": method, "path": path, "route": route}
        return orjson.dumps(fields).decode()[1:-1]

    def tail(self, cache: str, how: str, agent: str) -> str:
        fields = {"cache": cache, "end": how, "agent": agent}
        told = orjson.dumps({name: value for name, value in fields.items() if value}).decode()[1:]
        return f",{told}\n" if len(told) > 1 else "}\n"

    def line(self, at: str, exchange: Exchange, ms: float, tail: str) -> str:
        return (
            f'{{"ts":"{at}","kind":"access","request_id":"{exchange.request_id}","client":"{exchange.client}",'
            f'{exchange.described},"status":{exchange.status},"bytes":{exchange.sent_bytes},"ms":{ms:.3f}{tail}'
        )


class TextForm:
    """One line for people."""

    def target(self, method: str, path: str, route: str) -> str:
        return f"{method} {path}"

    def tail(self, cache: str, how: str, agent: str) -> str:
        return f" {cache or '-'} {agent or '-'}{' ' if how else ''}{how}\n"

    def line(self, at: str, exchange: Exchange, ms: float, tail: str) -> str:
        return (
            f"{at} {exchange.client} {exchange.described} {exchange.status} {exchange.sent_bytes} {ms:.1f}ms "
            f"{exchange.request_id}{tail}"
        )
