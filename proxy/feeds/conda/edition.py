"""Editions: what a feed shows in one subdir now, and what an upstream of it has there. Values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proxy.feeds.conda.lineage import NOWHERE, Lineage, Noted, noted
from proxy.feeds.conda.packs import Generation
from proxy.feeds.conda.ruling import Ruling
from proxy.feeds.keeper import How
from proxy.model.verdict import Outcome

_HIDING = frozenset({Outcome.HOLD.value, Outcome.BLOCK.value})


@dataclass(frozen=True, slots=True)
class HeldSubdir:
    """A catalog's answer; `generation` None: the upstream has no such subdir. Its files lie in `folder`."""

    generation: Generation | None
    folder: Path
    how: How
    age_s: float
    fresh_for_s: float
    lineage: Lineage = NOWHERE
    #: Set where the upstream is a feed of this server: what that feed shows.
    edition: "Edition | None" = None


@dataclass(frozen=True, slots=True)
class Edition:
    """What the feed shows in one subdir now."""

    subdir: str
    generation: Generation
    folder: Path
    #: Upstream ids by the place that a composed generation notes with its names; one for a generation as it came.
    upstreams: tuple[str, ...]
    how: How
    age_s: float
    fresh_for_s: float
    lineage: Lineage = NOWHERE
    #: What the upstreams have, by their places.
    below: tuple[HeldSubdir, ...] = ()
    #: The feed's policy, if the generation was judged by one.
    ruling: Ruling | None = None
    #: The first tick at which a verdict may change by itself.
    until_ms: int | None = None
    #: "outcome rule" -> files.
    counts: Mapping[str, int] = field(default_factory=dict)
    #: Whether it stands in for one that cannot be made: it may list what is hidden by now, which the gate refuses.
    is_behind: bool = False

    @property
    def hides(self) -> int:
        """How many files are hidden by policies, those of the feeds that it takes from included."""
        is_audit = self.ruling is not None and self.ruling.policy.mode == "audit"
        below = sum(held.edition.hides for held in self.below if held.edition is not None)
        return below + (0 if self.ruling is None or is_audit else hidden_files(self.counts))

    def upstream_of(self, name: str) -> str:
        """Return the id of the upstream that owns a name of the generation."""
        return self.upstreams[self.place_of(name)]

    def place_of(self, name: str) -> int:
        """Return the owner's place among the upstreams."""
        return 0 if len(self.upstreams) == 1 else self.generation.snapshot.pack.entries[name].source[0]

    def noted(self, name: str) -> Noted:
        """Return what a composed generation notes with a name."""
        return noted(self.generation.snapshot.pack.entries[name].source)


def hidden_files(counts: Mapping[str, int]) -> int:
    """Return how many files got a verdict that hides, by "outcome rule"."""
    return sum(count for key, count in counts.items() if key.partition(" ")[0] in _HIDING)
