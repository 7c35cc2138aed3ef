"""`judge(facts of a name, tick) -> verdicts`: a policy compiled for feeds of one kind. Pure: no clock, no I/O.

The same facts, policy and tick give the same verdicts, in every process. The tick is rounded down here once more, so no
caller can end a hold early. Stage one judges each file, stage two counts the versions that stage one shows; the sets of
stage three (`closure`) are handed in. In audit mode the verdicts are the same and hide nothing.

A `Judge` remembers answers by the texts that they were asked for; it belongs to one thread.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter

from proxy.model.verdict import ALLOWED, Outcome, Verdict
from proxy.policy.facts import Facts, moment
from proxy.policy.judged import Judged, one_verdict_for_twins
from proxy.policy.keep_versions import KeepVersions
from proxy.policy.name_rules import NameRules, failure
from proxy.policy.only import Needed
from proxy.policy.rules import Rules, rules_of
from proxy.policy.settings import Kind, Policy
from proxy.policy.tick import TICK_MS, tick_at_or_after, tick_of

_UNTIL: Callable[[Verdict], datetime | None] = attrgetter("until")
_SHOWN = (Outcome.ALLOW, Outcome.WARN)


class Judge:
    """A policy for feeds of a kind. `needed` is what `include_dependencies` found; None: not worked out yet."""

    def __init__(self, policy: Policy, kind: Kind, needed: Needed | None = None) -> None:
        self.policy = policy
        self.kind = kind
        self._rules: Rules = rules_of(policy, kind, needed)
        keep = policy.keep_versions
        self._keep_versions = KeepVersions(kind, keep) if keep else None

    def tick_of(self, now: datetime) -> int:
        """Return the tick that a time belongs to, in UTC milliseconds."""
        return tick_of(self.kind, now)

    def judge(self, name: str, facts: Sequence[Facts], tick_ms: int) -> Judged:
        """Return the verdicts on all files of a name."""
        judging = self.start(name, tick_ms)
        judging.take(facts)
        return judging.end()

    def start(self, name: str, tick_ms: int) -> "Judging":
        """Return a judging of a name that takes its files in slices, for those who must not hold a loop."""
        tick_ms -= tick_ms % TICK_MS[self.kind]
        return Judging(self, name, self._rules.for_name(name, tick_ms), self._keep_versions)

    def judge_name(self, name: str, tick_ms: int) -> Verdict | None:
        """Return the verdict that all files of a name share without being asked, None where they must be asked.

        What a list of names is filtered by, and what saves asking the origin for a blocked name.
        """
        tick_ms -= tick_ms % TICK_MS[self.kind]
        verdict = self._rules.judge_name(name, tick_ms)
        return None if verdict is None else self.enforced(verdict)

    def findings(self, facts: Facts, tick_ms: int) -> tuple[Verdict, ...]:
        """Return what every rule of stage one says of a file: for explain."""
        tick_ms -= tick_ms % TICK_MS[self.kind]
        return tuple(self._rules.for_name(facts.name, tick_ms).findings(facts))

    def is_eligible(self, facts: Facts) -> bool:
        """Tell whether platforms and Pythons let a file in: what a closure of dependencies walks over."""
        try:
            return all(rule.judge(facts, 0) is None for rule in self._rules.eligibility)
        except Exception:  # noqa: BLE001 - as in stage one: any failure whatever hides, this file alone
            return False

    def enforced(self, verdict: Verdict) -> Verdict:
        """Return the verdict as the policy's mode has it."""
        is_audit = self.policy.mode == "audit" and not verdict.is_visible
        return replace(verdict, is_enforced=False) if is_audit else verdict


@dataclass(slots=True)
class Judging:
    """One name being judged. Take all of its files, then end."""

    judge: Judge
    name: str
    rules: NameRules
    keep_versions: KeepVersions | None
    _facts: list[Facts] = field(default_factory=list)
    _verdicts: list[Verdict] = field(default_factory=list)

    def take(self, facts: Sequence[Facts]) -> None:
        """Judge some more files of the name: stage one."""
        self._facts += facts
        self._verdicts += self.rules.judge_all(facts)

    def end(self) -> Judged:
        """Return the verdicts: stage two, and the moment at which they may change by themselves."""
        facts, verdicts = tuple(self._facts), self._verdicts
        if self.judge.kind == "conda":
            one_verdict_for_twins(facts, verdicts)
        wanted = self.rules.wanted
        if self.keep_versions is not None and facts:
            wanted = self._keep_newest(self.keep_versions, facts, verdicts)
        if self.judge.policy.mode == "audit":
            verdicts = [self.judge.enforced(verdict) for verdict in verdicts]
        return Judged(self.name, facts, tuple(verdicts), self._until(verdicts), tuple(wanted))

    def _keep_newest(
        self, rule: KeepVersions, facts: Sequence[Facts], verdicts: list[Verdict]
    ) -> list[Facts]:
        """Block the older versions; return the files whose licences are still worth looking up."""
        candidates = [
            each
            for each, verdict in zip(facts, verdicts, strict=True)
            if verdict is ALLOWED or verdict.outcome in _SHOWN
        ]
        if self.rules.liftings:
            candidates = [each for each in candidates if self.rules.lifting(rule.name, each) is None]
        wanted = self.rules.wanted
        try:
            older, verdict = rule.older(candidates), rule.verdict
            hopeless = rule.older([*candidates, *wanted]) if wanted else frozenset()
        except Exception as err:  # noqa: BLE001 - as in stage one: any failure whatever hides
            older, verdict = frozenset((each.subdir, each.version) for each in candidates), failure(err)
            hopeless = frozenset()
        if older:
            hidden = {each.artifact for each in candidates if (each.subdir, each.version) in older}
            verdicts[:] = [
                verdict if each.artifact in hidden else found
                for each, found in zip(facts, verdicts, strict=True)
            ]
        return [each for each in wanted if (each.subdir, each.version) not in hopeless]

    def _until(self, verdicts: Iterable[Verdict]) -> datetime | None:
        times = set(map(_UNTIL, verdicts))
        if self.rules.exempted_until_ms is not None:
            times.add(moment(tick_at_or_after(self.judge.kind, self.rules.exempted_until_ms)))
        return min((time for time in times if time is not None), default=None)
