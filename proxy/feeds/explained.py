"""What explain reads: every artifact of a name as its feed's views judge it, with the facts that were judged.

A kind of feed fills it from the same views as its index forms and its gate. It holds everything, digests and sizes of
hidden files included; who tells it to people tells `proxy.policy.facts.told` of the facts and nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from proxy.model.sights import Change
from proxy.model.verdict import Verdict
from proxy.policy.facts import Facts


class ArtifactExplained(NamedTuple):
    """One file. `artifact` is conda's `subdir/file`, PyPI's file name."""

    artifact: str
    #: What is decided, ALLOWED for what simply is there.
    verdict: Verdict
    #: None where the feed has no record of the file (any more): one that drifted.
    facts: Facts | None = None
    #: What each rule of the feed's policy says of it (`Judge.findings`); the first that blocks decides.
    findings: Sequence[Verdict] = ()
    #: Who approved it, in a curated feed.
    approvers: Sequence[str] = ()
    #: What changed about it at its origin, where that is held.
    change: Change | None = None
    #: Whether it goes on being served as it was seen first.
    is_served: bool = False


@dataclass(frozen=True, slots=True)
class NameExplained:
    """A name. `policy` is the feed's own, `verdict` that on the whole name where all of it is hidden."""

    feed: str
    name: str
    upstream: str
    artifacts: Sequence[ArtifactExplained]
    policy: str | None = None
    verdict: Verdict | None = None
    #: When something of this may change by itself.
    until: datetime | None = None
