"""A spool: the bytes of one try of a fetch, on disk as they come, and what of them may leave.

All but the last 4 KiB of the artifact leave as they come; these only when the digest is right (design, law
4). The most recent pieces are kept in memory too, a MiB at most per fetch, so that readers who keep up
share them and cost no thread hop each; who falls behind reads the file, whatever its number.

A spool ends in one of three ways: verified; failed (whoever was sent something of it is cut off); or, when
the disk takes no more, `through`: what is there stays readable and each reader goes on at the origin by
itself.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from proxy.artifacts.blob import TAIL_BYTES, Blob
from proxy.artifacts.hashes import Hashes
from proxy.artifacts.inflow import Inflow
from proxy.artifacts.partial import Partial
from proxy.artifacts.pulse import Pulse
from proxy.artifacts.source import Opened

_RECENT_BYTES = 1024 * 1024
_RECENT_PIECES = 64


@dataclass(slots=True)
class Handover:
    """Where readers go on when the disk takes no more: at `size` bytes with these digests.

    The first to come gets the running inflow and the piece that could not be written; others ask the origin
    anew.
    """

    size: int
    hashes: Hashes
    opened: Opened
    #: The index of the source that was asked last.
    place: int
    inflow: Inflow | None
    pending: bytes
    #: Set when the running inflow has been taken.
    is_taken: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> tuple[Inflow, bytes] | None:
        """Take the running inflow, once."""
        inflow, self.inflow = self.inflow, None
        if inflow is None:
            return None
        inflow.is_taken = True
        self.is_taken.set()
        return inflow, self.pending


class Spool:
    """One try's bytes. Everything but the reading of the file happens on the loop."""

    def __init__(self, opened: Opened, partial: Partial | None, hashes: Hashes) -> None:
        self.opened = opened
        self.size = 0
        self.hashes = hashes
        self.is_verified = False
        #: The file's bytes cannot be trusted any more (failed fsync): readers must not take them from there.
        self.is_doubtful = False
        self.failure: Exception | None = None
        self.handover: Handover | None = None
        self.pulse = Pulse()
        self.partial = partial
        self._recent: deque[tuple[int, bytes]] = deque()
        self._recent_bytes = 0
        self._readers = 0
        self._is_over = False

    @classmethod
    def of(cls, blob: Blob) -> "Spool":
        """Return the spool of an artifact that is held already: complete, with its bytes in the store."""
        spool = cls(Opened(blob.size, None, None, "the store"), None, Hashes())
        spool.size, spool.is_verified = blob.size, True
        return spool

    # -- the writer

    async def append(self, piece: bytes) -> None:
        """Write, hash and show the next piece. Raises DiskError; then nothing has changed."""
        if self.partial is None:
            raise ValueError("a spool without a file takes no bytes")
        await self.partial.append(piece)
        self._remember(piece)
        self.size += len(piece)
        self.pulse.beat()

    def verified(self) -> None:
        self.is_verified = True
        self.pulse.beat()

    def fail(self, failure: Exception) -> None:
        """End it; a verified spool stays what it is."""
        if not self.is_verified and self.handover is None:
            self.failure = failure
            self.pulse.beat()

    def doubt(self) -> None:
        self.is_doubtful = True
        self._recent.clear()
        self.pulse.beat()

    def hand_over(self, inflow: Inflow, pending: bytes) -> Handover:
        """Let the readers go on by themselves."""
        self.handover = Handover(self.size, self.hashes.copy(), self.opened, inflow.place, inflow, pending)
        self.pulse.beat()
        return self.handover

    def over(self) -> None:
        """Say that nothing more comes; the file is let go when the last reader is."""
        self._is_over = True
        self._close_if_idle()

    @property
    def is_closed(self) -> bool:
        """Whether its file is let go: its bytes are in the store now, or nowhere."""
        return self._is_over and self.partial is None

    # -- the readers

    def enter(self) -> None:
        self._readers += 1

    def leave(self) -> None:
        self._readers -= 1
        self._close_if_idle()

    @property
    def total(self) -> int | None:
        """The artifact's size as far as it is known."""
        return self.size if self.is_verified else self.opened.total

    def released(self) -> int:
        """Return how many bytes may leave."""
        return self.size if self.is_verified else min(self.size, self._before_tail())

    async def piece(self, offset: int, size: int) -> bytes:
        """Return some of the written bytes from the offset on, at most that many. Raises DiskError."""
        for begin, data in reversed(self._recent):
            if begin <= offset:
                if offset < begin + len(data):
                    return data[offset - begin : offset - begin + size]
                break
        if self.partial is None:
            raise ValueError("a spool without a file gives no bytes")
        return await self.partial.read(offset, size)

    # -- parts

    def _before_tail(self) -> int:
        whole = self.size if self.opened.total is None else self.opened.total
        return max(0, whole - TAIL_BYTES)

    def _remember(self, piece: bytes) -> None:
        self._recent.append((self.size, piece))
        self._recent_bytes += len(piece)
        while self._recent_bytes > _RECENT_BYTES or len(self._recent) > _RECENT_PIECES:
            _, old = self._recent.popleft()
            self._recent_bytes -= len(old)

    def _close_if_idle(self) -> None:
        if self._is_over:
            self._recent.clear()
            if not self._readers and self.partial is not None:
                self.partial.close()
                self.partial = None
