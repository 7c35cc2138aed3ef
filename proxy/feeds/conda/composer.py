"""Generations of a feed with several upstreams, or with names withheld: made by a child, once for the same inputs.

The rule of ownership is the child's (`compose_job`); here is remembered what it decided, and told what it held.
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from proxy.artifacts.notes import Notes
from proxy.child.folder import temporary_folder
from proxy.child.run import ChildFailed, busy, run_in_child
from proxy.conda.pack import BadPack
from proxy.feeds.conda.compose_job import Order, Part
from proxy.feeds.conda.draft import unfinished_removed
from proxy.feeds.conda.folder_locks import FolderLocks
from proxy.feeds.conda.packs import Generation, open_generation
from proxy.model.clock import Clock
from proxy.model.tally import Tally

_LOG = logging.getLogger("feedgate.conda")


class DamagedPart(Exception):
    """An upstream's generation cannot be read; the text is its stem."""


class Register(Protocol):
    """The remembered owners (state)."""

    async def all(self, feed: str) -> dict[str, str]: ...

    async def learn(self, feed: str, names: dict[str, str]) -> None: ...


class _Composed(msgspec.Struct, frozen=True, array_like=True):
    inputs: str
    stem: str


_COMPOSED = msgspec.msgpack.Decoder(_Composed)


class Composer:
    """Makes the generations of one feed; they lie in `folder`, a folder for each subdir."""

    def __init__(
        self, feed: str, folder: Path, register: Register, notes: Notes, clock: Clock, tally: Tally,
        locks: FolderLocks,
    ) -> None:  # fmt: skip
        self._feed = feed
        self._folder = folder
        self._register = register
        self._notes = notes
        self._clock = clock
        self._tally = tally
        self._composed: dict[str, tuple[_Composed, Generation]] = {}
        self._forgotten: set[str] = set()
        self._locks = locks
        #: What has been told already: (what is wrong, name).
        self._told: set[tuple[str, str]] = set()

    async def compose(self, subdir: str, parts: tuple[Part, ...], *, is_complete: bool) -> Generation:
        """Return the generation that these upstreams make; `is_complete`: they tell of all subdirs there can be.

        Raises Problem, DamagedPart.
        """
        inputs = hashlib.sha256(msgspec.msgpack.encode((parts, is_complete))).hexdigest()
        known = self._composed.get(subdir)
        if known is not None and known[0].inputs == inputs:
            return known[1]
        async with self._locks.of(self._folder / subdir):
            return await self._current(subdir, parts, inputs, is_complete=is_complete)

    def forget(self, subdir: str) -> None:
        """Make the subdir's generation anew: its files were found damaged."""
        self._composed.pop(subdir, None)
        self._forgotten.add(subdir)

    async def _current(
        self, subdir: str, parts: tuple[Part, ...], inputs: str, *, is_complete: bool
    ) -> Generation:
        known = self._composed.get(subdir)
        if known is None and subdir not in self._forgotten:
            known = await self._recall(subdir)
        if known is not None and known[0].inputs == inputs:
            return known[1]
        order = Order(
            folder=str(self._folder / subdir), subdir=subdir, parts=parts, remembered="", is_complete=is_complete,
            now_ms=int(self._clock.now().timestamp() * 1000), previous=known[1].stem if known is not None else None,
        )  # fmt: skip
        made = await self._made(order)
        composed = _Composed(inputs, made["stem"])
        generation = await asyncio.to_thread(open_generation, self._folder / subdir, composed.stem)
        self._composed[subdir] = (composed, generation)
        self._forgotten.discard(subdir)
        await self._notes.set(self._note(subdir), msgspec.msgpack.encode(composed))
        return generation

    async def _made(self, order: Order) -> Mapping[str, Any]:
        remembered = await self._register.all(self._feed)
        async with temporary_folder("feedgate-owners-") as folder:
            path = folder / "remembered"
            await asyncio.to_thread(path.write_bytes, msgspec.msgpack.encode(remembered))
            order = msgspec.structs.replace(order, remembered=str(path))
            try:
                async with unfinished_removed(Path(order.folder), order.now_ms):
                    made: dict[str, Any] = await run_in_child(
                        "proxy.feeds.conda.compose_job:run", {"order": msgspec.to_builtins(order)}
                    )
            except ChildFailed as failed:
                raise busy(failed) from failed
        if "damaged" in made:
            raise DamagedPart(made["damaged"])
        await self._register.learn(self._feed, made["learned"])
        self._tell("would change their owner and are held", made["held"])
        self._tell("are offered by an earlier upstream than their owner, who keeps them", made["rivals"])
        return made

    def _tell(self, what: str, names: list[str]) -> None:
        news = [name for name in names if (what, name) not in self._told]
        if not news:
            return
        self._told.update((what, name) for name in news)
        self._tally.count("owner_changes_held", self._feed, len(news))
        _LOG.error("%s names of %s %s, such as %s", len(news), self._feed, what, ", ".join(news[:20]))

    async def _recall(self, subdir: str) -> tuple[_Composed, Generation] | None:
        data = await self._notes.get(self._note(subdir))
        try:
            if data is None:
                return None
            composed = _COMPOSED.decode(data)
            generation = await asyncio.to_thread(open_generation, self._folder / subdir, composed.stem)
        except (msgspec.DecodeError, OSError, BadPack):
            return None
        self._composed[subdir] = (composed, generation)
        return self._composed[subdir]

    def _note(self, subdir: str) -> str:
        return f"composed/{self._feed}/{subdir}"
