"""What a feed has, told to people and programs: names with counts, and every artifact of a name with its verdict.

Each kind reads its views, like every index form and the gate, so that a listing can neither show more nor hide
less. A hidden artifact is told without its digest and size (contract, section 3). Lists are walked by name: a page
costs the names on it, never the size of the feed. The structs are the management API's answers as they stand.
"""

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType

from proxy.feeds.explained import NameExplained
from proxy.feeds.trial import Trial
from proxy.model.clock import stamp
from proxy.model.sights import Change
from proxy.model.verdict import ALLOWED, Outcome, Verdict
from proxy.policy.settings import Policy

_LAST_MS = 253_402_300_799_999


class State(StrEnum):
    """Which names are asked for: those with an artifact that is shown, with one that is hidden, or approved."""

    ALLOWED = "allowed"
    HIDDEN = "hidden"
    #: Those with an active approval, whatever a policy hides of them; an open feed has none.
    APPROVED = "approved"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One page of names: those that contain `q`, nearest first (`nearness`), after the name `after`."""

    limit: int
    q: str = ""
    state: State | None = None
    after: str | None = None


class NameItem(msgspec.Struct, frozen=True, kw_only=True):
    """A name. The counts are null where nobody has asked for the name yet, so that only the origin knows them."""

    name: str
    #: Different versions among the files that are shown.
    versions: int | None = None
    #: Files that are shown, and files that are hidden.
    files: int | None = None
    hidden: int | None = None


class NamePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some names; `next` is the cursor of the following page, null at the end."""

    items: list[NameItem]
    next: str | None = None


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict: `allow`, `warn`, `hold` or `block`, the rule that decided, why, and until when (null: for good)."""

    outcome: str
    rule: str
    reason: str
    until: str | None = None


class ChangeItem(msgspec.Struct, frozen=True, kw_only=True):
    """What changed about a file at its origin; it is held until somebody accepts it.

    Digests are SHA-256 in hex, others "algorithm:hex". Null: not known, or, of a hidden file, not told to who may not
    manage the feed. `since` is when this server was told first.
    """

    before: str | None
    after: str | None
    since: str | None
    #: Whether it goes on being served as it was seen first; otherwise it is hidden.
    is_served: bool


class ArtifactItem(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `artifact` is what other calls take: conda `subdir/file`, PyPI the file's name."""

    artifact: str
    filename: str
    #: Where it downloads, below the feed's own address.
    path: str
    version: str | None
    verdict: Judged
    #: Only conda has these two.
    subdir: str | UnsetType = UNSET
    build: str | UnsetType = UNSET
    #: Absent for a hidden file; null where the origin does not tell.
    size: int | UnsetType | None = UNSET
    sha256: str | UnsetType | None = UNSET
    #: PyPI: when it was uploaded; conda: when it was built.
    uploaded_at: str | None = None
    #: True, or the reason. conda: revoked.
    yanked: bool | str = False
    #: Only where the origin has changed it: `after` is what `accept` takes.
    change: ChangeItem | UnsetType = UNSET


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A name with every artifact of it; `verdict` is set where the whole name is hidden."""

    feed: str
    name: str
    versions: int
    files: int
    hidden: int
    items: list[ArtifactItem]
    verdict: Judged | None = None
    next: str | None = None


class Listing(Protocol):
    """One feed's names, whatever its kind."""

    async def names(self, ask: Ask) -> NamePage:
        """Return a page of names. Raises Problem."""
        ...

    async def package(self, name: str) -> Package:
        """Return a name with its artifacts. Raises Problem: unknown, or the origin's trouble."""
        ...

    async def explained(self, name: str, *, offline: bool = False) -> NameExplained:
        """Return every artifact of a name, hidden ones too, with what every rule says of it.

        `offline`: no origin is asked about the name.
        Raises Problem like `package`: unknown, a held owner, or the origin's trouble.
        """
        ...

    async def trial(self, policy: Policy) -> Trial:
        """Judge what the feed has by a draft, in place of its own policy. Raises Problem."""
        ...

    def is_name(self, text: str) -> bool:
        """Tell whether the text can be a name of this kind."""
        ...

    def notes(self) -> Sequence[str]:
        """Return what of the feed goes on working only in part, one line each: what, since when and why."""
        ...

    def under_way(self) -> Sequence[str]:
        """Return what is being fetched or taken in for the feed now, one line each, for whoever waits for it."""
        ...

    def notes_of(self, name: str) -> Sequence[str]:
        """Return those of the notes that concern a name, its normal spelling or any other."""
        ...

    def count(self) -> int | None:
        """Return how many names the feed is known to have, None where that is not known. Asks nothing."""
        ...


