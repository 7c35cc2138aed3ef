"""The view: what a feed shows under one name, and why the rest is hidden.

Every index form and the download gate read the same view (design, section 2); an artifact may be downloaded if
and only if it is among `kept`. Views are values: built once from a shard, shared by everybody who asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.verdict import Verdict

Listing = TypeVar("Listing")
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class View(Generic[Listing, Record]):
    """One name in one feed. `listing` holds the kept records as the ecosystem's renderers want them."""

    feed: str
    name: str
    upstream: str
    shard: Sha256
    listing: Listing
    #: feed path -> record, of what is kept.
    kept: Mapping[str, Record]
    #: feed path -> why it is hidden.
    hidden: Mapping[str, Verdict] = field(default_factory=dict)
    #: Set when the whole name is hidden.
    verdict: Verdict | None = None

    @property
    def key(self) -> str:
        """What documents rendered from this view are stored under, with their form."""
        return f"{self.shard}"


def gate(view: View[Listing, Record], path: str) -> Record | None:
    """Return the record behind a feed path if it may be downloaded, None if the view does not know the path.

    The one gate (design, law 3). Raises Problem when the path is known and hidden; the problem tells neither
    digest nor size.
    """
    record = view.kept.get(path)
    if record is not None:
        return record
    verdict = view.verdict or view.hidden.get(path)
    if verdict is None:
        return None
    raise refusal(view.feed, path.rpartition("/")[2], verdict)


def refusal(feed: str, artifact: str, verdict: Verdict) -> Problem:
    """Return the problem that a hidden name or artifact is answered with."""
    return Problem(
        verdict.word, verdict.reason, feed=feed, artifact=artifact, rule=verdict.rule,
        until=verdict.until.isoformat() if verdict.until is not None else None,
    )  # fmt: skip
