"""The scene of a case: an origin with an index, the whole server in front of it, a client, and the auditor.

    async def test_...(scene: Scene) -> None:
        await scene.start(read_timeout_s=0.3)
        scene.origin.always(scene.page_path, SILENT)
        answer = await scene.get(scene.page)

The index has one project, `demo`: a wheel of some 300 KB and an sdist. When the test has ended well, everything
is healed, time passes, and the auditor looks at all that happened and at what is left (see `audit`).
"""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from proxy.config.settings import Auth, Feed, Rate, Upstream
from proxy.model.redact import Secret
from proxy.web.log import JsonLines, TextLines
from tests.faults.agreement import Agreement
from tests.faults.auditor import Auditor
from tests.faults.client import Client, Fetched
from tests.faults.secrets import CANARIES
from tests.faults.turned_clock import TurnedClock
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

WHEEL = "demo-1.0-py3-none-any.whl"
SDIST = "demo-1.0.tar.gz"
PAYLOAD = 300_000
#: Longer than any rest, step of a breaker, time to live or backoff.
LATER_S = 1000.0
#: Short enough for a test; an honest origin on this machine is far from them, however busy that is.
PATIENT: Mapping[str, Any] = {
    "read_timeout_s": 3.0,
    "connect_timeout_s": 3.0,
    "min_rate": Rate(4096.0, 3.0),
    "auth": Auth("basic", "reader", Secret(CANARIES["basic"])),
}
#: For origins that say nothing.
IMPATIENT: Mapping[str, Any] = {"read_timeout_s": 0.5, "min_rate": Rate(4096.0, 0.5)}


class Scene:
    """One case. Entered by the fixture; the test calls `start` when its index is as it should be."""

    def __init__(self, folder: Path, origin: Origin, auditor: Auditor, client: Client) -> None:
        self.folder = folder
        self.origin = origin
        self.auditor = auditor
        self.clock = TurnedClock()
        self.index = FakeIndex(origin)
        self.index.add(wheel("demo", "1.0", payload=PAYLOAD), sdist("demo", "1.0"))
        self.gateway: Gateway
        self.log = _Log()
        #: Whether each listed file downloads once all is healed (False: the case says why it cannot).
        self.heals = True
        self._client = client
        self._is_started = False
        auditor.indexes.append(self.index)
        auditor.origins.append(origin)

    # -- the server

    async def start(self, *feeds: Feed, server: Mapping[str, Any] | None = None, **changes: Any) -> None:
        """Start the server on these feeds; without any on one, whose upstream is the index with the changes."""
        wanted = feeds or (feed(self.upstream(**changes)),)
        options = {"header_timeout_s": 5.0, **(server or {})}
        self.gateway = Gateway(self.folder, *wanted, clock=self.clock, **options)
        self.gateway.is_swept = False  # the auditor does it
        self.auditor.begin()
        logging.getLogger().addHandler(self.log)
        await self.gateway.start()
        self._is_started = True
        self.auditor.lag.start()

    def upstream(
        self, index: FakeIndex | None = None, name: str = "origin", *, url: str = "", **changes: Any
    ) -> Upstream:
        """Return the upstream of an index (the scene's), with credentials."""
        return upstream(url or (index or self.index).url, name, **{**PATIENT, **changes})

    async def restart(self) -> None:
        """Stop, and start again on the same data."""
        await self.auditor.lag.stop()
        await self.gateway.restart()
        self.auditor.lag.start()

    async def later(self, seconds: float = LATER_S) -> None:
        """Let time pass: whatever was fresh, resting or backing off is so no more."""
        self.clock.advance(seconds)

    # -- asking

    page = "/pypi/pypi/simple/demo/"
    api = "/pypi/pypi/pypi/demo/json"

    @property
    def page_path(self) -> str:
        """The page at the origin."""
        return self.index.page_path("demo")

    @property
    def file(self) -> str:
        """The wheel at the server."""
        return self.path(WHEEL)

    @property
    def file_path(self) -> str:
        """The wheel at the origin."""
        return self.index.file_path(WHEEL)

    @property
    def data(self) -> bytes:
        return self.index.file(WHEEL).built.data

    def path(self, filename: str, feed_name: str = "pypi", index: FakeIndex | None = None) -> str:
        """Return where the server has a file."""
        return f"/pypi/{feed_name}/packages{(index or self.index).file_path(filename)}"

    async def get(self, path: str, method: str = "GET", **options: Any) -> Fetched:
        """Ask the server; `leave_at` and header fields as `Client.ask`."""
        return await self._client.ask(self.gateway.url, path, method, **options)

    async def warm(self) -> Fetched:
        """Let the server have the page."""
        page = await self.get(self.page, Accept=JSON)
        assert page.status == 200, page.body
        return page

    async def settled(self) -> None:
        """Wait until no artifact is on its way: clients have their bytes before the disk does."""
        async with asyncio.timeout(10):
            while self.gateway.app.base.flights.current():
                await asyncio.sleep(0.005)

    # -- looking

    def blobs(self) -> set[str]:
        """Return the digests of the stored blobs."""
        return {path.name for path in self.folder.glob("data/cache/blobs/??/*")}

    @property
    def holds_wheel(self) -> bool:
        return self.index.file(WHEEL).built.sha256 in self.blobs()

    def counted(self, name: str, label: str = "") -> int:
        """Return how often something happened, as the metrics have it."""
        return self.gateway.app.base.tally.of(name, label)

    # -- the end

    async def audit(self) -> list[str]:
        """Heal, let time pass, and return every complaint; the server is stopped then."""
        if not self._is_started:
            return []
        auditor = self.auditor
        # What healing costs is not the case's doing.
        found = [*auditor.loop_was_free(), *auditor.one_fetch()]
        for origin in auditor.origins:
            origin.heal()
            await origin.on()
        await self.later()
        found += await Agreement(self, auditor.indexes).complaints(downloads=self.heals)
        metrics = await self.get("/metrics")
        readable = await self.get("/")
        found += [] if (metrics.status, readable.status) == (200, 200) else ["/ or /metrics does not answer"]
        found += await auditor.no_temps()
        await self.stop()
        found += await auditor.nothing_is_left()
        found += await auditor.no_temps()
        found += [*auditor.bytes_are_right(), *auditor.answers_are_the_contracts(), *auditor.loop_is_sound()]
        found += [*auditor.blobs_are_their_names(), *auditor.no_secrets(self.texts()), *self.log.crashes]
        return found

    async def stop(self) -> None:
        if self._is_started:
            self._is_started = False
            await self.auditor.lag.stop()
            await self.gateway.stop()
            await self._client.close()
            logging.getLogger().removeHandler(self.log)

    def texts(self) -> list[tuple[str, bytes]]:
        return [("the log", self.log.text.encode()), ("the access log", self.access_log)]

    @property
    def access_log(self) -> bytes:
        buffer = self.gateway.log.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


class _Log(logging.Handler):
    """Every record of the program, in both of its forms."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.crashes: list[str] = []
        self._forms = (JsonLines(), TextLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += [form.format(record) for form in self._forms]
        if record.exc_info or record.levelno >= logging.CRITICAL or "never retrieved" in record.getMessage():
            self.crashes.append(f"a traceback in the log: {self.lines[-1]}")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@asynccontextmanager
async def made(folder: Path) -> AsyncIterator[Scene]:
    """Make a scene, and take it down without an audit."""
    auditor = Auditor(folder / "data")
    async with Origin() as origin, Client(auditor.note) as client:
        scene = Scene(folder, origin, auditor, client)
        try:
            yield scene
        finally:
            await scene.stop()
