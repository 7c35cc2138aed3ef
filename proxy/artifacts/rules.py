"""How patient a fetch is; the defaults are the contract's and the reliability sheet's (A03, C03)."""

import random
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of one fetch."""

    #: After a body was cut, so often it is taken up again at the same source.
    resumes: int = 2
    #: The pause before the first of these, with jitter; each further one is twice as long.
    pause_s: float = 0.25
    #: With nobody left to read it, a fetch is given this long, ...
    grace_s: float = 5.0
    #: ... and then goes on all the same if it is that far, or that small in all.
    finish_share: float = 0.5
    finish_bytes: int = 64 * MIB
    #: Where neither the index nor the origin states a size, a body that is longer than this has no end. Public indexes
    #: take 100 MiB for a file unless asked for more, and those with larger ones state their sizes.
    endless_bytes: int = 128 * MIB

    def pause(self, cut: int) -> float:
        """Return the seconds to wait before taking up after that many cuts."""
        return self.pause_s * 2.0 ** (cut - 1) * random.uniform(0.5, 1.5)

    def is_worth_finishing(self, size: int, total: int | None) -> bool:
        """Tell whether an abandoned fetch with `size` bytes of `total` goes on."""
        return total is not None and (total <= self.finish_bytes or size >= total * self.finish_share)
