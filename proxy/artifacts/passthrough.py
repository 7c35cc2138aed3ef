"""Verified pass-through: one reader's own way to the origin when the disk takes no more (contract, 3).

The bytes are hashed on their way, from where the spool ended, and the last 4 KiB are held back until the
digest is right, as everywhere (design, law 4). Nothing is written. A reader that wants a part only gets it
as soon as it has come, and does not wait for the rest unless the part reaches into those 4 KiB.
"""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from proxy.artifacts.blob import TAIL_BYTES
from proxy.artifacts.hashes import Hashes
from proxy.artifacts.inflow import Inflow, WrongBytesError
from proxy.artifacts.pools import Pools
from proxy.artifacts.source import Expected


@dataclass(frozen=True, slots=True)
class Wanted:
    """Bytes start..stop-1 of the artifact; stop None: to its end."""

    start: int
    stop: int | None


class PassThrough:
    """One reader's bytes. `held` are those before the inflow's place that have not left yet."""

    def __init__(
        self, inflow: Inflow, expected: Expected, pools: Pools, *, held: bytes, pending: bytes
    ) -> None:
        self._inflow = inflow
        self._hashes: Hashes = inflow.hashes
        self._expected = expected
        self._pools = pools
        self._held = held
        self._pending = pending

    async def read(self, wanted: Wanted) -> AsyncGenerator[bytes, None]:
        """Yield the bytes. Raises WrongBytesError, UpstreamError, Problem in place of the last 4 KiB."""
        try:
            position = wanted.start
            async with contextlib.aclosing(self._released()) as pieces:
                async for offset, piece in pieces:
                    part = _within(piece, offset, position, wanted.stop)
                    if part:
                        position += len(part)
                        yield part
                    if wanted.stop is not None and position >= wanted.stop:
                        # What came before the end was 4 KiB from it at the least.
                        return
        finally:
            await self._inflow.close()

    # -- parts

    async def _released(self) -> AsyncGenerator[tuple[int, bytes], None]:
        """Yield (offset, bytes) as they may leave."""
        begin = self._hashes.size - len(self._held)
        async with contextlib.aclosing(self._taken()) as pieces:
            async for piece in pieces:
                self._held += piece
                free = len(self._held) - TAIL_BYTES
                if free > 0:
                    out, self._held = self._held[:free], self._held[free:]
                    yield begin, out
                    begin += free
        complaint = self._expected.complaint(self._hashes, self._inflow.source.name())
        if complaint is not None:
            await self._inflow.source.wrong_bytes(complaint)
            raise WrongBytesError(complaint)
        await self._inflow.source.right_bytes(self._hashes.sha256())
        yield begin, self._held

    async def _taken(self) -> AsyncGenerator[bytes, None]:
        pending, self._pending = self._pending, b""
        if pending:
            await self._pools.run(self._hashes.update, pending)
            yield pending
        async for piece in self._inflow:
            await self._pools.run(self._hashes.update, piece)
            yield piece


def _within(piece: bytes, offset: int, start: int, stop: int | None) -> bytes:
    """Return what of a piece at an offset lies from start on and before stop."""
    end = None if stop is None else max(0, stop - offset)
    return piece[max(0, start - offset) : end]
