"""What the tests of this room share: bytes to store, a look at the disk, a file layer that fails on demand."""

import asyncio
import errno
import hashlib
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.artifacts.files import Files
from proxy.artifacts.flight import Expected, Flight
from proxy.artifacts.flights import Flights
from proxy.artifacts.rules import Rules
from proxy.artifacts.store import BlobStore
from proxy.model.clock import Clock, SystemClock
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.upstream.errors import UpstreamError


def data_of(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def sha256_of(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())


def files_below(root: Path) -> list[str]:
    """Name every file of the store except the ledger."""
    return sorted(
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != "ledger"
    )


@asynccontextmanager
async def open_store(
    root: Path, *, max_bytes: int = 1 << 30, scrub_s: float = 0, clock: Clock | None = None, **options: Any
) -> AsyncIterator[BlobStore]:
    store = BlobStore(root, clock or SystemClock(), max_bytes=max_bytes, scrub_s=scrub_s, **options)
    await store.start()
    try:
        await store.scanned()
        yield store
    finally:
        await store.close()


async def until(condition: Callable[[], bool], *, timeout_s: float = 10) -> None:
    """Wait for what happens in the background."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


class FailingFiles(Files):
    """Fails the calls named in `broken` with that errno, every time, or only from the given call on."""

    def __init__(self) -> None:
        self.broken: dict[str, int] = {}
        self.after: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        for name in ("pread", "pwrite", "fsync", "rename", "unlink", "open_fd"):
            setattr(self, name, self._guarded(name, getattr(Files, name)))

    def _guarded(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.calls[name] = self.calls.get(name, 0) + 1
            if name in self.broken and self.calls[name] > self.after.get(name, 0):
                code = self.broken[name]
                raise OSError(code, os.strerror(code))
            return real(*args)

        return call

    def break_call(self, name: str, code: int = errno.EIO, *, after: int = 0) -> None:
        """Let the call fail, the first time after so many more successes."""
        self.broken[name] = code
        self.after[name] = self.calls.get(name, 0) + after

    def heal(self) -> None:
        self.broken.clear()


QUICK = Rules(pause_s=0.001, grace_s=0.05)


@asynccontextmanager
async def open_flights(store: BlobStore, rules: Rules = QUICK) -> AsyncIterator[Flights]:
    flights = Flights(store, store.clock, rules=rules)
    try:
        yield flights
    finally:
        await flights.close()


def expected_of(data: bytes) -> Expected:
    return Expected(sha256_of(data), len(data))


async def collect(flight: Flight, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in flight.read(start, stop)])


@dataclass
class Client:
    """Reads a flight and keeps what came, however it ends."""

    got: bytearray = field(default_factory=bytearray)
    failure: Exception | None = None
    is_complete: bool = False
    first_at: float | None = None

    async def read(self, flight: Flight, start: int = 0, stop: int | None = None) -> "Client":
        try:
            async with aclosing(flight.read(start, stop)) as pieces:
                async for piece in pieces:
                    self.first_at = self.first_at or asyncio.get_running_loop().time()
                    self.got += piece
            self.is_complete = True
        except (UpstreamError, Problem) as failure:
            self.failure = failure
        return self
