"""Whether the disk takes writes. Without it the store goes on: hits are served, misses are passed through.

After a lasting failure nobody tries to write until a probe of a few KiB, made every `retry_s` seconds,
succeeds: so a full disk costs one failed write per probe, not one per request, and is noticed as healed
without traffic (reliability, B04 and B06).
"""

import asyncio
import logging
from collections.abc import Callable

from proxy.artifacts.files import DiskError
from proxy.artifacts.pools import Pools

_LOG = logging.getLogger("feedgate.store")


class Health:
    """The disk's state; `probe` writes and removes a little file and raises DiskError."""

    def __init__(self, probe: Callable[[], None], pools: Pools, *, retry_s: float) -> None:
        self._probe = probe
        self._pools = pools
        self._retry_s = retry_s
        self._trouble: DiskError | None = None
        self._probing: asyncio.Task[None] | None = None
        #: Failed writes so far.
        self.failures = 0

    @property
    def degraded(self) -> str | None:
        """What is wrong, in words, or None."""
        return None if self._trouble is None else str(self._trouble)

    def failed(self, error: DiskError) -> None:
        """Take note of a failed write."""
        self.failures += 1
        if not error.is_lasting:
            _LOG.warning("a file could not be written: error %s", error)
            return
        if self._trouble is None:
            _LOG.error("the disk takes no writes; files are passed through: error %s", error)
        self._trouble = error
        if self._probing is None:
            self._probing = asyncio.create_task(self._watch(), name="disk probe")

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    async def _watch(self) -> None:
        while self._trouble is not None:
            await asyncio.sleep(self._retry_s)
            try:
                await self._pools.run(self._probe)
            except DiskError as error:
                self._trouble = error
            else:
                self._trouble = None
        self._probing = None
        _LOG.warning("the disk takes writes again")
