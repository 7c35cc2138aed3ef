"""Small blobs in memory: least recently used out first, bounded by bytes. What is in here was verified."""

from collections import OrderedDict

from proxy.artifacts.blob import Blob
from proxy.model.digest import Sha256

#: Counted per blob besides its bytes: the objects around them.
OVERHEAD_BYTES = 512


class SmallBlobs:
    """Blobs that carry their bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._blobs: OrderedDict[Sha256, Blob] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def get(self, digest: Sha256) -> Blob | None:
        blob = self._blobs.get(digest)
        if blob is not None:
            self._blobs.move_to_end(digest)
        return blob

    def keep(self, blob: Blob) -> None:
        """Keep a blob with data, at the cost of those not asked for longest; a giant is not kept."""
        cost = blob.size + OVERHEAD_BYTES
        if blob.data is None or cost > self._max_bytes // 4:
            return
        self.drop(blob.digest)
        self._blobs[blob.digest] = blob
        self._bytes += cost
        while self._bytes > self._max_bytes:
            self.drop(next(iter(self._blobs)))

    def drop(self, digest: Sha256) -> None:
        blob = self._blobs.pop(digest, None)
        if blob is not None:
            self._bytes -= blob.size + OVERHEAD_BYTES