After = Callable[[str | None, int], Awaitable[Sequence[str]]]
Describe = Callable[[Sequence[str]], Awaitable[Sequence[NameItem]]]


async def page(ask: Ask, after: After, describe: Describe) -> NamePage:
    """Walk names until the page is full. `after(name, count)` gives the next candidates, none at the end."""
    items: list[NameItem] = []
    place = ask.after
    # One more than is shown tells whether there is a next page.
    while len(items) <= ask.limit:
        names = await after(place, ask.limit + 1 - len(items))
        if not names:
            break
        items += [item for item in await describe(names) if _is_asked(item, ask.state)]
        place = names[-1]
    has_more = len(items) > ask.limit
    return NamePage(items=items[: ask.limit], next=items[ask.limit - 1].name if has_more else None)


def nearness(q: str, name: str) -> tuple[int, str]:
    """Return what names that contain `q` are sorted by: the very name, those that begin with it, the others."""
    return (0 if name == q else 1 if name.startswith(q) else 2), name


def nearest(q: str, names: Iterable[str]) -> list[str]:
    """Return the names that contain `q`, nearest first. They come in the order of the alphabet."""
    if not q:
        return list(names)
    found = [name for name in names if q in name]
    exact = [name for name in found if name == q]
    longer = [name for name in found if name != q and name.startswith(q)]
    return [*exact, *longer, *(name for name in found if not name.startswith(q))]


def following(q: str, names: Sequence[str], after: str | None, count: int) -> Sequence[str]:
    """Return the next of `nearest` names."""
    start = 0 if after is None else bisect_right(names, nearness(q, after), key=partial(nearness, q))
    return names[start : start + count]


def _is_asked(item: NameItem, state: State | None) -> bool:
    match state:
        case None:
            return item.files is None or bool(item.files or item.hidden)
        case State.ALLOWED:
            return item.files is None or item.files > 0
        case State.HIDDEN:
            return bool(item.hidden)
        case State.APPROVED:
            return True


def judged(verdict: Verdict = ALLOWED) -> Judged:
    """Return a verdict as it is told. What audit mode does not hide is told as a warning."""
    until = stamp(verdict.until) if verdict.until is not None else None
    outcome, reason = verdict.outcome, verdict.reason
    if verdict.is_visible and outcome in (Outcome.HOLD, Outcome.BLOCK):
        done = "held" if outcome is Outcome.HOLD else "blocked"
        outcome, reason = Outcome.WARN, f"it would be {done}, but the policy only audits: {reason}"
    return Judged(outcome=outcome.value, rule=verdict.rule, reason=reason, until=until)


def with_change(item: ArtifactItem, change: Change | None, *, is_served: bool) -> ArtifactItem:
    """Return the item with what changed about its file."""
    if change is None:
        return item
    return msgspec.structs.replace(item, change=change_item(change, is_served=is_served))


def change_item(change: Change, *, is_served: bool) -> ChangeItem:
    return ChangeItem(
        before=change.before, after=change.after, since=moment(change.since_ms), is_served=is_served
    )


def for_readers(change: ChangeItem | UnsetType) -> ChangeItem | UnsetType:
    """Return a change as it is told to who may only read the feed: of a hidden file no digest (contract, section 3)."""
    if isinstance(change, UnsetType) or change.is_served:
        return change
    return msgspec.structs.replace(change, before=None, after=None)


def moment(milliseconds: int | None) -> str | None:
    """Return a time as it is told; None for one that no calendar has."""
    if milliseconds is None or not 0 < milliseconds <= _LAST_MS:
        return None
    at = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
    precision = "milliseconds" if at.microsecond else "seconds"
    return at.isoformat(timespec=precision).replace("+00:00", "Z")
