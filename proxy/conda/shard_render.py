"""The shards of what is shown, as a pack, and their index.

Only names whose shown records are not those of the pack before are rendered. A name without records is left out.
"""

from collections.abc import Iterable

from proxy.conda.pack import Pack, digest_of
from proxy.conda.shard_pack import ShardPacker
from proxy.conda.shards import plain_shard_of, render_index
from proxy.conda.shown import Shown


def pack_shards(packer: ShardPacker, shown: Iterable[Shown]) -> bytes:
    """Write the shards of what is shown, given in ascending order of names; return the pack's digest."""
    for each in shown:
        if each.is_whole and packer.copy(each.name, each.snapshot.pack.entries[each.name].digest):
            continue
        block = each.block()
        digest = digest_of(block.parts())
        if not block.is_empty and not packer.copy(each.name, digest):
            packer.add(each.name, digest, plain_shard_of(block))
    return packer.finish()


def index_of(shards: Pack, subdir: str, created_at: str) -> bytes:
    """Return the served shard index of a shard pack."""
    return render_index(subdir, {name: entry.digest for name, entry in shards.entries.items()}, created_at)


def by_digest(shards: Pack) -> dict[str, str]:
    """Return hexadecimal digest -> name: how a request for a shard is answered."""
    return {entry.digest.hex(): name for name, entry in shards.entries.items()}
