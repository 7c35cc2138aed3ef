"""Our own client: `python -m benchmarks.client <what> <arguments as JSON>`, one JSON object on stdout.

Raw asyncio: a client library would be what is measured. `herd` is any number of clients on one cold file;
`swarm` is any number of clients on many names, each its page and then its file; `crowd` is slow readers, and meanwhile
a probe that asks for a small file; `probe` is such a probe alone, until its stdin ends.
"""

import asyncio
import json
import socket
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urljoin, urlsplit

JSON = "application/vnd.pypi.simple.v1+json"
_PIECE = 64 * 1024
FIRST_BYTES = 1_000_000


async def ask(
    url: str, *, receive_buffer: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
    """Send a GET, read the header, return the streams and the length; raise RuntimeError unless it is 200."""
    parts = urlsplit(url)
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (parts.hostname, parts.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=_PIECE)
    head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: {JSON}, */*;q=0.1\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    if " 200 " not in head.split("\r\n", 1)[0]:
        raise RuntimeError(f"{url}: {head}")
    lengths = [
        line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length:")
    ]
    return reader, writer, int(lengths[0])


async def fetch(url: str, began: float) -> dict[str, float]:
    """Read it all; return when the first megabyte and the whole were there, in seconds since `began`."""
    reader, writer, length = await ask(url)
    got, first_s = 0, 0.0
    while data := await reader.read(_PIECE):
        got += len(data)
        if not first_s and got >= min(FIRST_BYTES, length):
            first_s = time.monotonic() - began
    writer.close()
    if got != length:
        raise RuntimeError(f"{url}: {got} of {length} bytes")
    return {"first_s": first_s, "total_s": time.monotonic() - began}


async def herd(url: str, clients: int) -> dict[str, Any]:
    """Let so many clients ask at once for one file."""
    began = time.monotonic()
    each = await asyncio.gather(*(fetch(url, began) for _ in range(clients)))
    firsts = sorted(one["first_s"] for one in each)
    return {
        "leader_first_s": firsts[0],
        "median_first_s": statistics.median(firsts),
        "total_s": max(one["total_s"] for one in each),
    }


async def swarm(index: str, names: int, clients: int) -> dict[str, Any]:
    """Let so many clients take one name (`cold0`, `cold1`, …) after another: its page, then its first file."""
    left, times = iter(range(names)), list[float]()

    async def take() -> None:
        for number in left:
            page = f"{index}cold{number}/"
            began = time.monotonic()
            reader, writer, length = await ask(page)
            files = json.loads(await reader.readexactly(length))["files"]
            writer.close()
            times.append(time.monotonic() - began)
            began = time.monotonic()
            await fetch(urljoin(page, files[0]["url"]), began)
            times.append(time.monotonic() - began)

    began = time.monotonic()
    await asyncio.gather(*(take() for _ in range(clients)))
    return {
        "total_s": time.monotonic() - began,
        "p50_s": statistics.median(times),
        "p99_s": sorted(times)[int(len(times) * 0.99)],
    }


async def crowd(url: str, probe: str, readers: int, seconds: float, bytes_per_s: int) -> dict[str, Any]:
    """Let slow readers read for a while, and a probe ask for a small file meanwhile."""
    until = time.monotonic() + seconds
    slow = [asyncio.create_task(_slow(url, until, bytes_per_s)) for _ in range(readers)]
    probes = await _probes(probe, until)
    got = await asyncio.gather(*slow, return_exceptions=True)
    answered = [count for count in got if isinstance(count, int) and count > 0]
    return {
        "answered": len(answered),
        "bytes": sum(answered),
        "probe_p50_s": statistics.median(probes),
        "probe_p99_s": sorted(probes)[int(len(probes) * 0.99)],
        "probes": len(probes),
    }


async def _slow(url: str, until: float, bytes_per_s: int) -> int:
    reader, writer, length = await ask(url, receive_buffer=8192)
    got, piece = 0, bytes_per_s // 10
    while time.monotonic() < until and got < length:
        got += len(await reader.readexactly(min(piece, length - got)))
        await asyncio.sleep(0.1)
    writer.transport.abort()
    return got


async def _probes(url: str, until: float) -> list[float]:
    times = []
    while time.monotonic() < until:
        began = time.monotonic()
        await fetch(url, began)
        times.append(time.monotonic() - began)
        await asyncio.sleep(0.05)
    return times


async def probe(port: int) -> dict[str, Any]:
    """Ask for `/healthz` on one connection, a hundred times a second, until stdin ends."""
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = []
    while not over.done():
        began = time.monotonic()
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        times.append(time.monotonic() - began)
        await asyncio.sleep(0.01)
    writer.close()
    return {"worst_s": max(times), "p99_s": sorted(times)[int(len(times) * 0.99)], "probes": len(times)}


_PARTS: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
    "herd": herd, "swarm": swarm, "crowd": crowd, "probe": probe,
}  # fmt: skip

if __name__ == "__main__":
    print(json.dumps(asyncio.run(_PARTS[sys.argv[1]](**json.loads(sys.argv[2])))))
