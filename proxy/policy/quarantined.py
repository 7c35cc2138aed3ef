"""`quarantined`: what the origin has put into quarantine (PEP 792) is not shown, unless the policy says "keep"."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from proxy.model.verdict import Verdict
from proxy.policy.facts import Facts
from proxy.policy.rule import blocked

_IS: Callable[[Facts], bool] = attrgetter("is_quarantined")
_HIDDEN = blocked("quarantined", "the origin has put it into quarantine", "quarantined")


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Blocks what is in quarantine."""

    name: str = "quarantined"

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        return _HIDDEN if facts.is_quarantined else None

    def is_silent(self, files: Sequence[Facts], tick_ms: int) -> bool:
        """Tell, cheaper than file by file, that it has nothing to say; False where that is not sure."""
        return not any(map(_IS, files))
