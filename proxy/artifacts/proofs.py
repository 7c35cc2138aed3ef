"""Proofs: which upstream has shown that it has which bytes (design, law 5).

A blob is shared by every feed, but it counts for an upstream only once that upstream has sent exactly these bytes. An
index that merely lists a digest proves nothing: without this, whoever controls an index could read another feed's files
by listing their digests, or find out whether they are held.

This is derived data. What is not known here, because the disk refused it or the file was lost, costs one more fetch
from the upstream and is never taken for granted. A row is a 16-byte hash of the upstream's id and the digest, so a
million proofs take about 60 MB on disk and nothing has to be loaded at a start. One thread does all the work on the
file.
"""

import asyncio
import contextlib
import hashlib
import logging
import math
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from proxy.artifacts.disk import REFUSALS
from proxy.model.clock import Clock
from proxy.model.digest import Sha256

_LOG = logging.getLogger("feedgate.proofs")
_RETRY_S = 30.0
#: The oldest go first beyond this number; losing one costs a fetch.
_MOST_ROWS = 4_000_000
#: The size of the file is looked at once for so many new rows.
_PRUNE_EVERY = 10_000
_SCHEMA = "CREATE TABLE IF NOT EXISTS proofs (number INTEGER PRIMARY KEY, proof BLOB NOT NULL UNIQUE)"
_PRAGMAS = (
    "journal_mode=TRUNCATE",
    "synchronous=OFF",
    "mmap_size=0",
    "trusted_schema=OFF",
    "cache_size=-4096",
)
T = TypeVar("T")


class Proofs:
    """The proofs in the file at `path`, opened when it is first used. Nobody who asks ever sees an error."""

    def __init__(
        self, path: Path, clock: Clock, *, most_rows: int = _MOST_ROWS, remembered: int = 50_000
    ) -> None:
        self._path = path
        self._clock = clock
        self._most_rows = most_rows
        self._remembered = remembered
        #: The proofs that were used last.
        self._known: OrderedDict[tuple[str, Sha256], None] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="proofs")
        # The rest belongs to the thread.
        self._opened: sqlite3.Connection | None = None
        self._rests_until = -math.inf
        self._added = 0

    def peek(self, upstreams: Iterable[str], digest: Sha256) -> bool:
        """Tell at once whether one of the upstreams proved to have the bytes, as far as memory knows."""
        return any((upstream, digest) in self._known for upstream in upstreams)

    async def has(self, upstreams: Iterable[str], digest: Sha256) -> bool:
        """Tell whether one of the upstreams proved to have the bytes."""
        wanted = [(upstream, digest) for upstream in upstreams]
        known = next((each for each in wanted if each in self._known), None)
        if known is not None:
            self._known.move_to_end(known)
            return True
        found = await self._run(partial(self._find, wanted)) if wanted else None
        if found is not None:
            self._remember(found)
        return found is not None

    async def add(self, upstream: str, digest: Sha256) -> None:
        """Note that an upstream sent these bytes; `peek` knows it from this moment on."""
        known = (upstream, digest)
        self._remember(known)
        await self._run(partial(self._insert, known))

    async def close(self) -> None:
        """Close the file. Nothing may be asked afterwards."""
        await self._run(self._close)
        await asyncio.to_thread(self._thread.shutdown)

    # -- parts

    def _remember(self, known: tuple[str, Sha256]) -> None:
        self._known[known] = None
        self._known.move_to_end(known)
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # -- in the thread

    def _find(self, wanted: list[tuple[str, Sha256]]) -> tuple[str, Sha256] | None:
        def find(database: sqlite3.Connection) -> tuple[str, Sha256] | None:
            for each in wanted:
                if database.execute("SELECT 1 FROM proofs WHERE proof = ?", (_row(each),)).fetchone():
                    return each
            return None

        return self._with_file(find, None)

    def _insert(self, known: tuple[str, Sha256]) -> None:
        def insert(database: sqlite3.Connection) -> None:
            database.execute("INSERT OR IGNORE INTO proofs (proof) VALUES (?)", (_row(known),))
            self._added += 1
            if self._added % _PRUNE_EVERY == 1:
                database.execute(
                    "DELETE FROM proofs WHERE number <= (SELECT max(number) FROM proofs) - ?",
                    (self._most_rows,),
                )

        self._with_file(insert, None)

    def _with_file(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Do the work, with a new file if the old one is damaged; `otherwise` while the disk refuses."""
        if self._clock.monotonic() < self._rests_until:
            return otherwise
        for is_last in (False, True):
            try:
                if self._opened is None:
                    self._opened = _open(self._path)
                return work(self._opened)
            except (sqlite3.Error, OSError) as error:
                self._close()
                code = getattr(error, "sqlite_errorcode", None)
                is_refusal = isinstance(error, OSError) or (code is not None and code & 0xFF in REFUSALS)
                if is_last or is_refusal:
                    self._rests_until = self._clock.monotonic() + _RETRY_S
                    _LOG.warning(
                        "what upstreams have proved is not read or kept for now, so files may be fetched again: %s",
                        error,
                    )
                    return otherwise
                _LOG.error("%s is damaged and made new, so files are fetched again: %s", self._path, error)
                with contextlib.suppress(OSError):
                    self._path.unlink()
                    self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)
        return otherwise

    def _close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            with contextlib.suppress(sqlite3.Error):
                opened.close()


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        for pragma in _PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
        database.execute(_SCHEMA)
        # A table of another shape is as good as damaged.
        database.execute("SELECT number, proof FROM proofs LIMIT 1").fetchone()
    except BaseException:
        database.close()
        raise
    return database


def _row(known: tuple[str, Sha256]) -> bytes:
    upstream, digest = known
    return hashlib.blake2b(f"{upstream}\0{digest}".encode(), digest_size=16).digest()
