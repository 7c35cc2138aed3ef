"""The stand: a fake channel, and the whole server in front of it as the feed `chan`.

    stand.channel.add(package("tool"))
    await stand.start()
    answer = await stand.get("linux-64/repodata.json")

Time is the machine's with a hand to turn it. What the program logs is kept; a traceback in it fails the test.
"""

import asyncio
import io
import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from proxy.config.settings import Feed, Upstream
from proxy.policy.settings import Policy
from tests.conda_feed.readback import Form, read_back
from tests.faults.turned_clock import TurnedClock
from tests.support.channel import SHARD_INDEX, FakeChannel
from tests.support.conda_index import Sections
from tests.support.gateway import Gateway, Got, upstream
from tests.support.origin import Origin
from tests.support.raw_http import Raw, Reply, ask

#: Longer than an upstream's `ttl`, than any rest and any backoff.
LATER_S = 1000.0
_WORK = re.compile(r"prefetch|refresh |full index|side document|arrival")
_FEED_FIELDS = Feed.__dataclass_fields__.keys()


class Stand:
    """One channel, one server. The fixture takes it down."""

    def __init__(self, folder: Path, origin: Origin) -> None:
        self.folder = folder
        self.origin = origin
        self.channel = FakeChannel(origin)
        self.clock = TurnedClock()
        self.log = _Log()
        self.gateway: Gateway
        self._is_started = False

    # -- the server

    def upstream(self, channel: FakeChannel | None = None, name: str = "origin", **changes: Any) -> Upstream:
        return upstream(str(changes.pop("url", (channel or self.channel).url)), name, **changes)

    def feed(self, *upstreams: Upstream, name: str = "chan", **changes: Any) -> Feed:
        """Return a conda feed; changes are a feed's settings, or its only upstream's."""
        of_feed = {key: changes.pop(key) for key in _FEED_FIELDS & changes.keys()}
        return Feed(name, "conda", upstreams or (self.upstream(**changes),), **of_feed)

    async def start(
        self, *feeds: Feed, server: Mapping[str, Any] | None = None, settle: bool = True,
        policies: Collection[Policy] = (), **changes: Any,
    ) -> None:  # fmt: skip
        """Start, and wait until what is fetched of itself is there."""
        wanted = feeds or (self.feed(**changes),)
        self.gateway = Gateway(self.folder, *wanted, clock=self.clock, policies=policies, **(server or {}))
        logging.getLogger().addHandler(self.log)
        await self.gateway.start()
        self._is_started = True
        if settle:
            await self.settled()

    async def stop(self) -> None:
        if self._is_started:
            self._is_started = False
            await self.gateway.stop()
            logging.getLogger().removeHandler(self.log)

    async def restart(self) -> None:
        await self.gateway.restart()
        await self.settled()

    async def settled(self) -> None:
        """Wait until no refresh, rendering or fetch is under way."""
        async with asyncio.timeout(30):
            while work := [task for task in asyncio.all_tasks() if _WORK.match(task.get_name())]:
                await asyncio.wait(work)

    async def refresh(self, *subdirs: str) -> None:
        """Let time pass until indexes are old, and have them asked for again."""
        self.clock.advance(LATER_S)
        for subdir in subdirs or ("linux-64",):
            await self.get(f"{subdir}/{SHARD_INDEX}")
        await self.settled()

    # -- asking

    async def get(self, path: str, method: str = "GET", *, feed: str = "chan", **headers: Any) -> Got:
        """Ask for a path below the feed."""
        return await self.gateway.get(f"/conda/{feed}/{path}", method=method, **headers)

    async def raw(self, method: str, target: str, *headers: str) -> Reply:
        """Ask with a target that is sent as it stands."""
        port = urlsplit(self.gateway.url).port
        assert port is not None
        return await ask(port, method, target, *headers)

    async def whole(self, path: str) -> Reply | None:
        """Ask for a file; None where the transfer is broken off, as clients see it."""
        try:
            return await self.raw("GET", f"/conda/chan/{path}")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def indexed(
        self, subdir: str = "linux-64", form: Form = Form.SHARDS, *, feed: str = "chan"
    ) -> Sections:
        """Return the records of a subdir as one index form has them, once it has caught up with the last change."""
        if form is not Form.SHARDS:
            await self.get(f"{subdir}/{form}", feed=feed)
            await self.settled()
        port = urlsplit(self.gateway.url).port
        assert port is not None
        async with Raw(port) as raw:  # one connection: a channel may have thousands of shards
            return await read_back(lambda file: raw.ask("GET", f"/conda/{feed}/{subdir}/{file}"), form)

    async def files(
        self, subdir: str = "linux-64", form: Form = Form.SHARDS, *, feed: str = "chan"
    ) -> set[str]:
        found = await self.indexed(subdir, form, feed=feed)
        return {file for records in found.values() for file in records}

    # -- looking

    def counted(self, name: str, label: str = "") -> int:
        """Return how often something happened, as the metrics have it."""
        return self.gateway.app.base.tally.of(name, label)

    def blobs(self) -> set[str]:
        """Return the digests of the stored blobs."""
        return {path.name for path in self.cache.glob("blobs/??/*")}

    @property
    def cache(self) -> Path:
        return self.gateway.settings.server.cache_dir

    @property
    def access_log(self) -> str:
        buffer = self.gateway.log.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()

    def leftovers(self) -> list[str]:
        """Return what a finished or failed intake should not leave behind."""
        return [str(path) for path in self.cache.glob("conda/**/.*")]


class _Log(logging.Handler):
    """Every record of the program."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.crashes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "asyncio" and record.levelno < logging.WARNING:
            return
        self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")
        if record.exc_info or "never retrieved" in record.getMessage():
            self.crashes.append(f"{self.lines[-1]}\n{record.exc_text or record.exc_info}")

    def of(self, level: str) -> list[str]:
        """Return the lines of a level."""
        return [line for line in self.lines if line.startswith(f"{level} ")]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)
