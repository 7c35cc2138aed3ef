"""`yanked = "hide"`: what the origin has marked as withdrawn (PEP 592; conda's `revoked`) is not shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from proxy.model.verdict import Verdict
from proxy.policy.facts import Facts
from proxy.policy.rule import blocked

_IS: Callable[[Facts], bool] = attrgetter("is_yanked")
_HIDDEN = blocked("yanked", "it has been yanked at the origin")


@dataclass(frozen=True, slots=True)
class Yanked:
    """Blocks what is yanked."""

    name: str = "yanked"

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        return _HIDDEN if facts.is_yanked else None

    def is_silent(self, files: Sequence[Facts], tick_ms: int) -> bool:
        """Tell, cheaper than file by file, that it has nothing to say; False where that is not sure."""
        return not any(map(_IS, files))
