"""`python -m benchmarks.promotion [RECORDS]`: what promoting a closure of 300 conda packages costs, without downloads.

The channel is a folder with that of `benchmarks.channel` (deterministic) and, in it, a tool that needs 299 others, each
in five versions. The whole server runs in this process, on a data folder of its own; what is timed is the POST over
HTTP, solve and audit included, until the answer, then the first shard index that lists it, and the same POST again.
"""

import asyncio
import hashlib
import io
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from benchmarks.channel.__main__ import repodata
from benchmarks.channel.generate import SUBDIR
from proxy.app import App
from proxy.config.settings import Feed, Server, Settings, Upstream
from proxy.model.redact import Secret, SecretUrl

RECORDS, PACKAGES, VERSIONS = 50_000, 300, 5
MAX_S = 5.0
KEY = "benchmark-key-0123456789"


def main() -> int:
    logging.disable(logging.WARNING)  # the channel has every defect there is
    records = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    with tempfile.TemporaryDirectory(prefix="feedgate-promotion-") as name:
        folder = Path(name)
        _write(folder / "channel", records)
        times = asyncio.run(_measured(folder))
    for what, seconds in times.items():
        print(f"{what:40} {seconds:7.2f} s")
    return int(times["promoted"] > MAX_S)


def _write(folder: Path, records: int) -> None:
    """Write the channel's indexes; nobody asks for its packages."""
    channel = msgspec.json.decode(repodata(records))
    for number in range(PACKAGES):
        for version in range(VERSIONS):
            file, record = _package(number, version)
            channel["packages.conda"][file] = record
    for subdir, document in ((SUBDIR, channel), ("noarch", {"packages": {}, "packages.conda": {}})):
        (folder / subdir).mkdir(parents=True)
        (folder / subdir / "repodata.json").write_bytes(msgspec.json.encode(document))


def _package(number: int, version: int) -> tuple[str, dict[str, Any]]:
    """Return a package of the closure: each needs the next three."""
    name = f"closure-{number:03d}"
    file = f"{name}-1.{version}-0.conda"
    needed = range(number + 1, min(number + 4, PACKAGES))
    digest = hashlib.sha256(file.encode()).hexdigest()
    return file, {
        "build": "0", "build_number": 0, "depends": [f"closure-{each:03d} >=1.1" for each in needed], "license": "MIT",
        "md5": digest[:32], "name": name, "sha256": digest, "size": 1000, "subdir": SUBDIR, "version": f"1.{version}",
    }  # fmt: skip


async def _measured(folder: Path) -> dict[str, float]:
    url = SecretUrl(f"{(folder / 'channel').as_uri()}/")
    feeds = (
        Feed("open", "conda", (Upstream("origin", (url,)),), subdirs=(SUBDIR, "noarch")),
        Feed("approved", "conda", curated_from=("open",), fetch="lazy"),
    )
    settings = Settings(
        server=Server(port=0, data_dir=folder / "data"), feeds={feed.name: feed for feed in feeds},
        admin_key=Secret(KEY),
    )  # fmt: skip
    app = App(settings, {}, out=io.TextIOWrapper(io.BytesIO()))
    await app.start()
    try:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
            return await _timed(app.url, session)
    finally:
        await app.stop()


async def _timed(url: str, session: aiohttp.ClientSession) -> dict[str, float]:
    index = "conda/{}/" + SUBDIR + "/repodata_shards.msgpack.zst"
    times: dict[str, float] = {}
    began = time.perf_counter()

    def noted(what: str) -> None:
        nonlocal began
        times[what] = time.perf_counter() - began
        began = time.perf_counter()

    await _got(session, f"{url}/{index.format('open')}")
    noted("the source's index (once)")
    order = {
        "from": "open", "specs": ["closure-000"], "platforms": [SUBDIR], "python_versions": ["3.12"],
        "include_dependencies": True,
    }  # fmt: skip
    for what, states in (("promoted", {"new"}), ("promoted again", {"already"})):
        async with session.post(f"{url}/api/v1/feeds/approved/promotions", json=order) as answer:
            document = await answer.json()
            assert answer.status == 201, document
        noted(what)
        assert len(document["artifacts"]) == PACKAGES
        assert {each["state"] for each in document["artifacts"]} == states
        await _got(session, f"{url}/{index.format('approved')}")
        noted(f"{what}: listed")
    return times


async def _got(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        await answer.read()


if __name__ == "__main__":
    raise SystemExit(main())
