"""A listing of facts that a policy judges: what explain reads, without a server."""

from collections.abc import Mapping, Sequence

from proxy.feeds.explained import ArtifactExplained, NameExplained
from proxy.feeds.listing import Ask, NameItem, NamePage, Package
from proxy.feeds.trial import Trial
from proxy.model.problem import Problem
from proxy.policy.facts import Facts
from proxy.policy.judge import Judge
from proxy.policy.settings import Kind, Policy
from tests.policy.made import NOW


class JudgedListing:
    """The files of some names, as a feed with a policy has them."""

    def __init__(self, kind: Kind, policy: Policy, facts: Sequence[Facts]) -> None:
        self._judge = Judge(policy, kind)
        self._facts: dict[str, list[Facts]] = {}
        for each in facts:
            self._facts.setdefault(each.name, []).append(each)
        #: name -> what is raised instead.
        self.troubles: Mapping[str, Problem] = {}

    async def explained(self, name: str, *, offline: bool = False) -> NameExplained:
        if name in self.troubles:
            raise self.troubles[name]
        if name not in self._facts:
            raise Problem("unknown", f"this feed has no project {name}", feed="team", artifact=name)
        tick = self._judge.tick_of(NOW)
        judged = self._judge.judge(name, self._facts[name], tick)
        found = [
            ArtifactExplained(facts.artifact, verdict, facts, self._judge.findings(facts, tick))
            for facts, verdict in zip(judged.facts, judged.verdicts, strict=True)
        ]
        return NameExplained("team", name, "up", found, self._judge.policy.name, judged.whole, judged.until)

    async def names(self, ask: Ask) -> NamePage:
        names = sorted(name for name in self._facts if ask.q in name and name > (ask.after or ""))
        return NamePage(items=[NameItem(name=name) for name in names])

    async def package(self, name: str) -> Package:
        raise NotImplementedError

    async def trial(self, policy: Policy) -> Trial:
        raise NotImplementedError

    def is_name(self, text: str) -> bool:
        return bool(text)

    def under_way(self) -> Sequence[str]:
        return ()

    def notes(self) -> Sequence[str]:
        return ()

    def notes_of(self, name: str) -> Sequence[str]:
        return ()

    def count(self) -> int | None:
        return len(self._facts)
