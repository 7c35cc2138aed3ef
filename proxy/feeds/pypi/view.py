"""The view of a PyPI project: what a feed shows of a shard, judged by the feed's policy at a tick. Pure.

Hidden is what the shard hides already (drift, or a feed that is the upstream), what the origin has quarantined, and
what the policy hides. A policy in audit mode hides nothing of its own: what a feed without a policy hides stays so.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec

from proxy.feeds.explained import ArtifactExplained
from proxy.feeds.pypi.facts import facts_of
from proxy.feeds.pypi.shard import Shard
from proxy.feeds.view import View, listed_paths, told_verdict
from proxy.model.digest import Sha256
from proxy.model.sights import Change
from proxy.model.verdict import ALLOWED, Outcome, Verdict
from proxy.policy.facts import License, moment
from proxy.policy.judge import Judge
from proxy.policy.judged import Judged
from proxy.policy.name_rules import failure
from proxy.policy.tick import TICK_MS, time_of
from proxy.pypi.distribution import Distribution
from proxy.pypi.project import Project

_LOG = logging.getLogger("feedgate.policy")
#: The upstream of a name that nobody was asked for.
NOBODY = ""
#: So many files are judged at a time: other threads have their turn in between.
_SLICE = 256


@dataclass(frozen=True, slots=True)
class PypiView(View[Project, Distribution]):
    """A project in a feed."""

    #: Files whose licence is what their verdicts wait for.
    wanted: tuple[Distribution, ...] = ()
    #: How much was known of licences when this was judged (`Licenses.revision`).
    learned: int = 0
    #: What is wrong with the project at its origin.
    troubles: tuple["PageTrouble", ...] = ()


class PageTrouble(NamedTuple):
    """What is wrong with a project: its kind (a word of `KINDS`), a line, and since when it is known to be so."""

    kind: str
    text: str
    since: datetime | None = None


#: What is told of many troubles of a kind.
LEFT_OUT, CHANGED, QUARANTINED = KINDS = (
    "pages have entries that are left out", "projects have files that changed", "projects are quarantined",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Whose view of what: the feed, the project, the upstream that owns it, the digest of its shard."""

    feed: str
    name: str
    upstream: str
    shard: Sha256


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a shard is judged by. `licenses` is None where no rule asks for any."""

    judge: Judge
    tick_ms: int
    fingerprint: str
    licenses: Mapping[str, License] | None = None
    learned: int = 0


@dataclass(slots=True)
class _Sorted:
    """A shard's files by what becomes of them."""

    kept: dict[str, Distribution] = field(default_factory=dict)
    hidden: dict[str, Verdict] = field(default_factory=dict)
    noted: dict[str, Verdict] = field(default_factory=dict)


def view_of(place: Place, shard: Shard, ruling: Ruling | None = None) -> PypiView:
    """Return what a feed shows of the shard; without a ruling all but what is hidden already and quarantine."""
    if ruling is None:
        return _open(place, shard)
    try:
        judged = _judged(shard, ruling)
        found = _sorted(shard.project.files, judged)
    except Exception as err:  # noqa: BLE001 - any failure whatever hides (contract, section 4)
        return _unjudged(place, shard, ruling, err)
    verdict = shard.verdict or judged.whole
    if shard.project.status == "quarantined" and ruling.judge.policy.quarantined == "block":
        if ruling.judge.policy.mode == "audit":
            found = _Sorted(
                hidden=dict.fromkeys((file.path for file in shard.project.files), _quarantine(shard))
            )
        verdict = verdict if found.kept else _quarantine(shard)
    wanted = {facts.file for facts in judged.wanted}
    return PypiView(
        place.feed, place.name, place.upstream, place.shard, _listing(shard.project, found.kept), found.kept,
        {**found.hidden, **shard.hidden}, verdict, policy=ruling.judge.policy.name, until=judged.until,
        since=time_of(ruling.tick_ms), noted=found.noted, state=_state(ruling.fingerprint, found.hidden),
        wanted=tuple(file for file in shard.project.files if file.filename in wanted) if wanted else (),
        learned=ruling.learned, changes=_changes(shard, {**found.kept, **found.hidden}),
        troubles=_troubles(shard),
    )  # fmt: skip


def explained_in(shard: Shard, view: PypiView, ruling: Ruling | None = None) -> list[ArtifactExplained]:
    """Return each file that the view knows with its facts, and what every rule says of it."""
    if ruling is None:
        judged, verdicts = tuple(facts_of(shard)), dict[str, Verdict]()
    else:
        answers = _judged(shard, ruling)
        judged, verdicts = tuple(answers.facts), dict(answers.by_artifact)
    facts = {each.file: each for each in judged}
    told = []
    for path in listed_paths(view):
        file = path.rpartition("/")[2]
        verdict = told_verdict(view, path, verdicts.get(file, ALLOWED))
        known = facts.get(file)
        findings = (
            ruling.judge.findings(known, ruling.tick_ms) if ruling is not None and known is not None else ()
        )
        change = view.changes.get(path)
        told.append(ArtifactExplained(file, verdict, known, findings, (), change, path in view.kept))
    named = {each.artifact for each in told}
    left_out = ((file, _left_out(why)) for file, (why, _) in shard.dropped.items() if file not in named)
    return [*told, *(ArtifactExplained(file, verdict) for file, verdict in left_out)]


