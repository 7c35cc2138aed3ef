"""Verification: whether a stored file's bytes are what its name says. It decides and does not remove.

A file is hashed in slices of a few MiB in threads of their own, so neither the loop nor a fetch waits for
900 MB. The file must not change while it is hashed: its mark is taken before and after. What was verified
is remembered by mark; the same name with another inode, size or time has to be verified again (design,
section 4).
"""

import asyncio
import enum
import errno
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from proxy.artifacts.blob import PIECE_BYTES, SMALL_BYTES, mark_of
from proxy.artifacts.files import DiskError, Files, NotRegularError, OpenFile
from proxy.artifacts.pools import Pools
from proxy.model.clock import Clock
from proxy.model.digest import Sha256

#: Hashed in one thread hop: some milliseconds.
_SLICE_BYTES = 4 * 1024 * 1024
_ROTTEN = frozenset({errno.EIO, errno.EUCLEAN, errno.EBADMSG})


class Verdict(enum.Enum):
    """What a verification found."""

    RIGHT = "right"
    #: Other bytes, or no regular file, or a read error: the file is to be removed.
    DAMAGED = "damaged"
    GONE = "gone"
    #: Nothing can be said (no descriptor left, no permission): a miss, and the file stays.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Checked:
    """The result for one file. `data`: of small right ones; `mark` 0: the file could not be opened."""

    verdict: Verdict
    size: int = 0
    mark: int = 0
    data: bytes | None = None
    why: str = ""


class Verifier:
    """Hashes files and compares."""

    def __init__(self, files: Files, pools: Pools, clock: Clock) -> None:
        self._files = files
        self._pools = pools
        self._clock = clock

    async def check(
        self, digest: Sha256, path: Path, *, duty: float = 1.0, known_bad: int | None = None
    ) -> Checked:
        """Verify the file; with a `duty` below 1, sleep so that hashing takes only that share of the time.

        A file with the mark `known_bad` is not read again.
        """
        begun = await self._pools.check(self._begin, digest, path, known_bad)
        if isinstance(begun, Checked):
            return begun
        step: Checked | None = None
        try:
            while step is None:
                before = self._clock.monotonic()
                step = await self._pools.check(self._go_on, begun)
                if duty < 1:
                    await asyncio.sleep((self._clock.monotonic() - before) * (1 / duty - 1))
            return step
        finally:
            self._pools.later(begun.file.release)

    # -- in threads

    def _begin(self, digest: Sha256, path: Path, known_bad: int | None) -> "_Reading | Checked":
        try:
            opened = self._files.open(path)
        except NotRegularError as error:
            return Checked(Verdict.DAMAGED, why=f"it is no regular file ({error})")
        except DiskError as error:
            return failed(error)
        if opened is None:
            return Checked(Verdict.GONE)
        file, found = opened
        if mark_of(found) == known_bad:
            file.release()
            return Checked(Verdict.DAMAGED, found.st_size, known_bad, why="found before")
        reading = _Reading(digest, file, found.st_size, mark_of(found))
        if found.st_size > _SLICE_BYTES:
            return reading
        try:
            return self._go_on(reading) or reading
        finally:
            file.release()

    def _go_on(self, reading: "_Reading") -> Checked | None:
        """Hash one slice; the result after the last."""
        stop = min(reading.offset + _SLICE_BYTES, reading.size)
        try:
            while reading.offset < stop:
                data = self._files.read(reading.file, reading.offset, min(PIECE_BYTES, stop - reading.offset))
                if not data:
                    return Checked(Verdict.UNKNOWN, why="it changed while it was verified")
                reading.take(data)
            if stop < reading.size:
                return None
            return self._compare(reading, mark_of(self._files.stat(reading.file)))
        except DiskError as error:
            return replace(failed(error), mark=reading.mark)

    @staticmethod
    def _compare(reading: "_Reading", mark: int) -> Checked:
        found = reading.hash.hexdigest()
        if mark != reading.mark:
            return Checked(Verdict.UNKNOWN, why="it changed while it was verified")
        if found != reading.digest:
            why = f"its {reading.size} bytes have the sha256 {found}"
            return Checked(Verdict.DAMAGED, reading.size, mark, why=why)
        return Checked(Verdict.RIGHT, reading.size, mark, reading.small)


class _Reading:
    """A verification under way."""

    def __init__(self, digest: Sha256, file: OpenFile, size: int, mark: int) -> None:
        self.digest = digest
        self.file = file
        self.size = size
        self.mark = mark
        self.hash = hashlib.sha256()
        self.offset = 0
        self.small: bytes | None = b"" if size <= SMALL_BYTES else None

    def take(self, data: bytes) -> None:
        self.hash.update(data)
        self.offset += len(data)
        if self.small is not None:
            self.small += data


def failed(error: DiskError) -> Checked:
    """Return what a failed call says about the file: a read error is damage, anything else says nothing."""
    return Checked(Verdict.DAMAGED if error.code in _ROTTEN else Verdict.UNKNOWN, why=str(error))
