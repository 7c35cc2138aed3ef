"""Verdicts: what is decided about one artifact, and why. Values only; rules make them, views keep them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """From the most open to the most closed."""

    ALLOW = "allow"
    WARN = "warn"
    HOLD = "hold"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision. `word` is the problem word that a direct request gets (proxy.model.problem.TABLE).

    `is_enforced` is False where a policy is in audit mode: the decision is counted and told, nothing is hidden.
    """

    outcome: Outcome
    rule: str
    reason: str
    word: str = "blocked"
    until: datetime | None = None
    is_enforced: bool = True
    #: The policy that decided, where it is not the feed's own: that of a feed of this server that it takes from.
    policy: str | None = None

    @property
    def is_visible(self) -> bool:
        return self.outcome in (Outcome.ALLOW, Outcome.WARN) or not self.is_enforced


ALLOWED = Verdict(Outcome.ALLOW, "open", "nothing forbids it")
