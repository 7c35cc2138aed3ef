"""The server as a process of its own, on the machine's calls: for disks, descriptors, signals and kills.

    async with Served(folder, index.url, wrapper=("prlimit", "--nofile=64")) as served:
        answer = await served.get("/pypi/pypi/simple/demo/")

A wrapper runs in front of the program and must become it or run it as its only child. `mounts` puts small
file systems below the data folder, in a mount namespace that only this process has: its files are seen through
`seen`, and `inside` runs a command there. A tool that is not installed makes the case report itself as skipped.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.faults.auditor import Auditor
from tests.faults.client import Client, Fetched
from tests.faults.secrets import found_in
from tests.support.sweep import planted

ROOT = Path(__file__).parents[2]
_LISTENS = re.compile(rb"listens at (http://\S+)/")
_START_S = 30.0
_STOP_S = 30.0
_CONFIG = """
[server]
port = 0
stop_timeout = "{stop_timeout}"
body_timeout = "1s"
[log]
format = "json"
[feeds.pypi]
kind = "pypi"
[[feeds.pypi.upstreams]]
url = "{url}"
route = "direct"
allow_private = true
read_timeout = "2s"
connect_timeout = "2s"
retries = 0
{more}
"""


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skip the case, and say so, where a tool is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


class Served:
    """A server process."""

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        wrapper: Sequence[str] = (),
        mounts: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        config: str = "",
        stop_timeout: str = "5s",
        program: Sequence[str] = ("-m", "proxy"),
    ) -> None:
        self.data = folder / "data"
        self.auditor = Auditor(self.data)
        self.code: int | None = None
        self.url = ""
        self._client = Client(self.auditor.note)
        self._folder = folder
        self._config = _CONFIG.format(url=url, more=config, stop_timeout=stop_timeout)
        self._wrapper = tuple(wrapper)
        self._program = tuple(program)
        self._mounts = dict(mounts or {})
        self._environ = dict(environ or {})
        self._process: asyncio.subprocess.Process
        self.log_path = folder / "served.log"

    # -- life

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        found = found_in(self.log)
        await self._end()
        assert error is not None or not found, found

    async def start(self) -> None:
        """Start and wait until it listens."""
        self.data.mkdir(exist_ok=True)
        path = self._folder / "config.toml"
        await asyncio.to_thread(path.write_text, self._config)
        words = ("serve", "--config", str(path), "--data-dir", str(self.data))
        command = self._command((sys.executable, *self._program, *words))
        with self.log_path.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": os.environ["PATH"], "HOME": str(self._folder), **planted(), **self._environ},
            )  # fmt: skip
        self.code = None
        async with asyncio.timeout(_START_S):
            while not (found := _LISTENS.findall(self.log)):
                assert self._process.returncode is None, self.log.decode()
                await asyncio.sleep(0.02)
        self.url = found[-1].decode()

    def _command(self, program: Sequence[str]) -> tuple[str, ...]:
        command = (*self._wrapper, *program)
        if not self._mounts:
            return command
        lines = [f"mkdir -p '{self.data / place}'; {how}" for place, how in self._mounts.items()]
        told = f" >'{self.data}/log/out' 2>&1" if "log" in self._mounts else ""
        script = "\n".join(("set -e", *lines, f'exec "$@"{told}'))
        return ("unshare", "-rm", "sh", "-c", script, "sh", *command)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait until it has ended; return its exit status, negative for a signal."""
        async with asyncio.timeout(_STOP_S):
            self.code = await self._process.wait()
        return self.code

    async def stop(self) -> int:
        """End it as an operator does."""
        self.signal(signal.SIGTERM)
        return await self.wait()

    async def _end(self) -> None:
        if hasattr(self, "_process") and self._process.returncode is None:
            # The server first: it outlives a strace that is killed.
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._client.close()

    def is_dead(self) -> bool:
        """Tell whether it ended by itself."""
        return self._process.returncode is not None

    # -- looking

    @property
    def pid(self) -> int:
        """The server itself, which a wrapper may have as its child."""
        pid = self._process.pid
        while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            pid = int(children[0])
        return pid

    @property
    def log(self) -> bytes:
        """All that it printed; on a mount of that name if there is one."""
        path = self.seen / "log/out" if "log" in self._mounts else self.log_path
        return path.read_bytes() if path.exists() else b""

    @property
    def seen(self) -> Path:
        """The data folder as the process sees it."""
        return Path(f"/proc/{self.pid}/root{self.data}")

    def blobs(self) -> set[str]:
        return {path.name for path in self.seen.glob("cache/blobs/??/*")}

    def temps(self) -> list[Path]:
        return list(self.seen.glob("cache/blobs/tmp/*"))

    def cpu_s(self) -> float:
        """Return the processor time that the server has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Return the resident memory of the server."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def inside(self, *command: str) -> None:
        """Run a command in the process's mount namespace."""
        there = ("nsenter", "-t", str(self.pid), "-U", "-m", "--preserve-credentials")
        process = await asyncio.create_subprocess_exec(*there, *command)
        assert await process.wait() == 0, command

    async def get(self, path: str, method: str = "GET", **options: Any) -> Fetched:
        return await self._client.ask(self.url, path, method, **options)

    async def metric(self, name: str) -> float:
        """Return a figure without labels."""
        text = (await self.get("/metrics")).body.decode()
        return float(re.findall(rf"^feedgate_{name} (\S+)$", text, re.MULTILINE)[0])
