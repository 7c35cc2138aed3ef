"""A server of conda feeds under measurement: `python -m proxy serve` in front of a generated channel.

Three feeds show the same channel: `whole` all of it, `half` without the names that begin with a to l, which is half
of its records, `ruled` what a policy with some twenty rules leaves of it. Ingest uses all cores, as it does in life;
only steady load is measured on one.
"""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from benchmarks.channel.generate import SUBDIR
from benchmarks.channels import Channels, Form
from benchmarks.machine import PYTHON, ROOT, free_port, rss_bytes, running
from benchmarks.servers import Server, get

WHOLE, HALF, RULED = "whole", "half", "ruled"
ZST, SHARDS = "repodata.json.zst", "repodata_shards.msgpack.zst"
_HIDDEN = "[a-l]*"
_TTL_S = 1.0
_SAMPLE_S, _POLL_S, _PATIENCE_S = 0.03, 0.01, 120.0

_CONFIG = """\
[server]
port = {port}
data_dir = "{folder}/data"

[feeds.whole]
kind = "conda"
upstreams = [{{ url = "{url}", allow_private = true, route = "direct", ttl = "{ttl}" }}]

[feeds.half]
kind = "conda"
upstreams = [{{ url = "{url}", allow_private = true, route = "direct", ttl = "{ttl}", except = ["{hidden}"] }}]

[feeds.ruled]
kind = "conda"
policy = "twenty"
upstreams = [{{ url = "{url}", allow_private = true, route = "direct", ttl = "{ttl}" }}]
"""
#: The rules of `benchmarks.policy`, as a file has them.
_POLICY = """
[policies.twenty]
platforms = ["linux-64", "noarch"]
python_versions = ["3.6", "3.7", "3.11", "3.12"]
block_licenses = ["GPL2", "GPL3", "AGPL-3.0-only", "Proprietary"]
block = ["bzip2", "tk", "openssl <3", "*-devel", "sqlite >=3.20,<3.24", "vim-like 9.1.0100", "numpy 1.14.* *_1"{more}]
allow = ["readline", "gsl >=2"]
min_age = "7d"
prereleases = false
yanked = "hide"
max_size = "2 GiB"
keep_versions = 20
[[policies.twenty.exemptions]]
spec = "ca-certificates"
rules = ["min_age"]
expires = 2099-01-31
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request brought, and how long it took to its last byte."""

    etag: str
    body: bytes = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class CondaServer:
    """The running server, and its configuration without policies."""

    server: Server
    config: Path
    text: str

    def reload(self, *more: str) -> None:
        """Put the policy in force with these specs more on its block list."""
        self.config.write_text(self.text + _policy(*more))
        self.server.process.send_signal(signal.SIGHUP)

    def url(self, feed: str, file: str) -> str:
        return f"{self.server.url}/conda/{feed}/{SUBDIR}/{file}"

    def ask(self, feed: str, file: str) -> Answer:
        """Ask once, on a new connection; raise RuntimeError unless it is 200."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=_PATIENCE_S)
        try:
            connection.request("GET", f"/conda/{feed}/{SUBDIR}/{file}")
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{file} of {feed} answered {answer.status}: {body[:300]!r}")
        return Answer(answer.headers["ETag"], body, time.monotonic() - began)

    def until_changed(self, feed: str, before: str) -> float:
        """Ask for the shard index over and over; return after how many seconds it is another one."""
        began = time.monotonic()
        while time.monotonic() - began < _PATIENCE_S:
            if self.ask(feed, SHARDS).etag != before:
                return time.monotonic() - began
            time.sleep(_POLL_S)  # as a client would: nothing tells when the next snapshot is there
        raise RuntimeError(f"{feed} shows the former day after {_PATIENCE_S:.0f} s")

    def grow_old(self) -> None:
        """Wait until everything that was asked for is no longer fresh."""
        time.sleep(_TTL_S + 0.1)  # the server's clock is the machine's

    def worst_lag_s(self) -> float:
        """Return by how much the loop was late at worst, as the server itself saw it four times a second."""
        _, body = get(f"{self.server.url}/metrics", {})
        found = re.search(rb"^feedgate_loop_lag_worst_seconds\S* (\S+)$", body, re.MULTILINE)
        if found is None:
            raise RuntimeError("/metrics does not tell the loop's lag")
        return float(found[1])

    def pin(self, core: int) -> None:
        """Bind all of its threads to one core."""
        for task in Path(f"/proc/{self.server.process.pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(task.name), {core})


def _policy(*more: str) -> str:
    return _POLICY.format(more="".join(f', "{spec}"' for spec in more))


@contextlib.contextmanager
def serving(
    folder: Path, channels: Channels, form: Form, *, ttl: str = f"{_TTL_S:.0f}s"
) -> Iterator[CondaServer]:
    """Run the server on the folder's data for the length of the block, from when it is ready."""
    folder.mkdir(exist_ok=True)
    port, config, log = free_port(), folder / "config.toml", folder / "log"
    facts = {"port": port, "folder": folder, "url": channels.url(form), "ttl": ttl, "hidden": _HIDDEN}
    text = _CONFIG.format(**facts)
    config.write_text(text + _policy())
    with running([PYTHON, "-m", "proxy", "serve", "--config", str(config)], log) as process:
        deadline = time.monotonic() + _PATIENCE_S
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace")[-2000:])
            time.sleep(0.02)  # nothing but asking tells when another process is ready
        yield CondaServer(Server(port, process), config, text)


def _is_ready(port: int) -> bool:
    with contextlib.suppress(OSError, RuntimeError):
        return get(f"http://127.0.0.1:{port}/readyz", {})[0] == 200
    return False


class Memory:
    """Watches the memory of a server and of its children together: the sum of what is resident."""

    def __init__(self, server: CondaServer) -> None:
        self._pid = server.server.process.pid
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(_SAMPLE_S):
            self.peak_bytes = max(self.peak_bytes, rss_bytes(self._pid))


class Probe:
    """Asks the server for `/healthz` a hundred times a second, from a process of its own, while the block lasts."""

    def __init__(self, server: CondaServer) -> None:
        self._port = server.server.port
        self.worst_s = self.p99_s = 0.0

    def __enter__(self) -> Self:
        command = [PYTHON, "-m", "benchmarks.client", "probe", orjson.dumps({"port": self._port}).decode()]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        told, _ = self._process.communicate(timeout=30)
        found = orjson.loads(told)
        self.worst_s, self.p99_s = found["worst_s"], found["p99_s"]
