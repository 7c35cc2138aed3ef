"""The child's part of a feed with several upstreams, or with names withheld: one generation out of theirs.

Whole names are taken over, records and shards as they are, each from the upstream that owns the name (contract,
section 1: the first that has it and may have it, over all subdirs of the feed; remembered; a change is held). The
first byte of an entry's source tells which upstream that is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from proxy.conda.names import parse_file
from proxy.conda.pack import BadPack, Pack
from proxy.conda.pack_writer import PackWriter
from proxy.conda.shard_render import index_of
from proxy.conda.shards import FORM
from proxy.conda.snapshot import Top, pack_top
from proxy.feeds.conda.packs import (
    BUFFER_BYTES,
    Generation,
    index_path,
    open_files,
    open_generation,
    records_path,
    shards_path,
    sweep_generations,
    write_index,
)
from proxy.feeds.conda.superseded import prune_superseded, write_superseded
from proxy.feeds.ownership import matches

#: A file's reason begins with the rule that holds it.
OWNER_GONE = (
    "owner: {name} belonged to another upstream of this feed, which no longer has it; the administrator decides with "
    "`only` or `except` who may have the name"
)


class Part(msgspec.Struct, frozen=True):
    """One upstream: its generation in the subdir that is made (None: it has none), and in the other subdirs."""

    upstream: str
    here: tuple[str, str] | None
    elsewhere: tuple[tuple[str, str], ...] = ()
    only: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. Folders are absolute; a generation is (folder, stem)."""

    folder: str
    subdir: str
    now_ms: int
    parts: tuple[Part, ...]
    remembered: str
    #: Whether the parts tell of every subdir that the feed will ever have: only then is it certain that the upstreams
    #: before a name's owner lack it, and the owner is remembered. The first of those who may have it always is.
    is_complete: bool = False
    previous: str | None = None


class _Damaged(Exception):
    """A generation cannot be read; the text is its stem."""


@contextmanager
def _reading(stem: str) -> Iterator[None]:
    try:
        yield
    except (BadPack, FileNotFoundError, EOFError) as damage:
        raise _Damaged(stem) from damage


def _opened(place: tuple[str, str]) -> Generation:
    with _reading(place[1]):
        return open_generation(Path(place[0]), place[1])


class _Upstream:
    """An upstream's names, opened."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.here = _opened(part.here) if part.here is not None else None
        self.names = set(self.here.snapshot.pack.entries) if self.here is not None else set()
        for place in part.elsewhere:
            self.names |= _opened(place).snapshot.pack.entries.keys()

    @property
    def held(self) -> Mapping[str, str]:
        """What the upstream's generation holds here: file -> why."""
        return self.here.snapshot.top.held if self.here is not None else {}

    def has_here(self, name: str) -> bool:
        return self.here is not None and name in self.here.snapshot.pack.entries

    def files_of(self, name: str) -> Iterable[str]:
        """Return the files of a name here."""
        if self.here is None:
            return ()
        with _reading(self.here.stem):
            block = self.here.snapshot.block(name)
        return block.facts() if block is not None else ()

    def may_have(self, name: str) -> bool:
        return (not self.part.only or matches(name, self.part.only)) and not matches(name, self.part.withheld)


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Make the generation; return {"stem", "names", "learned": {name: upstream}, "held": [name…], "rivals": [name…]}.

    `{"damaged": stem}` is returned where an upstream's generation cannot be read.
    """
    asked = msgspec.convert(order, Order)
    try:
        return _made(asked)
    except _Damaged as damaged:
        return {"damaged": str(damaged)}


def _made(asked: Order) -> dict[str, Any]:
    remembered = msgspec.msgpack.decode(Path(asked.remembered).read_bytes(), type=dict[str, str])
    upstreams = [_Upstream(part) for part in asked.parts]
    decided = _decided(upstreams, remembered, is_complete=asked.is_complete)
    stem = _written(asked, upstreams, decided)
    return {
        "stem": stem, "names": len(decided.chosen), "learned": decided.learned, "held": decided.held,
        "rivals": decided.rivals,
    }  # fmt: skip


@dataclass(slots=True)
class _Decided:
    """Who has what."""

    #: name -> place of its owner among the upstreams, of the names that are shown in the subdir.
    chosen: dict[str, int] = field(default_factory=dict)
    #: name -> upstream, of the owners that are new.
    learned: dict[str, str] = field(default_factory=dict)
    #: Names that their owner has no more, and another upstream has.
    held: list[str] = field(default_factory=list)
    #: Names that an upstream before their owner has by now.
    rivals: list[str] = field(default_factory=list)


def _decided(upstreams: Sequence[_Upstream], remembered: Mapping[str, str], *, is_complete: bool) -> _Decided:
    decided = _Decided()
    by_id = {upstream.part.upstream: place for place, upstream in enumerate(upstreams)}
    for name in sorted(set().union(*(upstream.names for upstream in upstreams))):
        able = [place for place, upstream in enumerate(upstreams) if upstream.may_have(name)]
        having = [place for place in able if name in upstreams[place].names]
        owner = by_id.get(remembered.get(name, ""))
        if not having:
            continue
        if owner is None or owner not in able:
            owner = having[0]
            if is_complete or owner == able[0]:
                decided.learned[name] = upstreams[owner].part.upstream
        if owner not in having:
            decided.held.append(name)
        elif having[0] != owner:
            decided.rivals.append(name)
        if owner in having and upstreams[owner].has_here(name):
            decided.chosen[name] = owner
    return decided


def _held(upstreams: Sequence[_Upstream], decided: _Decided) -> dict[str, str]:
    """Return file -> why, of the files that the owners' upstreams hold and of names without their owner."""
    held: dict[str, str] = {}
    for place, upstream in enumerate(upstreams):
        for file, why in upstream.held.items():
            parsed = parse_file(file)
            if parsed is not None and decided.chosen.get(parsed.name, place) == place:
                held[file] = why
        for name in decided.held:
            if upstream.may_have(name):
                held |= dict.fromkeys(upstream.files_of(name), OWNER_GONE.format(name=name))
    return held


