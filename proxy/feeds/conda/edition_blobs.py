"""What of an edition is served as it lies in its files: a shard, and the shard index."""

import hashlib

from proxy.artifacts.blob import Blob
from proxy.feeds.conda.edition import Edition
from proxy.feeds.conda.packs import index_path, read_index
from proxy.model.digest import Sha256


def shard_in(edition: Edition, digest: Sha256) -> bytes | None:
    """Return a shard of the edition's generation, None where it has no such. Blocks. Raises BadPack."""
    name = edition.generation.by_digest.get(digest)
    return edition.generation.shards.parts(name)[0] if name is not None else None


def index_of(edition: Edition) -> Blob:
    """Return the edition's shard index. Blocks."""
    path = index_path(edition.folder, edition.generation.stem)
    body = read_index(edition.generation, path)
    return Blob(Sha256(hashlib.sha256(body).hexdigest()), len(body), path, body)
