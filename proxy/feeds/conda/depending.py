"""What approved conda packages need: `depends` of the pinned records. Virtual packages are the client's own."""

import asyncio
from collections.abc import Sequence

from proxy.conda.record import facts as record_facts
from proxy.feeds.conda.meaning import shown
from proxy.feeds.promotion.dependents import Meaning, Need, Needer
from proxy.feeds.promotion.depending import Needed
from proxy.model.approval import Approval
from proxy.policy.conda_version import BadVersion, parse_build_matcher, spec_parts
from proxy.policy.facts import Facts
from proxy.policy.spec import read_spec


class CondaDepending:
    """`promotion.depending.Depending`."""

    def meaning(self, spec: str) -> Meaning:
        return read_spec("conda", spec).matches

    def facts(self, approval: Approval) -> Facts:
        return shown(approval.artifact, record_facts(approval.record)).facts

    async def needed(self, feed: str, approvals: Sequence[Approval]) -> Needed:
        facts = await asyncio.to_thread(lambda: [self.facts(each) for each in approvals])
        # A record with more dependencies than may be read tells none of them.
        unread = [each.artifact for each in facts if each.depends is None]
        return Needed(
            await asyncio.to_thread(lambda: [Needer(each, needs_of(each)) for each in facts]), unread
        )


def needs_of(facts: Facts) -> list[Need]:
    """Return what a record depends on. Blocks: the first version that is read loads py-rattler."""
    needs = []
    for text in facts.depends or ():
        name, rest = spec_parts(text)
        if name and not name.startswith("__"):
            needs.append(Need(name, text, _fitting(rest)))
    return needs


def _fitting(rest: str) -> Meaning:
    if rest.strip() in ("", "*"):
        return lambda facts: True
    try:
        matcher = parse_build_matcher(rest)
    except BadVersion:
        # Nothing fits what cannot be read, before or after.
        return lambda facts: False
    return lambda facts: matcher.matches(facts.version or "", facts.build, facts.build_number)
