"""The catalog of what is approved in one subdir of a curated feed: a generation made of the approvals' records.

It stands where an upstream's catalog stands (`channel.Catalog`), so that ownership, policies and index forms need to
know nothing of approvals. It is never older than the approvals: who asks while they are ahead waits for the next
generation, which costs the names that changed. After a restart the generation on disk is compared with the approvals
name by name. Nothing is asked outside.

Every platform that conda knows, and every subdir that the settings name, is there, if only empty: clients remember
for days that a channel has no shards in a subdir.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from proxy.artifacts.notes import Notes
from proxy.child.folder import temporary_folder
from proxy.child.run import ChildFailed, busy, run_in_child
from proxy.conda.block import Block
from proxy.conda.names import KNOWN_SUBDIRS, SECTIONS
from proxy.conda.pack import BadPack, digest_of
from proxy.conda.record import joined
from proxy.conda.shards import FORM
from proxy.feeds.conda import approved_job
from proxy.feeds.conda.approved import Approved
from proxy.feeds.conda.approved_job import Change, Order
from proxy.feeds.conda.draft import unfinished_removed
from proxy.feeds.conda.edition import HeldSubdir
from proxy.feeds.conda.folder_locks import FolderLocks
from proxy.feeds.conda.lineage import Lineage
from proxy.feeds.conda.packs import Generation, open_generation, sweep_generations
from proxy.feeds.keeper import How
from proxy.feeds.shared import outcome
from proxy.model.approval import Approval
from proxy.model.clock import Clock

_LOG = logging.getLogger("feedgate.conda")
#: With more names, or more changed ones, a child does the work: a serving process never holds its interpreter for
#: long. Twenty thousand take a fifth of a second in pieces of some milliseconds, less than a child would take.
_MOST_HERE, _MOST_CHANGED_HERE = 25_000, 300
#: A reviewer has looked at it: it is as old as its record says.
LINEAGE = Lineage(has_sights=False)


class ApprovedSubdir:
    """One subdir of one curated feed; its generations lie in `folder`."""

    def __init__(
        self, approved: Approved, subdir: str, folder: Path, notes: Notes, clock: Clock, locks: FolderLocks,
        *, is_named: bool,
    ) -> None:  # fmt: skip
        self._approved = approved
        self._subdir = subdir
        self.folder = folder
        self._notes = notes
        self._clock = clock
        self._locks = locks
        self._is_always_there = is_named or subdir in KNOWN_SUBDIRS
        self._generation: Generation | None = None
        #: The revision of the approvals that the generation tells; None: not compared yet.
        self._revision: int | None = None
        self._updating: asyncio.Task[None] | None = None
        #: What lies on disk was found damaged: all of it is made again.
        self._is_distrusted = False

    def peek(self) -> HeldSubdir | None:
        return self._held() if self._is_current() else None

    def last(self) -> HeldSubdir | None:
        return self._held() if self._generation is not None else None

    def stem(self) -> str | None:
        return self._generation.stem if self._generation is not None else None

    async def find(self, *, offline: bool = False) -> HeldSubdir:
        """Return a generation that tells the approvals of the moment of the call, or of a later one.

        What changes while it is made is the next one's, or whoever asks in busy times would wait for ever.
        """
        wanted = self._approved.revision
        while not self._is_current() and (self._revision is None or self._revision < wanted):
            await outcome(self._update())
        return self._held()

    def damaged(self, stem: str) -> None:
        if self._generation is not None and self._generation.stem == stem:
            self._generation, self._revision = None, None
            self._is_distrusted = True

    def is_busy(self) -> bool:
        return self._updating is not None

    def notes(self) -> Sequence[str]:
        return ()

    def under_way(self) -> Sequence[str]:
        return ()

    async def close(self) -> None:
        if self._updating is not None:
            self._updating.cancel()
            await asyncio.gather(self._updating, return_exceptions=True)

    def changed(self) -> None:
        """Begin at once what the next client would wait for, if anybody has asked before."""
        if self._generation is not None and not self._is_current():
            self._update()

    # -- parts ---------------------------------------------------------------------------------------------

    def _is_current(self) -> bool:
        return self._revision is not None and self._approved.is_unchanged(self._subdir, self._revision)

    def _held(self) -> HeldSubdir:
        return HeldSubdir(self._generation, self.folder, How.HIT, 0.0, 0.0, LINEAGE)

    def _update(self) -> "asyncio.Task[None]":
        if self._updating is None:
            self._updating = asyncio.create_task(self._catch_up(), name=f"approvals of {self._subdir}")
            self._updating.add_done_callback(self._updated)
        return self._updating

    def _updated(self, task: "asyncio.Task[None]") -> None:
        self._updating = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.warning("what is approved in %s could not be told: %s", self._subdir, error)

    async def _catch_up(self) -> None:
        async with self._locks.of(self.folder):
            if self._generation is None:
                self._generation = None if self._is_distrusted else await self._recall()
                self._revision = None
            revision = self._approved.revision
            names = await self._behind()
            before = self._generation
            is_there = before is not None or self._is_always_there or self._approved.has(self._subdir)
            if names or (before is None and is_there):
                self._generation = await self._made(names)
            self._revision = revision
            self._is_distrusted = False

    async def _behind(self) -> Collection[str]:
        """Return the names of which the generation tells something else than the approvals."""
        if self._revision is not None:
            return self._approved.changed_since(self._subdir, self._revision)
        entries = self._generation.snapshot.pack.entries if self._generation is not None else {}
        names = self._approved.names(self._subdir)
        if not entries:
            return names

        def compare() -> Collection[str]:
            told = {name: entry.digest for name, entry in entries.items()}
            return [
                name
                for name in {*told, *names}
                if told.get(name) != _digest_of(self._change(name))
            ]  # fmt: skip

        return await asyncio.to_thread(compare)

    def _change(self, name: str) -> Change:
        return change_of(name, self._approved.of(self._subdir, name))

    async def _made(self, names: Collection[str]) -> Generation:
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        async with temporary_folder(".incoming-", below=self.folder.parent) as incoming:
            changes = incoming / "changes"
            await asyncio.to_thread(
                approved_job.write_changes, changes, (self._change(name) for name in names)
            )
            try:
                stem = await self._run(names, changes, self._generation)
            except BadPack as damage:
                _LOG.warning("what was held of %s is made anew: %s", self._subdir, damage)
                everything = self._approved.names(self._subdir)
                await asyncio.to_thread(
                    approved_job.write_changes, changes, (self._change(name) for name in everything)
                )
                stem = await self._run(everything, changes, None)
        generation = await asyncio.to_thread(open_generation, self.folder, stem)
        await self._notes.set(self._note(), stem.encode("ascii"))
        before = self._generation.stem if self._generation is not None else None
        await asyncio.to_thread(sweep_generations, self.folder, stem, before)
        return generation

    async def _run(self, names: Collection[str], changes: Path, previous: Generation | None) -> str:
        order = Order(
            folder=str(self.folder), subdir=self._subdir, now_ms=int(self._clock.now().timestamp() * 1000),
            changes=str(changes), previous=previous.stem if previous is not None else None,
        )  # fmt: skip
        size = len(previous.snapshot) if previous is not None else 0
        if size <= _MOST_HERE and len(names) <= _MOST_CHANGED_HERE:
            made = await asyncio.to_thread(approved_job.run, msgspec.to_builtins(order))
        else:
            made = await self._run_in_child(order)
        if "damaged" in made:
            raise BadPack(made["damaged"])
        return str(made["stem"])

    async def _run_in_child(self, order: Order) -> dict[str, str]:
        try:
            async with unfinished_removed(self.folder, order.now_ms):
                made: dict[str, str] = await run_in_child(
                    "proxy.feeds.conda.approved_job:run", {"order": msgspec.to_builtins(order)}
                )
        except ChildFailed as failed:
            raise busy(failed) from failed
        return made

    async def _recall(self) -> Generation | None:
        data = await self._notes.get(self._note())
        try:
            if data is None:
                return None
            generation = await asyncio.to_thread(open_generation, self.folder, data.decode("ascii"))
        except (OSError, BadPack, UnicodeDecodeError):
            return None
        # Another library compresses to other bytes: then every shard is made again, as after a change of the records.
        is_same = generation.shards.meta == FORM.encode() and generation.snapshot.is_current
        return generation if is_same else None

    def _note(self) -> str:
        return f"approved/{self._approved.feed}/{self._subdir}"


def change_of(name: str, approvals: Iterable[Approval]) -> Change:
    """Return a name's records as they were approved."""
    block = block_of(name, {each.artifact.partition("/")[2]: each.record for each in approvals})
    return Change(name, block.tar, block.conda)


def block_of(name: str, records: Mapping[str, bytes]) -> Block:
    """Return these records as a block, in the order of their files."""
    tar, conda = (
        {file: raw for file, raw in sorted(records.items()) if file.endswith(end)} for end in SECTIONS
    )
    return Block(name, joined(tar), joined(conda))


def _digest_of(change: Change) -> bytes | None:
    """Return the digest that the name has in a generation; None for a name that is in none."""
    return None if change.block.is_empty else digest_of(change.block.parts())
