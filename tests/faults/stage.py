"""The stage of a process's case: an origin with an index in this process, the server in another.

    async with stage.served(wrapper=("prlimit", "--nofile=64")) as served:
        await stage.downloads(served, WHEEL)

When the block ends well, what the server answered, logged and left on the disk is audited.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.faults.process import Served
from tests.support.answers import Body, Pattern
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import Built, sdist, wheel

WHEEL = "demo-1.0-py3-none-any.whl"
BULK = "bulk-1.0.tar.gz"
PAGE = "/pypi/pypi/simple/demo/"
PAYLOAD = 600_000


class Stage:
    """What the server has in front of it."""

    def __init__(self, folder: Path, origin: Origin) -> None:
        self.folder = folder
        self.origin = origin
        self.index = FakeIndex(origin)
        self.index.add(*(wheel("demo", f"1.{n}", payload=PAYLOAD) for n in range(4)), sdist("demo", "1.0"))
        self.index.add(wheel("leaf", "1.0"))

    def path(self, filename: str) -> str:
        """Return where the server has a file."""
        return f"/pypi/pypi/packages{self.index.file_path(filename)}"

    def digest(self, filename: str) -> str:
        return self.index.file(filename).sha256

    async def add_bulk(self, size: int) -> Body:
        """List an sdist of any size, which costs no memory, and return its bytes."""
        body = Pattern(size)
        digest = await asyncio.to_thread(body.sha256)
        self.index.add(Built("bulk", "1.0", BULK, b"bulk", None), claimed_sha256=digest, claimed_size=size)
        self.origin.add(self.index.file_path(BULK), body, etag='"bulk"')
        return body

    @asynccontextmanager
    async def served(self, **options: Any) -> AsyncIterator[Served]:
        async with Served(self.folder, self.index.url, **options) as served:
            if BULK not in {file.filename for file in self.index.hosted.values()}:
                served.auditor.indexes.append(self.index)
            yield served
            auditor = served.auditor
            complaints = [*auditor.bytes_are_right(), *auditor.answers_are_the_contracts()]
            complaints += [*auditor.blobs_are_their_names(), *auditor.no_secrets([("the log", served.log)])]
            complaints += ["a traceback in the log"] if b"Traceback" in served.log else []
            assert not complaints, "\n".join(complaints)

    async def downloads(self, served: Served, *filenames: str) -> None:
        """Ask for each file, and expect it whole."""
        for filename in filenames:
            answer = await served.get(self.path(filename))
            assert (answer.status, answer.is_complete) == (200, True), answer.body

    async def stored(self, served: Served, filename: str) -> None:
        """Wait until the disk has the file: its client has it before."""
        async with asyncio.timeout(10):
            while self.digest(filename) not in served.blobs():
                await asyncio.sleep(0.01)


async def is_idle(served: Served, share: float) -> bool:
    """Tell whether the process used less than that share of a processor for a second."""
    before = served.cpu_s()
    await asyncio.sleep(1.0)
    return served.cpu_s() - before < share
