"""What was judged: the verdicts on the files of one name, and when they change by themselves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from proxy.model.verdict import Outcome, Verdict
from proxy.policy.facts import Facts

_SEVERITY = {Outcome.ALLOW: 0, Outcome.WARN: 1, Outcome.HOLD: 2, Outcome.BLOCK: 3}


@dataclass(frozen=True, slots=True)
class Judged:
    """`verdicts` are in the order of `facts`. `until` is the first tick at which one of them may change."""

    name: str
    facts: Sequence[Facts]
    verdicts: Sequence[Verdict]
    until: datetime | None = None
    #: The files whose licence should be looked up, because it is what their verdicts wait for.
    wanted: Sequence[Facts] = ()

    @property
    def by_artifact(self) -> Mapping[str, Verdict]:
        """The verdicts by `subdir/file` (conda) or file name (PyPI)."""
        return {facts.artifact: verdict for facts, verdict in zip(self.facts, self.verdicts, strict=True)}

    @property
    def hidden(self) -> Mapping[str, Verdict]:
        """The verdicts of what is hidden."""
        return {
            facts.artifact: verdict
            for facts, verdict in zip(self.facts, self.verdicts, strict=True)
            if not verdict.is_visible
        }

    @property
    def whole(self) -> Verdict | None:
        """The verdict on the whole name where all of its files are hidden: the one that lets go first."""
        if not self.verdicts or any(verdict.is_visible for verdict in self.verdicts):
            return None
        return least_closed(self.verdicts)


def least_closed(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that lets go first, of one or more that hide."""
    return min(verdicts, key=_closedness)


def _closedness(verdict: Verdict) -> tuple[int, float]:
    """Sort verdicts by how closed they are; a hold without an end is more closed than one with one."""
    until = verdict.until.timestamp() if verdict.until is not None else float("inf")
    return _SEVERITY[verdict.outcome], until if verdict.outcome is Outcome.HOLD else 0.0


def one_verdict_for_twins(facts: Sequence[Facts], verdicts: list[Verdict]) -> None:
    """Give a `.conda` and a `.tar.bz2` of one stem the more closed of their verdicts: they are one package."""
    if len(set(map(id, verdicts))) < 2:
        return
    old = {each.file[:-8]: at for at, each in enumerate(facts) if each.file[-1:] == "2"}
    if not old or len(old) == len(facts):
        return
    if len({each.subdir for each in facts}) > 1:
        _over_subdirs(facts, verdicts)
        return
    for at, each in enumerate(facts):
        twin = old.get(each.file[:-6])
        if twin is not None and each.file.endswith(".conda"):
            verdicts[at] = verdicts[twin] = max(verdicts[at], verdicts[twin], key=_closedness)


def _over_subdirs(facts: Sequence[Facts], verdicts: list[Verdict]) -> None:
    """Treat each subdir by itself: files of one stem in two subdirs are two packages."""
    places: dict[str, list[int]] = {}
    for at, each in enumerate(facts):
        places.setdefault(each.subdir, []).append(at)
    for place in places.values():
        of_place = [verdicts[at] for at in place]
        one_verdict_for_twins([facts[at] for at in place], of_place)
        for at, verdict in zip(place, of_place, strict=True):
            verdicts[at] = verdict
