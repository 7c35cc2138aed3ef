"""`yanked = "hide"`: what the origin has marked as withdrawn (PEP 592; conda's `revoked`) is not shown."""

from dataclasses import dataclass

from proxy.model.verdict import Verdict
from proxy.policy.facts import Facts
from proxy.policy.rule import blocked

_HIDDEN = blocked("yanked", "it has been yanked at the origin")


@dataclass(frozen=True, slots=True)
class Yanked:
    """Blocks what is yanked."""

    name: str = "yanked"

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        return _HIDDEN if facts.is_yanked else None
