"""Bringing approved bytes into the vault: in the background, after the answer, until they are there.

What is to be done is not kept anywhere: it is every active approval whose digest the vault does not hold for its feed.
So it survives a restart, a restored backup and rot in the vault alike. Bytes that the cache holds are copied (they are
pinned there meanwhile) if they count for the approval's upstream, others are fetched by their pin. A failure is told
with its reason and tried again, ever later.
With `fetch = "lazy"` a file waits for its first download, unless the cache has it anyway.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from proxy.artifacts.blob import LostBlobError
from proxy.artifacts.files import DiskError
from proxy.artifacts.vault import Vault, VaultedStore
from proxy.config.settings import Feed
from proxy.feeds.curated import APPROVED
from proxy.feeds.keeper import ArtifactRef
from proxy.feeds.local_keeper import LocalKeeper
from proxy.feeds.shared import finish
from proxy.model.approval import Approval
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.tally import Tally
from proxy.state.approvals import Approvals
from proxy.upstream.errors import UpstreamError

_LOG = logging.getLogger("feedgate.vault")
_AT_ONCE = 4
_SWEEP_S = 600.0
_LONGEST_RETRY_S = 3600.0
#: Revoked bytes are kept for so long: a revocation may be a mistake, and a client may be reading them.
GRACE = timedelta(days=30)

#: A feed and the digest of bytes that were approved in it. The vault holds a digest once, but each feed has to get it
#: from where it was approved there (design, law 5).
Wanted = tuple[str, Sha256]
BytesState = Literal["held", "pending", "failed"]


@dataclass(frozen=True, slots=True)
class BytesHeld:
    """Whether an approval's bytes are in the vault; `failure` says why the last attempt failed."""

    state: BytesState
    failure: str = ""


@dataclass(slots=True)
class _Trouble:
    """A digest that could not be brought: how often, and why the last time."""

    attempts: int
    why: str
    timer: asyncio.TimerHandle | None = None


