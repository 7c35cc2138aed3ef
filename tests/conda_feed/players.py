"""Clients as the fact sheet recorded them (sections 3 and 5.1): their requests, in their order, with their headers.

    async with Player(stand, CONDA) as conda:
        reply = await conda.get("linux-64/repodata_shards.msgpack.zst")

One kept connection, no redirects followed, a validator sent where the client would send one. What was asked and
answered stands in `seen`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.conda_feed.readback import unpacked
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX
from tests.support.raw_http import Raw, Reply

CONDA = (
    "User-Agent: conda/26.7.0 requests/2.32.5 CPython/3.13.5 Linux/6.8.0 ubuntu/24.04 glibc/2.39 solver/libmamba",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept: */*",
    "Connection: keep-alive",
)
MAMBA = ("User-Agent: mamba/2.8.1 libcurl/8.15.0", "Accept: */*", "Accept-Encoding: deflate, gzip, br, zstd")
#: libmamba sends it with .json URLs.
MAMBA_JSON = ("Content-Type: application/json",)
RATTLER = ("User-Agent: rattler/0.40", "Accept: */*", "Accept-Encoding: gzip, deflate")
STREAMING = ("User-Agent: conda-package-streaming/0.13.0", "Accept: */*", "Accept-Encoding: identity")

Records = dict[str, dict[str, Any]]


class Player:
    """One client of the feed `chan`; `below` is the channel's path."""

    def __init__(self, stand: Stand, headers: Iterable[str], below: str = "/conda/chan") -> None:
        port = urlsplit(stand.gateway.url).port
        assert port is not None
        self._raw = Raw(port)
        self._headers = tuple(headers)
        self._below = below
        self._etags: dict[str, str] = {}
        #: (method, path, status) of everything that was asked.
        self.seen: list[tuple[str, str, int]] = []

    async def __aenter__(self) -> Self:
        await self._raw.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._raw.__aexit__(kind, error, trace)

    async def ask(self, method: str, path: str, *headers: str) -> Reply:
        """Ask as the client does, with these headers more."""
        reply = await self._raw.ask(method, f"{self._below}/{path}", *self._headers, *headers)
        self.seen.append((method, path, reply.status))
        return reply

    async def get(self, path: str, *headers: str) -> Reply:
        return await self.ask("GET", path, *headers)

    async def index(self, path: str, *headers: str, etag_of: str | None = None) -> Reply:
        """Get an index with the validator that is held of it, or of another file."""
        etag = self._etags.get(etag_of or path)
        conditions = (f"If-None-Match: {etag}",) if etag is not None else ()
        reply = await self.get(path, *headers, *conditions)
        if reply.status == 200:
            self._etags[path] = reply.headers["etag"]
        return reply

    def forget(self) -> None:
        self.seen.clear()

    async def shards_of(
        self, names: Iterable[str], indexes: Mapping[str, Mapping[str, bytes]], *headers: str
    ) -> Records:
        """Walk from these names along `depends`, as all three do; return `subdir/file` -> record."""
        found: Records = {}
        waiting, walked = list(names), set[str]()
        while waiting:
            name = waiting.pop(0)
            walked.add(name)
            for subdir, digests in indexes.items():
                if name not in digests:
                    continue
                shard = unpacked(
                    (await self.get(f"{subdir}/{digests[name].hex()}.msgpack.zst", *headers)).body
                )
                records = shard["packages"] | shard["packages.conda"]
                found |= {f"{subdir}/{file}": record for file, record in records.items()}
                needed = [spec.split(" ")[0] for record in records.values() for spec in record["depends"]]
                waiting += [each for each in dict.fromkeys(needed) if each not in {*walked, *waiting}]
        return found

    async def packages(self, records: Records, *headers: str) -> None:
        """Download files whole, and check them as every client does."""
        for path, record in records.items():
            reply = await self.get(path, *headers)
            assert reply.status == 200, path
            assert len(reply.body) == record["size"] == int(reply.headers["content-length"])
            assert hashlib.sha256(reply.body).digest() == record["sha256"]


def digests_of(reply: Reply) -> dict[str, bytes]:
    """Return name -> digest, as conda reads a shard index: KeyError where a key that it needs is missing."""
    index = unpacked(reply.body)
    assert (index["info"]["base_url"], index["info"]["shards_base_url"]) == ("", "")
    digests: dict[str, bytes] = index["shards"]
    return digests


async def shard_indexes(player: Player, subdirs: Iterable[str], *headers: str) -> dict[str, dict[str, bytes]]:
    """Get the shard index of each subdir."""
    return {subdir: digests_of(await player.index(f"{subdir}/{SHARD_INDEX}", *headers)) for subdir in subdirs}