def _bases(upstreams: Sequence[_Upstream]) -> dict[int, str]:
    tops = {place: upstream.here.snapshot.top for place, upstream in enumerate(upstreams) if upstream.here}
    return {place: top.bases[0] for place, top in tops.items() if 0 in top.bases}


def _written(order: Order, upstreams: Sequence[_Upstream], decided: _Decided) -> str:
    folder = Path(order.folder)
    folder.mkdir(parents=True, exist_ok=True)
    records, shards = folder / f".{order.now_ms}.records", folder / f".{order.now_ms}.shards"
    with ExitStack() as stack:
        top = Top(order.subdir, held=_held(upstreams, decided), bases=_bases(upstreams))
        writer = PackWriter(stack.enter_context(records.open("wb", BUFFER_BYTES)), pack_top(top))
        packer = PackWriter(stack.enter_context(shards.open("wb", BUFFER_BYTES)), FORM.encode())
        for name, place in decided.chosen.items():
            here = upstreams[place].here
            assert here is not None
            writer.copy(here.snapshot.pack, name, source=bytes([place]))
            if name in here.shards.entries:
                packer.copy(here.shards, name)
        writer.finish()
        packer.finish()
    return publish(folder, records, shards, order)


def publish(folder: Path, records: Path, shards: Path, order: Order) -> str:
    """Give the files their names, the records last: they make the generation."""
    made = open_files(records, shards)
    if made.stem == order.previous:
        records.unlink()
        shards.unlink()
        return made.stem
    created_at = datetime.fromtimestamp(order.now_ms / 1000, UTC).isoformat()
    write_index(index_path(folder, made.stem), index_of(made.shards, order.subdir, created_at))
    shards.rename(shards_path(folder, made.stem))
    records.rename(records_path(folder, made.stem))
    if order.previous is not None:
        _keep_superseded(folder, order.previous, made.shards, order.now_ms)
    prune_superseded(folder, order.now_ms)
    sweep_generations(folder, made.stem, order.previous)
    return made.stem


def _keep_superseded(folder: Path, previous: str, shards: Pack, now_ms: int) -> None:
    try:
        before: Generation = open_generation(folder, previous)
    except (OSError, BadPack):
        return
    write_superseded(folder, before.shards, shards, now_ms)