class Vaulting:
    """The one that fills the vault. `keeper` and `feeds` are those of the settings in force."""

    def __init__(
        self, approvals: Approvals, vault: Vault, store: VaultedStore, clock: Clock, tally: Tally,
        keeper: Callable[[], LocalKeeper], feeds: Callable[[], Mapping[str, Feed]], *, retry_s: float = 5.0,
    ) -> None:  # fmt: skip
        self._approvals = approvals
        self._vault = vault
        self._store = store
        self._clock = clock
        self._tally = tally
        self._keeper = keeper
        self._feeds = feeds
        self._retry_s = retry_s
        self._queue: asyncio.Queue[Wanted] = asyncio.Queue()
        self._queued: dict[Wanted, Approval] = {}
        self._trouble: dict[Wanted, _Trouble] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stop_listening: Callable[[], None] = lambda: None

    # -- life

    def start(self) -> None:
        """Begin with what is missing; goes on until `close`."""
        self._stop_listening = self._approvals.on_change(self._noticed)
        self._tasks = [asyncio.create_task(self._sweep(), name="sweep vault")]
        self._tasks += [asyncio.create_task(self._work(), name="fill vault") for _ in range(_AT_ONCE)]

    async def close(self) -> None:
        self._stop_listening()
        for trouble in self._trouble.values():
            if trouble.timer is not None:
                trouble.timer.cancel()
        await finish(tuple(self._tasks))

    async def settled(self) -> None:
        """Wait until everything that can be brought now has been tried."""
        await self._vault.scanned()
        await self._queue.join()

    # -- asking

    async def ready(self) -> None:
        """Wait until it is known what the vault holds: for a moment after a start."""
        await self._vault.scanned()

    def state_of(self, approval: Approval) -> BytesHeld:
        """Return where an approval's bytes are."""
        if self.holds(approval.feed, approval.sha256):
            return BytesHeld("held")
        trouble = self._trouble.get((approval.feed, approval.sha256))
        return BytesHeld("pending") if trouble is None else BytesHeld("failed", trouble.why)

    def holds(self, feed: str, digest: Sha256) -> bool:
        """Tell whether the vault has these bytes for this feed."""
        return self._approvals.has_bytes(feed, digest) and self._vault.holds(digest)

    def arrived_bytes(self, approval: Approval) -> int:
        """Return how much of an approval's bytes has come, all of it where they are held."""
        if self.holds(approval.feed, approval.sha256):
            return approval.size or 0
        return self._keeper().arrived_bytes(approval.sha256)

    def pending(self) -> int:
        """Return how many files are waited for now."""
        return len(self._queued)

    # -- parts

    def _noticed(self, feed: str, names: frozenset[str]) -> None:
        for name in names:
            for approval in self._approvals.of(feed, name).values():
                self._consider(approval)

    def _consider(self, approval: Approval) -> None:
        feed = self._feeds().get(approval.feed)
        if feed is None:
            return
        digest = approval.sha256
        if feed.fetch == "eager" or self._store.holds(digest) or self._vault.holds(digest):
            self._put(approval)

    def _put(self, approval: Approval) -> None:
        wanted = (approval.feed, approval.sha256)
        if wanted not in self._queued and not self.holds(*wanted):
            self._queued[wanted] = approval
            self._queue.put_nowait(wanted)

    async def _sweep(self) -> None:
        """Find what is missing: at the start what a former run left, later what has rotted away."""
        await self._vault.scanned()
        await self._store.scanned()
        while True:
            for number, approval in enumerate(self._approvals.active()):
                if (approval.feed, approval.sha256) not in self._trouble:
                    self._consider(approval)
                if number % 500 == 0:
                    await asyncio.sleep(0)
            await self._collect()
            await asyncio.sleep(_SWEEP_S)

    async def _collect(self) -> None:
        """Remove what was revoked long ago, and is approved nowhere (reliability, F08)."""
        before_ms = int((self._clock.now() - GRACE).timestamp() * 1000)
        for digest in self._approvals.unpinned_since(before_ms):
            if self._vault.holds(digest) and await self._approvals.let_go(digest, self._vault.remove):
                self._tally.count("vault", "collected")
                _LOG.info("revoked bytes are gone after their grace: sha256 %s", digest)

    async def _work(self) -> None:
        while True:
            wanted = await self._queue.get()
            try:
                await self._try(wanted, self._queued[wanted])
            finally:
                self._queued.pop(wanted, None)
                self._queue.task_done()

    async def _try(self, wanted: Wanted, queued: Approval) -> None:
        approval = self._in_force(queued)
        if approval is None:
            self._trouble.pop(wanted, None)
            return
        try:
            await self._bring(approval)
        except Exception as error:  # noqa: BLE001 - whatever it was is told, and tried again
            self._failed(wanted, approval, error)
            return
        self._trouble.pop(wanted, None)
        self._tally.count("vault", "taken")

    def _in_force(self, approval: Approval) -> Approval | None:
        """Return the approval, or the feed's other one of these bytes where it was revoked."""
        if approval.feed not in self._feeds():
            return None
        latest = self._approvals.find(approval.feed, approval.id)
        if latest is not None and latest.sha256 == approval.sha256 and latest.state == "active":
            return latest
        others = self._approvals.of(approval.feed, approval.name).values()
        return next((each for each in others if each.sha256 == approval.sha256), None)

    async def _bring(self, approval: Approval) -> None:
        ref, digest = ref_of(approval), approval.sha256
        is_here = self._vault.holds(digest)
        if not await self._keeper().counts(ref, digest) or not (is_here or await self._copied(digest)):
            if self._feeds()[approval.feed].fetch == "lazy":
                return
            await self._keeper().arrived(ref, background=True)
            # Somebody's download through an open feed was joined: then it has landed in the cache.
            is_here = self._vault.holds(digest) or await self._copied(digest)
            if not is_here or not await self._keeper().counts(ref, digest):
                raise Problem("busy", "the bytes were lost on their way; they are fetched again")
        at_ms = round(self._clock.now().timestamp() * 1000)
        await self._approvals.note_bytes(approval.feed, approval.name, digest, at_ms)

    async def _copied(self, digest: Sha256) -> bool:
        blob = await self._store.own(digest)
        if blob is None:
            return False
        try:
            await self._vault.copy(self._store, blob)
        except LostBlobError:
            return False
        return True

    def _failed(self, wanted: Wanted, approval: Approval, error: Exception) -> None:
        trouble = self._trouble.setdefault(wanted, _Trouble(0, ""))
        trouble.attempts += 1
        trouble.why = _told(error)
        self._tally.count("vault", "failed")
        _LOG.warning(
            "approved bytes could not be fetched: feed %s, file %s, sha256 %s, attempt %s, why %s",
            approval.feed,
            approval.artifact,
            approval.sha256,
            trouble.attempts,
            trouble.why,
        )
        if not isinstance(error, Problem | UpstreamError | DiskError):
            _LOG.error("this is a fault of the program", exc_info=error)
        pause = min(_LONGEST_RETRY_S, self._retry_s * 2 ** min(trouble.attempts - 1, 12))
        trouble.timer = asyncio.get_running_loop().call_later(pause, self._put, approval)


def ref_of(approval: Approval) -> ArtifactRef:
    """Return what the keeper is asked for an approval's bytes."""
    return ArtifactRef(
        approval.feed, approval.name, APPROVED, approval.origin_url, approval.artifact.rpartition("/")[2],
        approval.sha256, approval.size, subdir=approval.artifact.rpartition("/")[0],
    )  # fmt: skip


def _told(error: Exception) -> str:
    if isinstance(error, Problem):
        return error.detail
    if isinstance(error, UpstreamError | DiskError):
        return str(error)
    return f"a fault of the program ({type(error).__name__}); see the log"
