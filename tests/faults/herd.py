"""A herd: many clients of one URL in a process of their own, as in life (reliability, C01).

In the loop of the server, the bytes of fifty clients would be most of what holds it, and the lag of I9 would be
theirs. The herd waits at its start for the word to go; then each client asks once and tells what it got.

    async with Herd(url, 49, folder) as herd:
        ...
        answers = await herd.go()
"""

import asyncio
import hashlib
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import orjson

from tests.faults.client import Client, Fetched

ROOT = Path(__file__).parents[2]


class Herd:
    """`count` clients of `url`; bodies pass through `folder`, each distinct one once."""

    def __init__(self, url: str, count: int, folder: Path) -> None:
        self._arguments = (url, str(count), str(folder))
        self._folder = folder
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        """Start the process; when this returns it waits for the word."""
        self._folder.mkdir(parents=True)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, *self._arguments,
            cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == b"ready\n"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def go(self) -> list[Fetched]:
        """Let all of them ask at once; return what each got."""
        out, _ = await self._process.communicate(b"go\n")
        bodies: dict[str, bytes] = {}
        answers = []
        for told in orjson.loads(out):
            digest = told.pop("digest")
            if digest not in bodies:
                bodies[digest] = await asyncio.to_thread((self._folder / digest).read_bytes)
            answers.append(Fetched(**told, body=bodies[digest]))
        return answers


async def _main(url: str, count: int, folder: Path) -> None:
    parts = urlsplit(url)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(lambda _: None))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        asked = (client.ask(f"{parts.scheme}://{parts.netloc}", parts.path) for _ in range(count))
        answers = await asyncio.gather(*asked)
    told = []
    for answer in answers:
        body, answer.body = answer.body, b""
        digest = hashlib.sha256(body).hexdigest()
        (folder / digest).write_bytes(body)
        fields = asdict(answer)
        del fields["body"]
        told.append({**fields, "digest": digest})
    sys.stdout.buffer.write(orjson.dumps(told))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
