"""What is asked of an origin for one subdir: its full index in some packing, its shard index, its shards.

Everything lands in a folder, for a child to read. Absent is what the origin says is not there (404, 410), forbidden
what it refuses (401, 403) although it never asked for credentials: storage hosts say so of what is not there. An
upstream with credentials, or a private one, that refuses is in trouble, as everybody else who fails.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import quote

import aiofiles
from aiofiles.threadpool.binary import AsyncBufferedIOBase

from proxy.conda.origin_shards import BadShards, ShardIndex, parse_index
from proxy.config.settings import Upstream
from proxy.model.redact import redact
from proxy.upstream.breaker import is_of_host
from proxy.upstream.errors import (
    AuthRefused,
    BadAnswer,
    BreakerOpen,
    Busy,
    Looped,
    ProxyAuthRefused,
    TlsFailed,
    Unreachable,
    UpstreamError,
)
from proxy.upstream.remote import Validators
from proxy.upstream.target import parse_target
from proxy.upstream.way import Way

_LOG = logging.getLogger("feedgate.conda")
SHARDS = _SHARD_INDEX = "repodata_shards.msgpack.zst"
#: In the order of preference; the value is what follows `repodata.json`.
PACKINGS = (".zst", "", ".bz2")
_SHARD_INDEX_BYTES = 128 * 1024**2
_SHARD_BYTES = 64 * 1024**2


class Nothing(Enum):
    """Why there is nothing to take."""

    UNCHANGED = "what is held is current"
    ABSENT = "the origin has no such file"
    FORBIDDEN = "the origin refuses the file, and perhaps only for want of it"


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
    #: The Content-Encoding that it came in, though nobody asked for one.
    coding: str = ""


class OriginFiles:
    """One upstream's subdir; `base` is its URL with a slash at the end. It prints as that, without credentials."""

    def __init__(self, remote: Way, base: str) -> None:
        self._remote = remote
        self._settings = remote.settings
        self._base = base
        #: How much of an index has come since it was last set to nothing: for whoever waits and asks.
        self.received_bytes = 0
        self._origin = parse_target(base).origin if base.startswith(("http:", "https:")) else ""

    def is_of_form(self, error: UpstreamError) -> bool:
        """Tell whether a failure is one form's, so that another may do: not where nothing of the origin can be had."""
        match error:
            case Looped() | BreakerOpen() | Busy() | ProxyAuthRefused():
                return False
            case Unreachable():
                return not is_of_host(error, self._origin)
            case TlsFailed():
                return error.origin != self._origin
            case _:
                return True

    def __str__(self) -> str:
        return redact(self._base)

    async def full(self, packing: str, validators: Validators | None, into: Path) -> FullFile | Nothing:
        """Fetch the full index in a packing. Raises UpstreamError."""
        with _forbidden(self._settings) as forbidden:
            stream = await self._remote.open(
                f"{self._base}repodata.json{packing}", validators=validators,
                max_bytes=self._settings.max_index_size_bytes, is_file=False, has_substitute=packing != PACKINGS[1],
            )  # fmt: skip
        if forbidden:
            return Nothing.FORBIDDEN
        async with stream:
            if stream.status == 304:
                return Nothing.UNCHANGED
            if stream.status in (404, 410):
                return Nothing.ABSENT
            path = into / f"repodata.json{packing}"
            await _save(self._counted(stream.chunks()), path)
            coding = stream.headers.get("content-encoding", "").strip().lower()
            return FullFile(path, packing, stream.headers.get("etag"), stream.last_modified, coding)

    async def shard_index(self, validators: Validators | None, into: Path) -> ShardIndexFile | Nothing:
        """Fetch the shard index. Raises UpstreamError; BadAnswer for what is none."""
        most = min(_SHARD_INDEX_BYTES, self._settings.max_index_size_bytes)
        with _forbidden(self._settings) as forbidden:
            answer = await self._remote.document(
                f"{self._base}{_SHARD_INDEX}", accept="*/*", validators=validators, max_bytes=most,
                has_substitute=True,
            )  # fmt: skip
        if forbidden:
            return Nothing.FORBIDDEN
        if answer.status == 304:
            return Nothing.UNCHANGED
        if answer.status != 200:
            return Nothing.ABSENT
        self.received_bytes += len(answer.body)
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

    async def is_answering(self, siblings: Sequence[str]) -> bool:
        """Tell whether the origin answers us at all: its root, or an index of another subdir.

        A page that blocks everybody, or a limit of requests, says 403 to everything, and that nothing is there only
        seems so. Raises UpstreamError for what is neither.
        """
        channel = self._base.rstrip("/").rpartition("/")[0]
        for url in (f"{channel}/", *(f"{channel}/{quote(subdir)}/repodata.json" for subdir in siblings)):
            try:
                async with await self._remote.open(url, stop=1, is_file=False, has_substitute=True):
                    return True
            except AuthRefused:
                continue
        return False

    async def _counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self.received_bytes += len(chunk)
            yield chunk

    async def _shard(self, index: ShardIndex, name: str, into: Path) -> bool:
        answer = await self._remote.document(
            index.url(f"{self._base}{_SHARD_INDEX}", name), accept="*/*", max_bytes=_SHARD_BYTES, index=False,
            is_file=True, has_substitute=True,
        )  # fmt: skip
        self.received_bytes += len(answer.body)
        return answer.status == 200 and await asyncio.to_thread(_keep, answer.body, index.digests[name], into)


@contextlib.contextmanager
def _forbidden(upstream: Upstream) -> Iterator[list[AuthRefused]]:
    """Gather a refusal that may only mean that nothing is there (contract, section 3)."""
    refused: list[AuthRefused] = []
    try:
        yield refused
    except AuthRefused as error:
        if error.status not in (401, 403) or upstream.private or upstream.has_credentials:
            raise
        refused.append(error)


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
