"""What the store tells about itself."""

from collections.abc import Callable
from dataclasses import dataclass

from proxy.model.digest import Sha256

#: Told of work that goes on: how many blobs, and how many bytes.
Told = Callable[[int, int], None]


def nothing_told(blobs: int, total_bytes: int) -> None:
    """Nobody asks how far it is."""


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
