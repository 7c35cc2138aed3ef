"""A trial: a draft of a policy judged over what a feed has now. Nothing changes.

A kind of feed counts what it holds: conda its whole catalog, PyPI the projects that somebody has asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from proxy.policy.judged import Judged
from proxy.policy.settings import Policy

#: So many names are told; the rest are counted.
MOST_LOST = 1000


class RuleCount(msgspec.Struct, frozen=True, kw_only=True):
    """So many files got this outcome by this rule; `files` that no rule speaks of are `allow` by `open`."""

    rule: str
    outcome: str
    files: int


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What a draft makes of a feed."""

    feed: str
    policy: str
    #: What was judged, in words.
    scope: str
    names: int
    files: int
    shown: int
    counts: list[RuleCount]
    #: Names of which nothing would be shown; `lost_names` has the first thousand of them, in order.
    lost: int
    lost_names: list[str]
    #: What is legal in the draft and hardly meant.
    warnings: list[str] = []


@dataclass(slots=True)
class Tallied:
    """Files counted by "outcome rule", and names by whether anything of them is shown."""

    counts: dict[str, int] = field(default_factory=dict)
    shown_of: dict[str, int] = field(default_factory=dict)
    shown: int = 0

    def add(self, name: str, counts: Mapping[str, int], shown: int) -> None:
        """Count some files of a name."""
        for key, count in counts.items():
            self.counts[key] = self.counts.get(key, 0) + count
        self.shown_of[name] = self.shown_of.get(name, 0) + shown
        self.shown += shown

    def judged(self, judged: Judged) -> None:
        """Count what was judged."""
        counts: dict[str, int] = {}
        for verdict in judged.verdicts:
            key = f"{verdict.outcome.value} {verdict.rule}"
            counts[key] = counts.get(key, 0) + 1
        self.add(judged.name, counts, sum(verdict.is_visible for verdict in judged.verdicts))

    @property
    def lost(self) -> Sequence[str]:
        """The names of which nothing is shown."""
        return sorted(name for name, shown in self.shown_of.items() if not shown)


def enforced(policy: Policy) -> Policy:
    """Return the policy as if it were enforced: what an audit would only log is what a trial is to tell."""
    return replace(policy, mode="enforce")


def trial(feed: str, policy: str, scope: str, tallied: Tallied) -> Trial:
    """Return what is told of what was counted, the most frequent verdicts first."""
    ranked = sorted(tallied.counts.items(), key=lambda each: (-each[1], each[0]))
    counts = [
        RuleCount(rule=rule, outcome=outcome, files=files)
        for key, files in ranked
        for outcome, _, rule in (key.partition(" "),)
    ]
    lost = tallied.lost
    return Trial(
        feed=feed, policy=policy, scope=scope, names=len(tallied.shown_of), files=sum(tallied.counts.values()),
        shown=tallied.shown, counts=counts, lost=len(lost), lost_names=list(lost[:MOST_LOST]),
    )  # fmt: skip
