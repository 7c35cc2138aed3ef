"""`max_size`: what is larger is not shown. A size that the origin does not tell is a doubt,
and doubt hides (design, law 4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from proxy.model.verdict import Outcome, Verdict
from proxy.policy.facts import Facts
from proxy.policy.rule import blocked

_SIZE_OF: Callable[[Facts], Any] = attrgetter("size")
_NOT_TOLD = Verdict(Outcome.HOLD, "max_size", "its origin does not tell how large it is", "held")


@dataclass(frozen=True, slots=True)
class MaxSize:
    """Blocks what is larger than `limit_bytes`."""

    limit_bytes: int
    name: str = "max_size"

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        if facts.size is None:
            return _NOT_TOLD
        if facts.size <= self.limit_bytes:
            return None
        # The answer for a hidden file does not tell its size (contract, section 3).
        return blocked(self.name, f"it is larger than {bytes_in_words(self.limit_bytes)}")

    def is_silent(self, files: Sequence[Facts], tick_ms: int) -> bool:
        """Tell, cheaper than file by file, that it has nothing to say; False where that is not sure."""
        sizes = list(map(_SIZE_OF, files))
        return None not in sizes and max(sizes) <= self.limit_bytes


def bytes_in_words(size: int) -> str:
    """Return a size in the largest binary unit that divides it."""
    for unit, factor in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"
