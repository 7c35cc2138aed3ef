"""The server as a process of its own, to be killed, and a look at the children that a process has."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tests.conda_feed.readback import Form, read_back
from tests.support.conda_index import Sections
from tests.support.raw_http import Raw

_ROOT = Path(__file__).parents[2]
_LISTENS = re.compile(rb"listens at http://127\.0\.0\.1:(\d+)")
_CONFIG = """
[server]
port = 0
[log]
format = "json"
[feeds.chan]
kind = "conda"
[[feeds.chan.upstreams]]
url = "{url}"
route = "direct"
allow_private = true
ttl = "1s"
read_timeout = "2s"
connect_timeout = "2s"
retries = 0
"""


class Served:
    """A server process with the feed `chan` on one channel."""

    def __init__(self, folder: Path, url: str) -> None:
        self.data = folder / "data"
        self.port = 0
        self._folder = folder
        self._url = url
        self._log = folder / "served.log"
        self._process: asyncio.subprocess.Process

    async def start(self) -> None:
        """Start and wait until it listens."""
        config = self._folder / "config.toml"
        config.write_text(_CONFIG.format(url=self._url))
        words = ("-m", "proxy", "serve", "--config", str(config), "--data-dir", str(self.data))
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *words, cwd=_ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": os.environ["PATH"], "HOME": str(self._folder)},
            )  # fmt: skip
        async with asyncio.timeout(30):
            while (found := _LISTENS.search(self._log.read_bytes())) is None:
                assert self._process.returncode is None, self._log.read_text()
                await asyncio.sleep(0.02)
        self.port = int(found[1])

    @property
    def pid(self) -> int:
        return self._process.pid

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def get(self, path: str) -> int:
        """Ask for a path below the feed; return the status."""
        async with Raw(self.port) as raw:
            return (await raw.ask("GET", f"/conda/chan/{path}")).status

    async def until_at(self, holds: Callable[[], bool]) -> None:
        """Ask for an index again and again, so that it is refreshed, until a moment comes."""

        async def asking() -> None:
            while True:
                await self.get("linux-64/repodata_shards.msgpack.zst")
                await asyncio.sleep(0.1)

        client = asyncio.create_task(asking())
        try:
            await moment(holds)
        finally:
            client.cancel()
            await asyncio.gather(client, return_exceptions=True)

    async def indexed(self, form: Form) -> Sections:
        async with Raw(self.port) as raw:
            return await read_back(lambda file: raw.ask("GET", f"/conda/chan/linux-64/{file}"), form)

    def leftovers(self) -> list[Path]:
        return [*self.data.glob("cache/conda/**/.*"), *self.data.glob("cache/blobs/tmp/*")]


def children(pid: int, job: str) -> list[int]:
    """Return the processes below `pid` that do a job, such as "ingest_job"."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            pids = [int(each) for each in task.read_text().split()]
            found += [each for each in pids if job.encode() in Path(f"/proc/{each}/cmdline").read_bytes()]
        except OSError:
            continue  # it has ended meanwhile
    return found


async def moment(holds: Callable[[], bool], *, within_s: float = 20.0) -> None:
    """Wait for a moment that may be short."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.001)


async def ended(pid: int) -> None:
    """Wait until a process that is nobody's child here is gone, or a zombie."""
    status = Path(f"/proc/{pid}/stat")
    async with asyncio.timeout(30):
        while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
            await asyncio.sleep(0.01)
