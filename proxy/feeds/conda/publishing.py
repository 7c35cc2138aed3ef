"""The last step of a generation: its drafted files get their names (proxy.feeds.conda.draft says how they are written).

The shard index first, the records last: they make the generation. Shards that it replaces are kept for clients with
yesterday's index.
"""

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from proxy.conda.pack import BadPack
from proxy.conda.shard_render import index_of
from proxy.feeds.conda.draft import Draft
from proxy.feeds.conda.packs import (
    Generation,
    index_path,
    open_files,
    open_generation,
    records_path,
    shards_path,
    sizes_path,
    write_index,
)
from proxy.feeds.conda.superseded import merge_superseded, prune_superseded, write_superseded


def publish(
    draft: Draft,
    folder: Path,
    now_ms: int,
    previous: Generation | None,
    others: Iterable[tuple[str, str]] = (),
) -> str:
    """Publish a finished draft and return its stem; one that says what `previous` says is dropped. Blocks.

    `others` are generations (folder, stem) elsewhere whose shards clients may still ask for here.
    """
    made = open_files(*draft.paths)
    stem = made.stem
    if previous is not None and _is_same(previous, made):
        draft.drop()
        return previous.stem
    created_at = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat()
    write_index(index_path(folder, stem), index_of(made.shards, made.snapshot.top.subdir, created_at))
    sizes_path(folder, stem).write_bytes(msgspec.json.encode(made.sizes))
    draft.paths[1].rename(shards_path(folder, stem))
    draft.paths[0].rename(records_path(folder, stem))
    if previous is not None:
        write_superseded(folder, previous.shards, made.shards, now_ms)
    for number, (other, its_stem) in enumerate(others, 1):
        with contextlib.suppress(OSError, BadPack):
            former = open_generation(Path(other), its_stem)
            write_superseded(folder, former.shards, made.shards, now_ms + number)
    prune_superseded(folder, now_ms)
    merge_superseded(folder)
    return stem


def _is_same(previous: Generation, made: Generation) -> bool:
    """Tell whether they say the same; where it lies in their files may differ."""
    if previous.snapshot.top != made.snapshot.top or len(previous.snapshot) != len(made.snapshot):
        return False
    before, after = previous.snapshot.pack.entries, made.snapshot.pack.entries
    return all(
        (known := before.get(name)) is not None
        and (known.digest, known.source) == (entry.digest, entry.source)
        for name, entry in after.items()
    )
