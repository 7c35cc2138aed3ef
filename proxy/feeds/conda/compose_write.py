"""Writing what a child composes: name after name, taken over wherever somebody has it already."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import msgspec

from proxy.conda.block import Block
from proxy.conda.pack import digest_of
from proxy.conda.pack_writer import PackWriter
from proxy.conda.shard_pack import ShardPacker
from proxy.conda.shards import plain_shard_of
from proxy.conda.snapshot import Top, bounded, pack_top
from proxy.feeds.conda.draft import Draft
from proxy.feeds.conda.packs import Generation


class Writing:
    """The records and shards of a draft, given in ascending order of names; it ends with the block."""

    def __init__(self, draft: Draft, top: Top, previous: Generation | None) -> None:
        self._draft = draft
        self._top = top
        self._previous = previous
        #: name -> file -> the record of a file that the origin has taken out and that still downloads.
        self._removed: dict[str, Mapping[str, str]] = {}
        self._pool = ThreadPoolExecutor(1)
        base = draft.base
        self._records = PackWriter(draft.records, pack_top(top), base.snapshot.pack if base else None)
        self._shards = ShardPacker(
            draft.shards, self._pool, previous.shards if previous else None, base.shards if base else None
        )

    def whole(self, name: str, here: Generation, source: bytes) -> None:
        """Take a name as an upstream's generation has it."""
        self._keep_removed(name, here.snapshot.top.removed.get(name))
        digest = here.snapshot.pack.entries[name].digest
        known = self._known(name, digest)
        self._records.copy((known or here).snapshot.pack, name, source=source)
        if name in here.shards.entries and not self._shards.copy(name, digest):
            self._shards.take(name, here.shards)

    def part(self, block: Block, source: bytes, removed: Mapping[str, str]) -> None:
        """Take what is shown of a name; nothing of it is shown where the block is empty.

        `removed` are the records of its files that the origin has taken out, file -> record.
        """
        self._keep_removed(block.name, removed)
        parts = block.parts()
        digest = digest_of(parts)
        known = self._known(block.name, digest)
        if known is not None:
            self._records.copy(known.snapshot.pack, block.name, source=source)
        else:
            self._records.add(block.name, parts, source=source, digest=digest)
        if not block.is_empty and not self._shards.copy(block.name, digest):
            self._shards.add(block.name, digest, plain_shard_of(block))

    def again(self, name: str, previous: Generation) -> None:
        """Take a name as it was."""
        self._keep_removed(name, previous.snapshot.top.removed.get(name))
        digest = self._records.copy(previous.snapshot.pack, name)
        if name in previous.shards.entries and not self._shards.copy(name, digest):
            self._shards.take(name, previous.shards)

    def _known(self, name: str, digest: bytes) -> Generation | None:
        """Return the generation before if it has the same under the name: what grows need not be copied."""
        entry = self._previous.snapshot.pack.entries.get(name) if self._previous is not None else None
        return self._previous if entry is not None and entry.digest == digest else None

    def _keep_removed(self, name: str, files: Mapping[str, str] | None) -> None:
        if files:
            self._removed[name] = files

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._pool:
            if kind is None:
                top = msgspec.structs.replace(self._top, removed=bounded(self._removed))
                self._records.finish(pack_top(top))
                self._shards.finish()
                self._draft.finish()
