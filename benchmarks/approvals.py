"""`python -m benchmarks.approvals [APPROVALS]`: what an approval costs its reviewer, and the gate when there are many.

First the server as a process of its own: one file is promoted by each POST, at 50 a second, and an answer means that
the approval and its audit are on disk. Beside it the same disk's price for one small synced write is told. Then
100,000 approvals in one feed: how long a start takes to load them, and what one decision of the gate costs.
"""

import asyncio
import hashlib
import io
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from proxy.app import App
from proxy.config.settings import Feed, Server, Settings, Upstream
from proxy.feeds.pypi.pinned import Pinned
from proxy.model.actor import SYSTEM
from proxy.model.approval import Approval, Promotion
from proxy.model.audit_entry import AuditEntry
from proxy.model.digest import Sha256
from proxy.model.redact import SecretUrl
from proxy.pypi.distribution import Distribution
from proxy.pypi.names import FileKind

RATE, SECONDS = 50, 8.0
APPROVALS, PER_NAME = 100_000, 10
DECISIONS = 20_000
MAX_P99_MS, MAX_LOAD_S, MAX_DECISION_US = 25.0, 3.0, 200.0
KEY = "benchmark-key-0123456789"
_CONFIG = """
[server]
port = 0
[log]
format = "json"
level = "warning"
[feeds.open]
kind = "pypi"
upstreams = [{{ url = "{url}", route = "direct", allow_private = true, json_api = "" }}]
[feeds.approved]
kind = "pypi"
curated_from = ["open"]
fetch = "lazy"
"""


def main() -> int:
    approvals = int(sys.argv[1]) if len(sys.argv) > 1 else APPROVALS
    with tempfile.TemporaryDirectory(prefix="feedgate-approvals-") as name:
        folder = Path(name)
        synced = _synced_ms(folder)
        times = sorted(asyncio.run(_posted(folder)))
        load_s, decision_us = asyncio.run(_decided(folder / "many", approvals))
    p99 = times[len(times) * 99 // 100]
    print(f"one synced write of 4 KiB, p50            {synced:9.1f} ms")
    print(f"POST at {RATE}/s, {len(times)} of them: p50       {times[len(times) // 2]:9.1f} ms")
    print(f"POST at {RATE}/s: p99 (at most {MAX_P99_MS:g} ms)         {p99:9.1f} ms")
    print(f"{approvals} approvals: loaded at a start    {load_s:9.2f} s")
    print(f"{approvals} approvals: a gate decision      {decision_us:9.1f} µs")
    return int(p99 > MAX_P99_MS or load_s > MAX_LOAD_S or decision_us > MAX_DECISION_US)


def _file(name: str, version: str, base: str = "https://files.example") -> Distribution:
    filename = f"{name}-{version}-py3-none-any.whl"
    digest = hashlib.sha256(filename.encode()).hexdigest()
    path = f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{filename}"
    return Distribution(
        filename, f"{base}/{path}", path, {"sha256": digest}, FileKind.WHEEL, version, 1000,
        "2026-01-05T12:30:00.123456Z", ">=3.9", False, {"sha256": digest},
    )  # fmt: skip


def _synced_ms(folder: Path) -> float:
    """Return what the disk takes for one small durable write, the median of some."""
    times = []
    with (folder / "probe").open("wb") as file:
        for _ in range(50):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2] * 1000


# -- promoting


async def _posted(folder: Path) -> list[float]:
    """Return the milliseconds of each POST."""
    origin, url = await _origin(int(RATE * SECONDS) + 50)
    config = folder / "config.toml"
    await asyncio.to_thread(config.write_text, _CONFIG.format(url=url))
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", "serve", "--config", str(config), "--data-dir", str(folder / "data"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "FEEDGATE_ADMIN_KEY": KEY, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        at = await _address(server)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
            for number in range(50):
                await _post(session, at, number)
            return await _paced(session, at)
    finally:
        server.terminate()
        await server.wait()
        await origin.cleanup()


