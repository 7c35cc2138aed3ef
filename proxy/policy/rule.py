"""What every rule is: a name, and a judgement of one file's facts.

A rule is made once from a policy (and a kind of feed); one that names packages is `narrowed` to each name, where it
mostly finds that it has nothing to say. That is why twenty rules over half a million records cost seconds. A rule
never looks at the clock: the tick is handed in. It may raise: whoever calls hides the file then (contract, section 4).
One that can tell at a glance that it has nothing to say of many files does so in `is_silent` (`NameRules.judge_all`).
"""

from typing import Protocol

from proxy.model.verdict import Outcome, Verdict
from proxy.policy.facts import Facts
from proxy.policy.settings import Leniency


class Rule(Protocol):
    """One key of a policy."""

    @property
    def name(self) -> str:
        """The key of the table, as verdicts and exemptions name it."""
        ...

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        """Return what the rule has to say against the file, or None."""
        ...


class ListRule(Rule, Protocol):
    """A rule that names packages, and so has nothing to say of most of them."""

    def narrowed(self, name: str) -> Rule | None:
        """Return the rule as it applies to the files of a name, or None where it never says anything there."""
        ...

    def judge_name(self, name: str) -> Verdict | None:
        """Return the verdict on every file of a name, None where the files must be asked."""
        ...


def blocked(rule: str, reason: str, word: str = "blocked") -> Verdict:
    """Return a block."""
    return Verdict(Outcome.BLOCK, rule, reason, word)


def by_leniency(leniency: Leniency, rule: str, reason: str) -> Verdict | None:
    """Return what a policy that says allow, warn, hold or block of something unknown makes of it."""
    if leniency == "allow":
        return None
    return Verdict(Outcome(leniency), rule, reason, "held" if leniency == "hold" else "blocked")
