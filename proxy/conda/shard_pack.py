"""Shard packs: all shards of one subdir in one pack: the digest of an entry is the shard's name in its URL.

The source of an entry is the digest of the block that the shard was rendered from, so the shards of names that did
not change, or are seen alike by two policies, are copied. Rendering is batched: while one batch is compressed in a
thread, without the GIL, the next is gathered; nothing here holds more than two of them.
"""

from concurrent.futures import Executor, Future
from typing import BinaryIO, NamedTuple

from proxy.conda.pack import Pack
from proxy.conda.pack_writer import PackWriter
from proxy.conda.shards import FORM, packed

_BATCH_BYTES = 8 * 1024**2


class _Waiting(NamedTuple):
    """A name in the order of the pack: its block's digest, and its plain shard, or the pack that it is copied from."""

    name: str
    source: bytes
    plain: bytes | None = None
    pack: Pack | None = None


class ShardPacker:
    """Writes the shards of blocks, given in ascending order of names, to one pack. `executor` runs one thread.

    With `base` the pack is appended to that one (proxy.conda.pack_writer); most often it is `previous`.
    """

    def __init__(
        self, out: BinaryIO, executor: Executor, previous: Pack | None = None, base: Pack | None = None
    ) -> None:
        self._writer = PackWriter(out, FORM.encode(), base)
        self._executor = executor
        self._previous = previous if previous and previous.meta == FORM.encode() else None
        self._batch: list[_Waiting] = []
        self._batch_bytes = 0
        self._packing: tuple[list[_Waiting], Future[list[bytes]]] | None = None

    def copy(self, name: str, source: bytes) -> bool:
        """Take over the shard of the block with this digest, if the pack before has it; tell whether it has."""
        entry = self._previous.entries.get(name) if self._previous else None
        if entry is None or entry.source != source:
            return False
        self._batch.append(_Waiting(name, source, pack=self._previous))
        return True

    def take(self, name: str, pack: Pack) -> None:
        """Take a name's shard over from any pack that has it."""
        self._batch.append(_Waiting(name, pack.entries[name].source, pack=pack))

    def add(self, name: str, source: bytes, plain: bytes) -> None:
        """Take the plain shard of the block with the digest `source`."""
        self._batch.append(_Waiting(name, source, plain=plain))
        self._batch_bytes += len(plain)
        if self._batch_bytes >= _BATCH_BYTES:
            self._begin()

    def finish(self) -> bytes:
        """Write the rest; return the pack's digest."""
        self._begin()
        self._write()
        return self._writer.finish()

    def _begin(self) -> None:
        plain = [each.plain for each in self._batch if each.plain is not None]
        packing = (self._batch, self._executor.submit(packed, plain))
        self._batch, self._batch_bytes = [], 0
        self._write()
        self._packing = packing

    def _write(self) -> None:
        if self._packing is None:
            return
        batch, future = self._packing
        self._packing = None
        shards = iter(future.result())
        for each in batch:
            if each.plain is not None:
                self._writer.add(each.name, (next(shards),), source=each.source)
            elif each.pack is not None:
                self._writer.copy(each.pack, each.name)
