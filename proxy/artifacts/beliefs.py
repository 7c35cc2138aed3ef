"""Beliefs: which stored files were verified in this process, and by which mark; who is verifying one now.

A belief ends when the file's mark differs or its verification lies further back than the scrub's period.
One verification serves however many ask for it. What turns out damaged is removed, counted and told to the
log; if the disk does not let it go (read-only), it is remembered, so that it is not hashed again for every
request.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from proxy.artifacts.accounting import Accounting
from proxy.artifacts.removal import Removal
from proxy.artifacts.verify import Checked, Verdict, Verifier
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.tally import Tally

_LOG = logging.getLogger("feedgate.store")


class Beliefs:
    """Marks of verified files, kept in the accounting. `scrub_s` 0: beliefs do not end by age."""

    def __init__(
        self,
        verifier: Verifier,
        accounting: Accounting,
        removal: Removal,
        clock: Clock,
        tally: Tally,
        scrub_s: float,
        path_of: Callable[[Sha256], Path],
    ) -> None:
        self._verifier = verifier
        self._accounting = accounting
        self._removal = removal
        self._clock = clock
        self._tally = tally
        self._scrub_s = scrub_s
        self._path_of = path_of
        self._stuck: dict[Sha256, int] = {}
        self._checks: dict[Sha256, asyncio.Task[Checked]] = {}

    def mark(self, digest: Sha256) -> int | None:
        """Return the mark of the file that is believed in, None if there is none."""
        entry = self._accounting.find(digest)
        if entry is None or not entry.mark:
            return None
        if 0 < self._scrub_s < self._clock.now().timestamp() - entry.checked_at:
            return None
        return entry.mark

    def note(self, digest: Sha256, size: int, mark: int) -> None:
        """Believe in a file that was just verified."""
        self._accounting.believe(digest, size, mark, self._clock.now().timestamp())
        self._stuck.pop(digest, None)

    def begin(self, digest: Sha256, duty: float = 1.0) -> asyncio.Task[Checked]:
        """Begin to verify the file, or return the verification that is under way."""
        task = self._checks.get(digest)
        if task is None:
            task = asyncio.create_task(self._verify(digest, duty), name="verify blob")
            self._checks[digest] = task
            task.add_done_callback(lambda _: self._checks.pop(digest, None))
        return task

    async def verify(self, digest: Sha256, duty: float = 1.0) -> Checked:
        """Verify the file, together with whoever is at it already."""
        return await asyncio.shield(self.begin(digest, duty))

    async def damaged(self, digest: Sha256, mark: int, why: str) -> None:
        """Remove a file that was found damaged, if it is still the one with that mark."""
        self._tally.count("blobs", "damaged")
        _LOG.error("a stored blob is damaged and will be fetched again: sha256 %s, why %s", digest, why)
        if not await self._removal.remove_damaged(digest, mark):
            self._stuck[digest] = mark

    async def close(self) -> None:
        checks = tuple(self._checks.values())
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)

    # -- parts

    async def _verify(self, digest: Sha256, duty: float) -> Checked:
        checked = await self._verifier.check(
            digest, self._path_of(digest), duty=duty, known_bad=self._stuck.get(digest)
        )
        match checked.verdict:
            case Verdict.RIGHT:
                self.note(digest, checked.size, checked.mark)
            case Verdict.DAMAGED if digest not in self._stuck:
                await self.damaged(digest, checked.mark, checked.why)
            case Verdict.GONE:
                self._accounting.remove(digest)
            case Verdict.UNKNOWN:
                self._tally.count("blobs", "unreadable")
                _LOG.warning("a stored blob could not be read: sha256 %s, why %s", digest, checked.why)
        return checked
