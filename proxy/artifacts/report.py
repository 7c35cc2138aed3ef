"""What the store tells about itself."""

from dataclasses import dataclass

from proxy.model.digest import Sha256


@dataclass(frozen=True, slots=True)
class StoreStats:
    """The store now. `degraded` says why nothing is written, or None."""

    blobs: int
    total_bytes: int
    max_bytes: int
    memory_bytes: int
    is_scanned: bool
    degraded: str | None
    damaged: int
    evicted: int
    write_failures: int


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification of everything found."""

    checked: int
    total_bytes: int
    damaged: tuple[Sha256, ...] = ()
