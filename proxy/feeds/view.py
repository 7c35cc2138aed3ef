"""The view: what a feed shows under one name, and why the rest is hidden.

Every index form and the download gate read the same view (design, section 2); an artifact may be downloaded if
and only if it is among `kept`. Views are values: built once from a shard, shared by everybody who asks. With a
policy a view is of one tick, and good until a tick that may change it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, TypeVar
from urllib.parse import quote

from proxy.model.clock import moment_in_words, stamp
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.sights import Change
from proxy.model.verdict import ALLOWED, Outcome, Verdict

#: The rules that hide without any policy; every other rule is a policy's.
WITHOUT_POLICY = frozenset({"drift", "quarantine", "owner", "approval", "record", "removed"})

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
    #: feed path -> verdict, of what is kept with a warning, or only because the policy audits.
    noted: Mapping[str, Verdict] = field(default_factory=dict)
    #: feed path -> what changed about the file at its origin. It is shown as it was seen first, or hidden.
    changes: Mapping[str, Change] = field(default_factory=dict)
    #: The name of the feed's policy.
    policy: str | None = None
    #: The tick at which a verdict may change by itself.
    until: datetime | None = None
    #: The tick that the verdicts are of.
    since: datetime | None = None
    #: What decides beside the shard what is shown: the policy's fingerprint, and a digest of what it hides.
    state: str = ""
    #: feed path -> record, of what the origin has taken out of its index: no index form lists it as a package, conda's
    #: name it under `removed`, and who asks for it by name gets it (conda fact sheet, 6 and 10).
    removed: Mapping[str, Record] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What documents rendered from this view are stored under, with their form."""
        return f"{self.shard}-{self.state}" if self.state else f"{self.shard}"

    def is_of(self, now: datetime) -> bool:
        """Tell whether the verdicts are those of this time."""
        is_early = self.since is not None and now < self.since
        return not is_early and (self.until is None or now < self.until)


def told_verdict(view: View[Listing, Record], path: str, otherwise: Verdict = ALLOWED) -> Verdict:
    """Return what people are told of a file: of one that is shown as it was seen first, that its change is held."""
    verdict = view.hidden.get(path) or view.noted.get(path)
    if path in view.kept and (change := view.changes.get(path)) is not None:
        return held_change(change)
    return verdict or otherwise


def listed_paths(view: View[Listing, Record]) -> list[str]:
    """Return the paths that people are told of, each file once: of one that is shown as it was seen first not the new.

    That one's link may be another (PyPI); it is hidden, and told of with the first.
    """
    shown = {path.rpartition("/")[2] for path in view.changes if path in view.kept}
    hidden = (
        path for path in view.hidden if path not in view.changes or path.rpartition("/")[2] not in shown
    )
    return [*view.kept, *hidden]


def held_change(change: Change) -> Verdict:
    """Return the verdict on the change of a file that goes on as it was seen first."""
    since = f" since {_day(change.since_ms)}" if change.since_ms is not None else ""
    reason = (
        f"changed: its bytes are others at the origin{since}; it goes on being served as it was seen first until "
        "somebody accepts the change"
    )
    return Verdict(Outcome.HOLD, "drift", reason, "held")


def _day(moment_ms: int) -> str:
    return f"{datetime.fromtimestamp(moment_ms / 1000, UTC):%Y-%m-%d}"


def gate(view: View[Listing, Record], path: str, thing: str | None = None) -> Record | None:
    """Return the record behind a feed path if it may be downloaded, None if the view does not know the path.

    `thing` is what the problem and explain call the file, if not by the path's last part (conda: `subdir/file`).
    The one gate (design, law 3). Raises Problem when the path is known and hidden; the problem tells neither
    digest nor size.
    """
    record = view.kept.get(path) or view.removed.get(path)
    if record is not None:
        return record
    verdict = view.hidden.get(path) or view.verdict
    if verdict is None:
        return None
    raise refusal(view.feed, thing or path.rpartition("/")[2], verdict, view.policy, name=view.name)


def refusal(
    feed: str, artifact: str, verdict: Verdict, policy: str | None = None, query: str | None = None,
    name: str | None = None,
) -> Problem:  # fmt: skip
    """Return the problem that a hidden artifact, or a name of which everything is hidden, is answered with.

    `policy` is the feed's own; a verdict of another feed's names that one itself, which the door tells only to those
    who may read it (`web/disclosure.py`). `query` is what explain is asked, `name` whose artifact it is.
    """
    decided_by = policy_of(verdict, policy)
    return Problem(
        verdict.word, _detail(verdict, decided_by), feed=feed, artifact=artifact, policy=decided_by,
        plain=_detail(verdict, decided_by, is_named=False),
        rule=verdict.rule, until=stamp(verdict.until) if verdict.until is not None else None,
        name=name, reason=f"{verdict.reason}{_until(verdict)}",
        explain=f"/api/v1/feeds/{feed}/explain?{query or f'artifact={quote(artifact)}'}",
    )  # fmt: skip


def policy_of(verdict: Verdict, own: str | None) -> str | None:
    """Return the name of the policy that decided, None where it was none."""
    return None if verdict.rule in WITHOUT_POLICY else verdict.policy or own


def _detail(verdict: Verdict, policy: str | None, *, is_named: bool = True) -> str:
    """Return one line for a person: who decided (without the policy's name, where it is not to be told), why, and
    until when."""
    until = _until(verdict)
    if policy is None:
        return f"{verdict.reason}{until}"
    done = "held" if verdict.outcome is Outcome.HOLD else "blocked"
    where = f" of policy {policy}" if is_named else ""
    return f"{done} by {verdict.rule}{where}: {verdict.reason}{until}"


def _until(verdict: Verdict) -> str:
    return f", until {moment_in_words(verdict.until)}" if verdict.until is not None else ""