def blocked_view(feed: str, name: str, policy: str | None, verdict: Verdict | None) -> PypiView:
    """Return the view of a name that is hidden whatever is behind it: nobody was asked."""
    state = f"nothing-of-{name}"
    return PypiView(
        feed, name, NOBODY, Sha256(""), Project(name), {}, verdict=verdict, policy=policy, state=state
    )


def _unjudged(place: Place, shard: Shard, ruling: Ruling, err: Exception) -> PypiView:
    """Return the view of what could not be judged: nothing is shown, and the next tick tries again."""
    _LOG.error("a project could not be judged: feed %s, project %s", place.feed, place.name, exc_info=err)
    verdict = failure(err)
    hidden = {file.path: verdict for file in shard.project.files}
    return PypiView(
        place.feed, place.name, place.upstream, place.shard, _listing(shard.project, {}), {},
        {**hidden, **shard.hidden}, verdict, policy=ruling.judge.policy.name, since=time_of(ruling.tick_ms),
        until=time_of(ruling.tick_ms + TICK_MS["pypi"]), state=_state(ruling.fingerprint, hidden),
        learned=ruling.learned,
    )  # fmt: skip


def _open(place: Place, shard: Shard) -> PypiView:
    project, verdict = shard.project, shard.verdict
    kept, hidden = {file.path: file for file in project.files}, dict(shard.hidden)
    if project.status == "quarantined":
        verdict = _quarantine(shard)
        hidden |= dict.fromkeys(kept, verdict)
        project, kept = msgspec.structs.replace(project, files=()), {}
    return PypiView(
        place.feed, place.name, place.upstream, place.shard, project, kept, hidden, verdict,
        changes=_changes(shard, {file.path: file for file in shard.project.files}),
        troubles=_troubles(shard),
    )  # fmt: skip


def _changes(shard: Shard, paths: Iterable[str]) -> dict[str, Change]:
    """Return what changed about files of the shard, by their paths."""
    if not shard.changes:
        return {}
    named = ((path, shard.changes.get(path.rpartition("/")[2])) for path in (*paths, *shard.hidden))
    return {path: change for path, change in named if change is not None}


def _troubles(shard: Shard) -> tuple[PageTrouble, ...]:
    name, found = shard.project.name, list[PageTrouble]()
    if shard.dropped:
        file, (why, _) = next(iter(shard.dropped.items()))
        count = f"{len(shard.dropped)} entries" if len(shard.dropped) > 1 else "1 entry"
        verb = "are left out, such as" if len(shard.dropped) > 1 else "is left out:"
        since = min(since_ms for _, since_ms in shard.dropped.values())
        text = f"{count} of the page of {name} {verb} {file} ({why})"
        found.append(PageTrouble(LEFT_OUT, text, moment(since)))
    if shard.changed:
        file = next(iter(shard.changed))
        count = f"{len(shard.changed)} files" if len(shard.changed) > 1 else "1 file"
        what = f"{count} of {name} changed at the origin under the same name, such as {file}"
        times = [change.since_ms for change in shard.changes.values() if change.since_ms is not None]
        since = min(times, default=0)
        found.append(PageTrouble(CHANGED, f"{what}: what was seen first stays, or is held", moment(since)))
    if shard.project.status == "quarantined":
        found.append(
            PageTrouble(
                QUARANTINED, f"{name}: {_quarantine(shard).reason}", moment(shard.quarantined_ms or None)
            )
        )
    return tuple(found)


def _left_out(why: str) -> Verdict:
    return Verdict(Outcome.BLOCK, "record", f"its entry of the page was left out: {why}", "unknown")


def _judged(shard: Shard, ruling: Ruling) -> Judged:
    judging = ruling.judge.start(shard.project.name, ruling.tick_ms)
    facts = list(facts_of(shard, ruling.licenses))
    for at in range(0, len(facts), _SLICE):
        judging.take(facts[at : at + _SLICE])
    return judging.end()


def _sorted(files: Iterable[Distribution], judged: Judged) -> _Sorted:
    found = _Sorted()
    for file, verdict in zip(files, judged.verdicts, strict=True):
        if not verdict.is_visible:
            found.hidden[file.path] = verdict
            continue
        found.kept[file.path] = file
        if verdict.outcome is not Outcome.ALLOW:
            found.noted[file.path] = verdict
    return found


def _listing(project: Project, kept: Mapping[str, Distribution]) -> Project:
    if len(kept) == len(project.files):
        return project
    return msgspec.structs.replace(project, files=tuple(file for file in project.files if file.path in kept))


def _quarantine(shard: Shard) -> Verdict:
    why = f": {shard.project.status_reason}" if shard.project.status_reason else ""
    return Verdict(
        Outcome.BLOCK, "quarantine", f"the origin has quarantined this project{why}", "quarantined"
    )


def _state(fingerprint: str, hidden: Iterable[str]) -> str:
    digest = hashlib.sha256("\n".join(sorted(hidden)).encode())
    return f"{fingerprint[:16]}-{digest.hexdigest()[:32]}"
