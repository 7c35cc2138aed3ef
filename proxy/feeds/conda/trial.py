"""A draft of a policy judged over a conda feed's whole catalog, in a child; nothing is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from proxy.child.run import ChildFailed, run_in_child
from proxy.feeds.conda.edition import Edition, HeldSubdir
from proxy.feeds.conda.trial_job import Below, Order, Subdir
from proxy.feeds.trial import Tallied, Trial, trial
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.policy.settings import Policy
from proxy.policy.tick import tick_of


@dataclass(frozen=True, slots=True)
class CondaTrials:
    """Trials of conda feeds. `state` tells first sights."""

    state: Path
    clock: Clock

    async def run(self, feed: str, policy: Policy, editions: Sequence[Edition]) -> Trial:
        """Return what the policy would make of the records that the editions are made of. Raises Problem."""
        order = Order(
            policy=policy, tick_ms=tick_of("conda", self.clock.now()), state=str(self.state),
            subdirs=tuple(_subdir(edition) for edition in editions if edition.below),
        )  # fmt: skip
        told = {"order": msgspec.to_builtins(order)}
        try:
            made = await run_in_child("proxy.feeds.conda.trial_job:run", told, background=True)
        except ChildFailed as failed:
            detail = f"the draft could not be judged: {failed}"
            raise Problem("busy", detail, feed=feed, retry_after_s=30) from failed
        if "damaged" in made:
            raise Problem("busy", "the index changed meanwhile; ask again", feed=feed, retry_after_s=2)
        tallied = Tallied(made["counts"], made["shown_of"], made["shown"])
        subdirs = ", ".join(edition.subdir for edition in editions) or "no subdir"
        return trial(feed, policy.name, f"all that its channels have in {subdirs}", tallied)


def _subdir(edition: Edition) -> Subdir:
    place = str(edition.folder), edition.generation.stem
    return Subdir(edition.subdir, place, tuple(_below(each) for each in edition.below))


def _below(held: HeldSubdir) -> Below | None:
    if held.generation is None:
        return None
    return Below((str(held.folder), held.generation.stem), held.lineage)
