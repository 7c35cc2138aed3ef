"""What a kind tells of its approvals: their facts, what a spec means of them, and what they need.

One object for each kind (`feeds/pypi/depending.py`, `feeds/conda/depending.py`). It only reads, and asks no origin for
more than a small document: what is not held, and cannot be told from less, is told as unread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.feeds.promotion.dependents import Meaning, Needer
from proxy.model.approval import Approval
from proxy.policy.facts import Facts


@dataclass(frozen=True, slots=True)
class Needed:
    """What approvals need; `unread` are the artifacts of which that could not be found out."""

    needers: Sequence[Needer]
    unread: Sequence[str] = ()


class Depending(Protocol):
    """One kind."""

    def meaning(self, spec: str) -> Meaning:
        """Return what tells whether a spec means a file. Raises ValueError with what is wrong with it. Blocks."""
        ...

    def facts(self, approval: Approval) -> Facts:
        """Return what rules may ask of an approved file. Blocks."""
        ...

    async def needed(self, feed: str, approvals: Sequence[Approval]) -> Needed:
        """Return what approvals of a feed need."""
        ...
