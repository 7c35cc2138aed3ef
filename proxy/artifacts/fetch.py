"""A fetch: what one key's flight does, for however many readers and however long it takes (design, law 5).

It asks the origin once, writes what comes to a spool, verifies it and gives it to the store. Its speed is
the origin's and the disk's, never a reader's. Wrong bytes end in one more try at once, from the next source
if there is one; whoever was sent something of them is cut off. A disk that takes no more ends in
pass-through.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from proxy.artifacts.blob import Blob
from proxy.artifacts.files import DiskError
from proxy.artifacts.inflow import Inflow, WrongBytesError
from proxy.artifacts.partial import Partial
from proxy.artifacts.pulse import Pulse
from proxy.artifacts.rules import Rules
from proxy.artifacts.source import Expected, Opened, Source
from proxy.artifacts.spool import Spool
from proxy.artifacts.store import BlobStore
from proxy.model.problem import Problem
from proxy.upstream.errors import UpstreamError

_LOG = logging.getLogger("feedgate.flights")
#: Returns the artifact if it is held and may be sent.
Look = Callable[[], Awaitable[Blob | None]]


class Fetch:
    """One run to the origin. `pulse` beats when `spool` or `outcome` changes."""

    def __init__(
        self,
        key: str,
        sources: Sequence[Source],
        expected: Expected,
        store: BlobStore,
        rules: Rules,
        look: Look,
    ) -> None:
        if not sources:
            raise ValueError("a fetch needs a source")
        self.key = key
        self.sources = tuple(sources)
        self.expected = expected
        self.store = store
        self.rules = rules
        self._look = look
        self.spool: Spool | None = None
        self.outcome: Blob | Exception | None = None
        self.pulse = Pulse()
        #: How many wait for its header or read it.
        self.interest = 0
        #: Called when the last of them leaves.
        self.on_idle: Callable[[], None] = lambda: None

    @property
    def is_joinable(self) -> bool:
        """Whether a new reader may come to it, rather than to a new fetch."""
        return self.outcome is None and (self.spool is None or self.spool.handover is None)

    @property
    def is_verified(self) -> bool:
        """Whether all bytes are here and right, and only the disk is waited for."""
        return self.spool is not None and self.spool.is_verified

    def is_worth_finishing(self) -> bool:
        """Tell whether it goes on when nobody reads it any more."""
        size = 0 if self.spool is None else self.spool.size
        total = self.expected.size if self.spool is None else self.spool.total
        return self.rules.is_worth_finishing(size, total)

    def enter(self) -> None:
        """A reader waits for it or reads it."""
        self.interest += 1

    def leave(self) -> None:
        self.interest -= 1
        if not self.interest:
            self.on_idle()

    def add(self, sources: Sequence[Source]) -> None:
        """Take along where a joiner knows the artifact to be; asked only if everything known before has failed."""
        self.sources += tuple(source for source in sources if source not in self.sources)

    async def run(self) -> None:
        """Fetch; the outcome is set when it returns. Raises only for a fault of the program."""
        held = await self._look()
        if held is not None:
            self.spool = Spool.of(held)
            self._end(held)
            return
        first = 0
        while True:
            tried = len(self.sources)
            outcome = await self._fetch(first)
            if (
                tried == len(self.sources)
                or not isinstance(outcome, UpstreamError | Problem)
                or self._is_over()
            ):
                self._end(outcome)
                return
            # Others have joined meanwhile who know another place: it is asked before anybody is refused.
            await self._fail(outcome)
            first = tried

    def stopped(self, failure: Exception) -> None:
        """Take note that the run ended by itself: cancelled, or by a fault of the program."""
        if self.outcome is None:
            self._end(failure)

    # -- parts

    def _is_over(self) -> bool:
        """Tell whether readers have got everything already, or go on by themselves."""
        return self.spool is not None and (self.spool.is_verified or self.spool.handover is not None)

    async def _fetch(self, first: int) -> Blob | Exception:
        """Fetch from the sources from number `first` on; return the artifact, or what went wrong.

        Wrong bytes get one more try at once; that of coded ones is to take them the other way.
        """
        problem, is_other_way = Problem("internal", "nothing was tried"), False
        for _ in range(2):
            inflow = Inflow(
                self.sources, self.expected, self.expected.hashes(), self.rules, self.store.pools, first=first,
                is_other_way=is_other_way,
            )  # fmt: skip
            try:
                return await self._try(inflow)
            except WrongBytesError as wrong:
                is_other_way = inflow.is_coded and not is_other_way
                first = inflow.place if is_other_way else inflow.next_source()
                problem = await self._wrong(wrong, inflow.source, is_final=not is_other_way)
            except (UpstreamError, Problem) as failure:
                await self._discard()
                return failure
            finally:
                if not inflow.is_taken:
                    await inflow.close()
        return problem

    async def _try(self, inflow: Inflow) -> Blob | Exception:
        opened = await inflow.open()
        spool = Spool(opened, self._partial(opened, inflow), inflow.hashes)
        self.spool = spool
        self.pulse.beat()
        if spool.partial is None:
            return await self._pass_through(spool, inflow, b"")
        async for piece in inflow:
            if spool.size + len(piece) > self.store.max_bytes:
                return await self._pass_through(spool, inflow, piece)
            try:
                await spool.append(piece)
            except DiskError as error:
                self.store.health.failed(error)
                return await self._pass_through(spool, inflow, piece)
        complaint = self.expected.complaint(inflow.hashes, inflow.source.name())
        if complaint is not None:
            raise WrongBytesError(complaint)
        spool.verified()
        await inflow.source.right_bytes(inflow.hashes.sha256())
        return await self._adopt(spool, spool.partial)

    def _partial(self, opened: Opened, inflow: Inflow) -> Partial | None:
        """Return a file to write to, None if the disk takes none or the store is too small for this."""
        if self.store.health.degraded is not None or (opened.total or 0) > self.store.max_bytes:
            return None
        partial = self.store.partial()
        partial.hashes = inflow.hashes
        return partial

    async def _adopt(self, spool: Spool, partial: Partial) -> Blob | Exception:
        try:
            return await self.store.adopt(partial, spool.hashes.sha256())
        except DiskError as error:
            self.store.health.failed(error)
            if error.op == "fsync":
                spool.doubt()
            return Problem("disk-full", f"the file could not be kept ({error})")

    async def _pass_through(self, spool: Spool, inflow: Inflow, pending: bytes) -> Problem:
        """Hand the running inflow to the first reader that comes for it; nothing stays on the disk."""
        handover = spool.hand_over(inflow, pending)
        self.store.tally.count("flights", "passed-through")
        self.pulse.beat()
        if spool.partial is not None:
            await spool.partial.discard()
        try:
            while not handover.is_taken.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.rules.grace_s):
                        await handover.is_taken.wait()
                if not self.interest:
                    break
        finally:
            handover.inflow = None
        return Problem("disk-full", "the file was passed through and not kept")

    async def _wrong(self, wrong: WrongBytesError, source: Source, *, is_final: bool) -> Problem:
        """Begin again after wrong bytes; the source is blamed unless there is another way to take them."""
        problem = wrong.problem()
        await self._fail(problem)
        if not is_final:
            return problem
        _LOG.error("wrong bytes from an origin: %s", wrong.detail)
        self.store.tally.count("flights", "wrong-bytes")
        if wrong.is_lie:
            await source.wrong_bytes(wrong.detail)
        return problem

    async def _fail(self, failure: Exception) -> None:
        """Cut off whoever was sent something of this try, and begin another."""
        spool, self.spool = self.spool, None
        if spool is not None:
            spool.fail(failure)
            if spool.partial is not None:
                await spool.partial.discard()
            spool.over()

    async def _discard(self) -> None:
        if self.spool is not None and self.spool.partial is not None:
            await self.spool.partial.discard()

    def _end(self, outcome: Blob | Exception) -> None:
        self.outcome = outcome
        spool = self.spool
        if spool is not None:
            if isinstance(outcome, Exception):
                spool.fail(outcome)
                if spool.partial is not None:
                    spool.partial.discard_soon()
            spool.over()
        self.pulse.beat()
