"""Reading a page that came: in a thread of this process, or, where it is large, by a child that is given files.

Both give the same: what an index makes of the page (shards.Ingested), and its stored form once first sights are known.
What a child reads is bounded by its memory, so a page that would become many gigabytes is refused.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from proxy.child.run import ChildFailed, NoRoom, busy, run_in_child
from proxy.feeds.shards import BadIndex, Ingested, NameIndex, Received
from proxy.model.sights import Sights

#: What half a gigabyte of JSON may become.
_CHILD_BYTES = 8 * 1024**3


class Reading(Protocol):
    """One page, on its way to a shard. `headers` are the answer's, `digest` is the SHA-256 of the page's bytes."""

    page: Received
    headers: Mapping[str, str]
    digest: str

    async def ingest(self, name: str, companion: bytes | None, previous: bytes | None) -> Ingested:
        """Read the page. Raises BadIndex; Problem where this host has no room for it."""
        ...

    async def pack(self, ingested: Ingested, sights: Sights, previous: bytes | None) -> bytes:
        """Return the stored form."""
        ...


class ReadingHere:
    """A page in memory, read in a thread."""

    def __init__(self, index: NameIndex, page: Received, headers: Mapping[str, str]) -> None:
        self.page = page
        self.headers = headers
        self.digest = hashlib.sha256(page.body).hexdigest()
        self._index = index

    async def ingest(self, name: str, companion: bytes | None, previous: bytes | None) -> Ingested:
        return await asyncio.to_thread(self._index.ingest, name, self.page, companion, previous)

    async def pack(self, ingested: Ingested, sights: Sights, previous: bytes | None) -> bytes:
        return await asyncio.to_thread(self._index.pack, ingested, sights, previous)


class ReadingInChild:
    """A page in a file of its own `folder`, read by children; `page` has no body.

    A Content-Encoding that nobody asked for is taken off there; `most` bounds what comes out, in bytes.
    """

    def __init__(
        self,
        index: NameIndex,
        page: Received,
        headers: Mapping[str, str],
        folder: Path,
        digest: str,
        most: int,
    ) -> None:
        self.page = page
        self.headers = headers
        self.digest = digest
        self._index = index
        self._folder = folder
        self._coding = {"coding": headers.get("content-encoding", ""), "most": most}

    async def ingest(self, name: str, companion: bytes | None, previous: bytes | None) -> Ingested:
        await asyncio.to_thread(self._write, companion, previous)
        page = {"url": self.page.url, "content_type": self.page.content_type, "serial": self.page.serial}
        made = await self._run("ingest", name=name, page=page, **self._coding)
        if "bad" in made:
            raise BadIndex(made["bad"])
        dropped = tuple((str(file), str(why)) for file, why in made.pop("dropped"))
        return Ingested(None, dropped=dropped, **made)

    async def pack(self, ingested: Ingested, sights: Sights, previous: bytes | None) -> bytes:
        told = msgspec.msgpack.encode((sights, ingested.is_complete, ingested.dropped))
        await asyncio.to_thread((self._folder / "sights").write_bytes, told)
        await self._run("pack")
        return await asyncio.to_thread((self._folder / "shard").read_bytes)

    def _write(self, companion: bytes | None, previous: bytes | None) -> None:
        for file, data in (("companion", companion), ("previous", previous)):
            if data is not None:
                (self._folder / file).write_bytes(data)

    async def _run(self, step: str, **more: Any) -> dict[str, Any]:
        order = {"folder": str(self._folder), "index": self._index.settings(), **more}
        try:
            made: dict[str, Any] = await run_in_child(
                f"{self._index.job}:{step}", {"order": order}, memory_bytes=_CHILD_BYTES
            )
        except NoRoom as failed:
            raise busy(failed) from failed
        except ChildFailed as failed:
            raise BadIndex(f"it is too large to be read here: {failed}") from failed
        return made