async def _origin(count: int) -> tuple[web.AppRunner, str]:
    """Serve an index of one project with many versions."""
    files = [_file("many", f"1.{number}") for number in range(count)]
    page = msgspec.json.encode(
        {
            "meta": {"api-version": "1.1"}, "name": "many", "versions": [file.version for file in files],
            "files": [
                {
                    "filename": file.filename, "url": file.url, "hashes": file.hashes, "size": file.size,
                    "upload-time": file.upload_time,
                }
                for file in files
            ],
        }
    )  # fmt: skip

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=page, content_type="application/vnd.pypi.simple.v1+json")

    app = web.Application()
    app.router.add_get("/simple/many/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/simple/"


async def _address(server: asyncio.subprocess.Process) -> str:
    assert server.stdout is not None
    async with asyncio.timeout(30):
        while line := await server.stdout.readline():
            if found := re.search(rb"listens at (http://\S+?)/", line):
                return found[1].decode()
    raise RuntimeError("the server did not start")


async def _paced(session: aiohttp.ClientSession, at: str) -> list[float]:
    began = time.perf_counter()
    tasks = []
    for number in range(int(RATE * SECONDS)):
        await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        tasks.append(asyncio.create_task(_post(session, at, number + 50)))
    return list(await asyncio.gather(*tasks))


async def _post(session: aiohttp.ClientSession, at: str, number: int) -> float:
    order = {"from": "open", "artifacts": [f"many-1.{number}-py3-none-any.whl"]}
    began = time.perf_counter()
    async with session.post(f"{at}/api/v1/feeds/approved/promotions", json=order) as answer:
        body = await answer.read()
    assert answer.status == 201, body
    return (time.perf_counter() - began) * 1000


# -- asking the gate


async def _decided(folder: Path, count: int) -> tuple[float, float]:
    """Return the seconds that loading takes, and the microseconds of a decision."""
    feeds = (
        Feed("open", "pypi", (Upstream("origin", (SecretUrl("http://127.0.0.1:1/simple/"),)),)),
        Feed("approved", "pypi", curated_from=("open",), fetch="lazy"),
    )
    settings = Settings(server=Server(port=0, data_dir=folder), feeds={feed.name: feed for feed in feeds})
    app = App(settings, {}, out=io.TextIOWrapper(io.BytesIO()))
    await app.base.start()
    try:
        files = [_file(f"name{n // PER_NAME}", f"1.{n % PER_NAME}") for n in range(count)]
        await _approved(app, files)
        began = time.perf_counter()
        await app.base.approvals.load()
        load_s = time.perf_counter() - began
        feed = app.site.pypi_feed("approved")
        assert feed is not None
        chosen = random.Random(1).choices(files[:5000], k=DECISIONS)
        for file in files[:5000]:
            await feed.locate(file.path)
        began = time.perf_counter()
        for file in chosen:
            await feed.locate(file.path)
        return load_s, (time.perf_counter() - began) / DECISIONS * 1e6
    finally:
        await app.stop()


async def _approved(app: App, files: Sequence[Distribution]) -> None:
    made = [
        Approval(
            id=f"a-{number}", feed="approved", kind="pypi", name=file.filename.partition("-")[0],
            version=file.version or "", artifact=file.filename, sha256=Sha256(file.hashes["sha256"]), size=1000,
            record=msgspec.msgpack.encode(Pinned(file)), source_feed="open", upstream="origin",
            origin_url=file.url, promotion_id="p-1", at_ms=1, actor="benchmark",
        )
        for number, file in enumerate(files)
    ]  # fmt: skip
    promotion = Promotion(
        id="p-1", feed="approved", source_feed="open", at_ms=1, actor="benchmark", comment="", answer=b"{}"
    )
    await app.base.approvals.promote(promotion, made, AuditEntry(SYSTEM, "promotion.create", "p-1"))


if __name__ == "__main__":
    raise SystemExit(main())
