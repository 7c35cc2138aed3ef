"""What is asked of an origin for one subdir: its full index in some packing, its shard index, its shards.

Everything lands in a folder, for a child to read. Absent is what the origin says is not there (404, 410); whoever
refuses (401, 403) raises, as everybody else who fails.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import aiofiles
from aiofiles.threadpool.binary import AsyncBufferedIOBase

from proxy.conda.origin_shards import BadShards, ShardIndex, parse_index
from proxy.model.redact import redact
from proxy.upstream.errors import BadAnswer, UpstreamError
from proxy.upstream.remote import Validators
from proxy.upstream.way import Way

_LOG = logging.getLogger("feedgate.conda")
_SHARD_INDEX = "repodata_shards.msgpack.zst"
#: In the order of preference; the value is what follows `repodata.json`.
PACKINGS = (".zst", ".bz2", "")
_SHARD_INDEX_BYTES = 128 * 1024**2
_SHARD_BYTES = 64 * 1024**2


class Nothing(Enum):
    """Why there is nothing to take."""

    UNCHANGED = "what is held is current"
    ABSENT = "the origin has no such file"


@dataclass(frozen=True, slots=True)
class ShardIndexFile:
    """A shard index that came: read, and as a file for the child."""

    index: ShardIndex
    path: Path
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class FullFile:
    """A full index that came."""

    path: Path
    packing: str
    etag: str | None
    last_modified: str | None


class OriginFiles:
    """One upstream's subdir; `base` is its URL with a slash at the end. It prints as that, without credentials."""

    def __init__(self, remote: Way, base: str) -> None:
        self._remote = remote
        self._settings = remote.settings
        self._base = base

    def __str__(self) -> str:
        return redact(self._base)

    async def full(self, packing: str, validators: Validators | None, into: Path) -> FullFile | Nothing:
        """Fetch the full index in a packing. Raises UpstreamError."""
        stream = await self._remote.open(
            f"{self._base}repodata.json{packing}", validators=validators,
            max_bytes=self._settings.max_index_size_bytes,
        )  # fmt: skip
        async with stream:
            if stream.status == 304:
                return Nothing.UNCHANGED
            if stream.status in (404, 410):
                return Nothing.ABSENT
            path = into / f"repodata.json{packing}"
            await _save(stream.chunks(), path)
            return FullFile(path, packing, stream.headers.get("etag"), stream.last_modified)

    async def shard_index(self, validators: Validators | None, into: Path) -> ShardIndexFile | Nothing:
        """Fetch the shard index. Raises UpstreamError; BadAnswer for what is none."""
        most = min(_SHARD_INDEX_BYTES, self._settings.max_index_size_bytes)
        answer = await self._remote.document(
            f"{self._base}{_SHARD_INDEX}", accept="*/*", validators=validators, max_bytes=most
        )
        if answer.status == 304:
            return Nothing.UNCHANGED
        if answer.status != 200:
            return Nothing.ABSENT
        path = into / _SHARD_INDEX
        await asyncio.to_thread(path.write_bytes, answer.body)
        try:
            index = await asyncio.to_thread(parse_index, answer.body)
        except BadShards as bad:
            raise BadAnswer("origin", f"not a shard index: {bad}") from bad
        return ShardIndexFile(index, path, answer.headers.get("etag"), answer.headers.get("last-modified"))

    async def shards(self, index: ShardIndex, wanted: Sequence[str], into: Path) -> list[str]:
        """Fetch the shards of these names; return the names whose shard is not there, or not what it should be.

        Raises UpstreamError.
        """
        queue, missing = list(reversed(wanted)), list[str]()

        async def work() -> None:
            while queue:
                name = queue.pop()
                if not await self._shard(index, name, into):
                    missing.append(name)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(len(queue), self._settings.concurrency)):
                    group.create_task(work())
        except* UpstreamError as failed:
            raise failed.exceptions[0] from None
        if missing:
            _LOG.warning("%s shards of %s did not come, such as %s", len(missing), self, missing[0])
        return missing

    async def _shard(self, index: ShardIndex, name: str, into: Path) -> bool:
        answer = await self._remote.document(
            index.url(f"{self._base}{_SHARD_INDEX}", name), accept="*/*", max_bytes=_SHARD_BYTES, index=False
        )
        return answer.status == 200 and await asyncio.to_thread(_keep, answer.body, index.digests[name], into)


def _keep(body: bytes, digest: bytes, into: Path) -> bool:
    if hashlib.sha256(body).digest() != digest:
        return False
    (into / digest.hex()).write_bytes(body)
    return True


async def _save(chunks: AsyncIterator[bytes], path: Path) -> None:
    opening = asyncio.create_task(_open(path), name="open index file")
    try:
        file = await asyncio.shield(opening)
    except asyncio.CancelledError:
        # A thread opens it, whether anybody waits for that or not.
        with contextlib.suppress(OSError):
            await (await opening).close()
        raise
    try:
        async for chunk in chunks:
            await file.write(chunk)
    finally:
        await file.close()


async def _open(path: Path) -> AsyncBufferedIOBase:
    return await aiofiles.open(path, "wb")
