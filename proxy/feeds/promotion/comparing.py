"""What drift and withdrawal ask of a kind: how approvals differ from what their source offers by now.

One object for each kind, as `selecting.Selecting`. The comparison is with what the source's origin lists, whatever the
source's policy shows of it. `Refreshes` is how a kind tells that a name of a feed was read anew.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from proxy.model.approval import Approval, Drift

Refreshed = Callable[[str, str], None]


class Comparing(Protocol):
    """One kind."""

    async def compare(
        self, source: str, name: str, approvals: Sequence[Approval], now_ms: int
    ) -> Mapping[str, Drift | None]:
        """Return for each approval's id how it differs, None where it does not.

        What cannot be told now is left out. Raises Problem where the source does not answer.
        """
        ...


class Refreshes:
    """Tells whoever listens that what a feed offers under a name was read anew. Cheap where nobody does."""

    def __init__(self) -> None:
        self._listener: Refreshed | None = None

    def listen(self, listener: Refreshed | None) -> None:
        self._listener = listener

    def tell(self, feed: str, name: str) -> None:
        if self._listener is not None:
            self._listener(feed, name)


def is_same(one: Drift | None, other: Drift | None) -> bool:
    """Tell whether two looks at an approval found the same, whenever they were."""
    if one is None or other is None:
        return one is other
    return (one.kind, one.sha256, one.record) == (other.kind, other.sha256, other.record)
