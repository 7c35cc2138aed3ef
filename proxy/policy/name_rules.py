"""Stage one on one name: the rules that have something to say there, in the contract's order, asked of each file.

Platforms first, then what is kept (Pythons, package lists), then what is removed (licences, block lists) unless
`allow` adds it back, then the rest. The first block decides. A hold or a warning is remembered while later rules are
asked, because a file that is blocked anyway must not be promised for Friday; of several the first is told. A rule that
raises blocks: whatever went wrong, the file is hidden, and the verdict says why (contract, section 4).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from proxy.model.verdict import ALLOWED, Outcome, Verdict
from proxy.policy.block import Allow
from proxy.policy.exemptions import Lifting, lifting
from proxy.policy.facts import Facts
from proxy.policy.licenses import NOT_KNOWN_YET
from proxy.policy.rule import Rule
from proxy.policy.wording import quoted

ERROR = "error"
#: So few files are judged one by one: below, asking rules whether they are silent costs more than it saves (measured).
_FEW = 8

_Asked = tuple[
    Callable[[Facts, int], Verdict | None],
    Callable[[Sequence[Facts], int], list[Verdict | None]] | None,
    Callable[[Sequence[Facts], int], bool] | None,
]


@dataclass(slots=True)
class NameRules:
    """The rules of a policy, narrowed to a name."""

    keeping: Sequence[Rule]
    removing: Sequence[Rule]
    adding_back: Allow | None
    remaining: Sequence[Rule]
    liftings: Sequence[Lifting]
    tick_ms: int
    #: Files whose licence should be looked up, because nothing else blocks them.
    wanted: list[Facts] = field(default_factory=list)
    #: The first moment at which an exemption that was used ends.
    exempted_until_ms: int | None = None
    #: All rules in their order, bound: what nearly every file passes through, so it costs as little as it can.
    judges: Sequence[Callable[[Facts, int], Verdict | None]] = ()
    #: The same with how each is asked of many files, and whether it has anything to say at all, where it can be.
    asked: Sequence[_Asked] = ()
    is_plain: bool = False

    def __post_init__(self) -> None:
        rules = [*self.keeping, *self.removing, *self.remaining]
        self.judges = [rule.judge for rule in rules]
        self.asked = [
            (rule.judge, getattr(rule, "judge_many", None), getattr(rule, "is_silent", None))
            for rule in rules
        ]
        self.is_plain = not self.liftings and self.adding_back is None

    def judge_all(self, files: Sequence[Facts]) -> list[Verdict]:
        """Return the verdicts of stage one: those of `judge`, rule by rule, which is quicker than file by file."""
        if len(files) < _FEW:
            return [self.judge(each) for each in files]
        wanted = len(self.wanted)
        verdicts, left, places = [ALLOWED] * len(files), files, list(range(len(files)))
        try:
            tick_ms = self.tick_ms
            for judge, judge_many, is_silent in self.asked:
                if not left:
                    break
                if is_silent is not None and is_silent(left, tick_ms):
                    continue
                found = judge_many(left, tick_ms) if judge_many else [judge(each, tick_ms) for each in left]
                if not any(found):
                    continue
                for place, each, verdict in zip(places, left, found, strict=True):
                    if verdict is not None:
                        is_last = self.is_plain and verdict.outcome is Outcome.BLOCK
                        verdicts[place] = verdict if is_last else self.judge(each)
                places = [place for place, verdict in zip(places, found, strict=True) if verdict is None]
                left = [each for each, verdict in zip(left, found, strict=True) if verdict is None]
        except Exception:  # noqa: BLE001 - a file for which a rule fails is told by `judge`, the others too
            del self.wanted[wanted:]
            return [self.judge(each) for each in files]
        return verdicts

    def judge(self, facts: Facts) -> Verdict:
        """Return the verdict of stage one."""
        try:
            tick_ms = self.tick_ms
            for judge in self.judges:
                verdict = judge(facts, tick_ms)
                if verdict is not None:
                    # Where nothing can lift it, the first block decides; most names are so.
                    return (
                        verdict if self.is_plain and verdict.outcome is Outcome.BLOCK else self._judge(facts)
                    )
            return ALLOWED
        except Exception as err:  # noqa: BLE001 - any failure whatever of a rule must hide (law 4, case D12)
            return Verdict(
                Outcome.BLOCK, ERROR, f"the policy cannot be evaluated: {quoted(str(err))}", "blocked"
            )

    def _judge(self, facts: Facts) -> Verdict:
        tick_ms, liftings = self.tick_ms, self.liftings
        lifted: Lifting | None = None
        added_back: Verdict | None = None
        softer: list[Verdict] = []
        for rules in (self.keeping, self.removing, self.remaining):
            for rule in rules:
                verdict = rule.judge(facts, tick_ms)
                if verdict is None:
                    continue
                if liftings and (found := self.lifting(rule.name, facts)) is not None:
                    lifted = found
                    continue
                if rules is self.removing and self.adding_back is not None:
                    added_back = added_back or self.adding_back.judge(facts, tick_ms)
                    if added_back is not None:
                        continue
                if verdict.outcome is Outcome.BLOCK:
                    return verdict
                softer.append(verdict)
        if softer:
            return self._softest(facts, softer)
        if lifted is not None:
            return Verdict(Outcome.ALLOW, "exemption", lifted.words, until=lifted.ends_at)
        return added_back or ALLOWED

    def _softest(self, facts: Facts, softer: list[Verdict]) -> Verdict:
        if NOT_KNOWN_YET in softer:
            self.wanted.append(facts)
        return next((verdict for verdict in softer if verdict.outcome is Outcome.HOLD), softer[0])

    def lifting(self, rule: str, facts: Facts) -> Lifting | None:
        """Return the exemption that lifts a rule for a file, if there is one, and remember when it ends."""
        found = lifting(self.liftings, rule, facts) if self.liftings else None
        if found is not None:
            ends = found.ends_ms
            self.exempted_until_ms = (
                ends if self.exempted_until_ms is None else min(ends, self.exempted_until_ms)
            )
        return found

    def findings(self, facts: Facts) -> Iterator[Verdict]:
        """Yield what every rule has to say of a file, whoever decides; an exemption and `allow` speak too."""
        for rule in (*self.keeping, *self.removing, *self.remaining):
            verdict = self._asked(rule, facts)
            if verdict is None:
                continue
            yield verdict
            found = self.lifting(rule.name, facts)
            if found is not None:
                yield Verdict(Outcome.ALLOW, "exemption", found.words, until=found.ends_at)
            elif rule in self.removing and self.adding_back is not None:
                added = self._asked(self.adding_back, facts)
                if added is not None:
                    yield added

    def _asked(self, rule: Rule, facts: Facts) -> Verdict | None:
        try:
            return rule.judge(facts, self.tick_ms)
        except Exception as err:  # noqa: BLE001 - as in `judge`
            return failure(err)


def failure(err: Exception) -> Verdict:
    """Return the verdict on what could not be judged."""
    return Verdict(Outcome.BLOCK, ERROR, f"the policy cannot be evaluated: {quoted(str(err))}")
