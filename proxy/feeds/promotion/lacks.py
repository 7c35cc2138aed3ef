"""What approved packages need and a curated feed does not show: why an install fails although a file is approved."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from proxy.config.settings import Feed
from proxy.feeds.listing import Listing
from proxy.feeds.promotion.dependents import lacking
from proxy.feeds.promotion.depending import Depending
from proxy.model.problem import Problem
from proxy.policy.facts import Facts
from proxy.state.approvals import Approvals

#: So many files are looked at for one question.
MOST = 50
_NOTHING = frozenset({"unknown", "not-approved"})


class Lacks:
    """`kinds` go by a feed's kind."""

    def __init__(self, approvals: Approvals, kinds: Callable[[], Mapping[str, Depending]]) -> None:
        self._approvals = approvals
        self._kinds = kinds

    async def of(
        self, feed: Feed, listing: Listing, files: Iterable[tuple[str, str]]
    ) -> Mapping[str, list[str]]:
        """Return artifact -> the dependencies that nothing shown meets, of (name, artifact) in a curated feed.

        What cannot be told from what is held is left out.
        """
        if not feed.curated_from:
            return {}
        found = (self._approvals.of(feed.name, name).get(artifact) for name, artifact in files)
        approvals = [each for each in found if each is not None][:MOST]
        kind = self._kinds()[feed.kind]
        needers = (await kind.needed(feed.name, approvals)).needers
        names = {need.name for each in needers for need in each.needs}
        shown: dict[str, Sequence[Facts]] = {}
        unknown: set[str] = set()
        for name in sorted(names):
            try:
                shown[name] = await self._shown(kind, feed, listing, name)
            except Problem as problem:
                if problem.word not in _NOTHING:
                    unknown.add(name)
        return {each.facts.artifact: texts for each in needers if (texts := lacking(each, shown, unknown))}

    async def _shown(self, kind: Depending, feed: Feed, listing: Listing, name: str) -> list[Facts]:
        approved = self._approvals.of(feed.name, name)
        if not approved:
            return []
        explained = await listing.explained(name, offline=True)
        return [
            kind.facts(approved[each.artifact])
            for each in explained.artifacts
            if each.verdict.is_visible and each.artifact in approved
        ]
