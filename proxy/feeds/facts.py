"""Facts about one cached response: what is needed to revalidate it and to tell how fresh it is.

They live in the notes (a cache: losing them costs a refetch); the shard they speak of is a blob.
"""

import msgspec

from proxy.model.digest import StoredSha256


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """One upstream's last word about one name. Times are UTC milliseconds."""

    checked_at_ms: int
    #: None: the origin has no such name.
    shard: StoredSha256 | None = None
    #: SHA-256 of the page's bytes, for origins that send no validator.
    body: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    serial: int | None = None
    is_complete: bool = True
    failures: int = 0
    failed_at_ms: int = 0
    #: The origin said that no cache for many may answer by itself (`no-store`, `private`): it is asked every time.
    is_for_one_only: bool = False
    #: The page lists nothing, so that it says as little of the name as none; None: a former version did not look.
    is_empty: bool | None = None

    @property
    def is_present(self) -> bool:
        return self.shard is not None

    def failed(self, now_ms: int) -> "Facts":
        """Return the facts after one more failed refresh."""
        return msgspec.structs.replace(self, failures=self.failures + 1, failed_at_ms=now_ms)

    def confirmed(self, at_ms: int) -> "Facts":
        """Return the facts after the origin confirmed them, by an answer of that time."""
        return msgspec.structs.replace(self, checked_at_ms=at_ms, failures=0, failed_at_ms=0)


_DECODER = msgspec.msgpack.Decoder(Facts)


def pack(facts: Facts) -> bytes:
    return msgspec.msgpack.encode(facts)


def unpack(data: bytes) -> Facts | None:
    """Return the facts, or None for bytes that are not facts (damage, another version): a refetch."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
