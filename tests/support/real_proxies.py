"""Outbound proxies that others wrote, as children of the test: squid, tinyproxy, and mitmproxy, which terminates TLS.

    async with squid({"user1": "p:w"}, {"index.example": "127.0.0.1"}) as proxy:
        proxy.url                          # http://127.0.0.1:…
        proxy.log()                        # what it wrote of who asked for what

Each listens on 127.0.0.1 and a free port, and ends with the test by its own process id.
"""

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_START_S = 60.0
#: Tells squid whether a user is known; squid escapes both words, and restarts it when it ends.
_HELPER = """\
import sys
from urllib.parse import unquote
known = {known!r}
for line in sys.stdin:
    user, password = [unquote(word) for word in line.split()[:2]]
    print("OK" if known.get(user) == password else "ERR", flush=True)
"""
_SQUID = """\
http_port 127.0.0.1:{port}
pid_filename none
cache deny all
cache_mem 8 MB
coredump_dir {folder}
cache_log {folder}/cache.log
access_log stdio:{folder}/access.log squid
logfile_rotate 0
hosts_file {folder}/hosts
shutdown_lifetime 0 seconds
auth_param basic program {python} {folder}/helper.py
auth_param basic children 1 startup=1 idle=1
auth_param basic realm out
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
"""
_TINYPROXY = """\
Listen 127.0.0.1
Port {port}
Timeout 60
Allow 127.0.0.1
MaxClients 50
LogLevel Connect
LogFile "{folder}/access.log"
{users}
"""


def tool(name: str) -> str:
    """Return where a program is; the test fails where it is not."""
    found = shutil.which(name, path=_PATH)
    assert found, f"{name} is needed for this test (.ci/run installs it)"
    return found


@dataclass(frozen=True, slots=True)
class RealProxy:
    """A running proxy."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The authority of mitmproxy, made at its first start."""
        return self.folder / "mitmproxy-ca-cert.pem"

    def log(self) -> str:
        """Return what it wrote of its requests; squid writes a tunnel down when it ends."""
        files = (self.folder / name for name in ("access.log", "out.log"))
        return "".join(file.read_text(errors="replace") for file in files if file.exists())


@contextlib.asynccontextmanager
async def squid(users: Mapping[str, str], hosts: Mapping[str, str]) -> AsyncIterator[RealProxy]:
    """Run squid; `hosts` says where names lead."""
    with _folder() as folder:
        (folder / "helper.py").write_text(_HELPER.format(known=dict(users)))
        (folder / "hosts").write_text("".join(f"{address} {name}\n" for name, address in hosts.items()))
        proxy = RealProxy(folder, _free_port())
        python = tool("python3")
        (folder / "squid.conf").write_text(_SQUID.format(port=proxy.port, folder=folder, python=python))
        async with _running(proxy, tool("squid"), "-N", "-f", str(folder / "squid.conf")):
            yield proxy


@contextlib.asynccontextmanager
async def tinyproxy(users: Mapping[str, str]) -> AsyncIterator[RealProxy]:
    """Run tinyproxy, which takes only letters and digits in users and passwords."""
    with _folder() as folder:
        proxy = RealProxy(folder, _free_port())
        lines = "\n".join(f"BasicAuth {user} {password}" for user, password in users.items())
        text = _TINYPROXY.format(port=proxy.port, folder=folder, users=lines)
        (folder / "tinyproxy.conf").write_text(text)
        async with _running(proxy, tool("tinyproxy"), "-d", "-c", str(folder / "tinyproxy.conf")):
            yield proxy


@contextlib.asynccontextmanager
async def mitmproxy(user: str, password: str, *, trusts: Path) -> AsyncIterator[RealProxy]:
    """Run mitmdump, which shows certificates of its own CA; `trusts` is the CA of the origins."""
    with _folder() as folder:
        proxy = RealProxy(folder, _free_port())
        options = (
            "--listen-host", "127.0.0.1", "--listen-port", str(proxy.port), "--proxyauth", f"{user}:{password}",
            "--set", f"confdir={folder}", "--set", f"ssl_verify_upstream_trusted_ca={trusts}",
            "--set", "flow_detail=1", "--set", "termlog_verbosity=info", "--set", "connection_strategy=lazy",
        )  # fmt: skip
        async with _running(proxy, tool("mitmdump"), *options):
            yield proxy


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder that squid can write to when it has dropped root's rights."""
    folder = Path(tempfile.mkdtemp(prefix="proxy-"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def _running(proxy: RealProxy, *command: str) -> AsyncIterator[None]:
    with (proxy.folder / "out.log").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, cwd=proxy.folder,
            env={"PATH": _PATH, "HOME": str(proxy.folder), "LANG": "C.UTF-8"},
        )  # fmt: skip
    try:
        await _listens(proxy, process, command)
        yield
    finally:
        await _end(process)


async def _listens(proxy: RealProxy, process: asyncio.subprocess.Process, command: Sequence[str]) -> None:
    async with asyncio.timeout(_START_S):
        while True:
            told = (proxy.folder / "out.log").read_text(errors="replace")
            assert process.returncode is None, f"{command[0]} ended at once: {told}"
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                writer.close()
                return
            await asyncio.sleep(0.05)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 10)
    except TimeoutError:
        process.kill()
        await process.wait()
