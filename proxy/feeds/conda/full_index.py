"""Full indexes of a generation (`repodata.json`, `.json.zst`): rendered by a child, once, when first asked for.

After a change clients of a large index get the former document for the moment the next one takes, if there is one and
it is not older than the contract allows (section 3: the gate changes at once, full documents of more than 50,000
records within eight seconds), and no verdict in it has changed with time: such a change reaches every form at the same
tick. Whoever waits longer than a client has patience for is told to come back.
"""

import asyncio
import logging
from dataclasses import dataclass

from proxy.artifacts.blob import Blob
from proxy.artifacts.notes import Notes
from proxy.artifacts.store import BlobStore
from proxy.child.run import ChildFailed, busy, run_in_child
from proxy.conda.pack import BadPack
from proxy.conda.repodata import FORM
from proxy.feeds.conda.edition import Edition
from proxy.feeds.shared import outcome
from proxy.model.clock import Clock
from proxy.model.digest import parse_sha256, read_sha256
from proxy.model.problem import Problem

_LOG = logging.getLogger("feedgate.conda")
#: conda gives up after 60 s without a byte, of which fetching the index may have taken its part.
_PATIENCE_S = 20.0
#: For how long a former document may stand in for the one that is being made.
_STANDS_IN_S = 8.0
#: What 50,000 records take at the least; a smaller index is rendered within a second.
_LARGE_BYTES = 15 * 1000**2


@dataclass(frozen=True, slots=True)
class _Served:
    stem: str
    blob: Blob
    #: When a verdict in it may change by itself.
    until_ms: int | None


class FullIndexes:
    """The full indexes of one feed."""

    def __init__(self, feed: str, store: BlobStore, notes: Notes, clock: Clock) -> None:
        self._feed = feed
        self._store = store
        self._notes = notes
        self._clock = clock
        self._served: dict[tuple[str, str], _Served] = {}
        self._since: dict[tuple[str, str], float] = {}
        self._making: dict[tuple[str, str, str], asyncio.Task[Blob]] = {}

    async def get(self, edition: Edition, form: str) -> Blob:
        """Return the index of an edition ("json" or "zst"). Raises Problem."""
        key, stem = (edition.subdir, form), edition.generation.stem
        served = self._served.get(key)
        if served is not None and served.stem == stem:
            blob = self._store.peek(served.blob.digest) or await self._store.get(served.blob.digest)
            if blob is not None:
                return blob
        task = self._make_once(edition, form)
        is_large = edition.generation.sizes[0] >= _LARGE_BYTES
        is_behind = served is not None and served.stem != stem and is_large
        if served is not None and is_behind and await self._may_stand_in(key, served, task):
            return served.blob
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await outcome(task)
        except TimeoutError:
            raise Problem(
                "preparing",
                f"the index of {edition.subdir} is being prepared",
                feed=self._feed,
                retry_after_s=10,
            ) from None

    async def close(self) -> None:
        """Stop what is under way."""
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _may_stand_in(self, key: tuple[str, str], served: _Served, task: "asyncio.Task[Blob]") -> bool:
        if served.until_ms is not None and self._clock.now().timestamp() * 1000 >= served.until_ms:
            return False
        since = self._since.setdefault(key, self._clock.monotonic())
        if (
            self._clock.monotonic() - since >= _STANDS_IN_S
            or await self._store.get(served.blob.digest) is None
        ):
            return False
        await asyncio.wait({task}, timeout=0.05)
        return not task.done()

    def _make_once(self, edition: Edition, form: str) -> "asyncio.Task[Blob]":
        key = (edition.subdir, form, edition.generation.stem)
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._make(edition, form), name="full index")
            self._making[key] = task
            task.add_done_callback(lambda done: self._made(key, done))
        return task

    def _made(self, key: tuple[str, str, str], task: "asyncio.Task[Blob]") -> None:
        self._making.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.warning("the index %s of %s could not be rendered: %s", key[1], key[0], error)

    async def _make(self, edition: Edition, form: str) -> Blob:
        note = f"full/{FORM}/{form}/{edition.subdir}/{edition.generation.stem}"
        digest = read_sha256(await self._notes.get(note))
        blob = await self._store.get(digest) if digest is not None else None
        if blob is None:
            blob = await self._render(edition, form)
            await self._notes.set(note, blob.digest.encode("ascii"))
        key = (edition.subdir, form)
        self._served[key] = _Served(edition.generation.stem, blob, edition.until_ms)
        self._since.pop(key, None)
        return blob

    async def _render(self, edition: Edition, form: str) -> Blob:
        path = self._store.spare_path()
        job = {
            "folder": str(edition.folder), "stem": edition.generation.stem, "subdir": edition.subdir,
            "form": form, "out": str(path),
        }  # fmt: skip
        try:
            made = await run_in_child("proxy.feeds.conda.render_job:run", job)
        except ChildFailed as failed:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise busy(failed) from failed
        if "damaged" in made:
            raise BadPack(made["damaged"])
        return await self._store.take(path, parse_sha256(made["sha256"]))
