"""Taking approvals back, many at once, and telling what breaks: a promotion the other way round. All of it, or nothing.

What is named is found among the feed's active approvals: every version that a spec means, files, approvals by their
id, and all that one promotion approved. It is written in one transaction with one entry of the audit. What breaks is
told of the approvals as they were before (`dependents.py`); it stops nobody, because what is revoked may be dangerous.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from proxy.config.settings import Feed
from proxy.feeds.explain import is_artifact
from proxy.feeds.promotion.dependents import Broken, broken_without, means
from proxy.feeds.promotion.depending import Depending
from proxy.feeds.promotion.order import refusal
from proxy.feeds.promotion.reviews import LONGEST_REASON
from proxy.feeds.promotion.selecting import Refused
from proxy.model.actor import Actor
from proxy.model.approval import Approval
from proxy.model.audit_entry import AuditEntry
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.state.approvals import Approvals

#: How often is begun anew where approvals change meanwhile.
_TRIES = 5
_MOST_NAMED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What is to be revoked: all that any of the three means."""

    specs: tuple[str, ...] = ()
    #: Files, or ids of approvals.
    artifacts: tuple[str, ...] = ()
    #: The id of a promotion: what it approved.
    promotion: str | None = None
    reason: str = ""
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a recall came to: the approvals as they are now (a dry run: as they were), and what breaks without them."""

    id: str | None
    at_ms: int
    approvals: Sequence[Approval]
    broken: Sequence[Broken]
    #: Approved artifacts of which it could not be found out what they need.
    unread: Sequence[str]


class Revocations:
    """Raises Problem, and then nothing has changed. `kinds` go by a feed's kind."""

    def __init__(
        self, approvals: Approvals, clock: Clock, kinds: Callable[[], Mapping[str, Depending]]
    ) -> None:
        self._approvals = approvals
        self._clock = clock
        self._kinds = kinds

    async def revoke(self, feed: Feed, recall: Recall, actor: Actor, request_id: str = "") -> Revoked:
        """Revoke, or tell what would be; the files are gone from the gate with the next request."""
        kind = self._kinds()[feed.kind]
        _check(feed, recall)
        for _ in range(_TRIES):
            active = [each for each in self._approvals.all_of(feed.name) if each.state == "active"]
            gone = await asyncio.to_thread(_meant, kind, feed, active, recall)
            at_ms, id_ = round(self._clock.now().timestamp() * 1000), None
            now: Sequence[Approval] = gone
            if not recall.is_dry_run:
                id_ = f"r-{at_ms:012x}-{secrets.token_hex(6)}"
                changes = [
                    (each, replace(each, state="revoked", reason=recall.reason, revoked_ms=at_ms))
                    for each in gone
                ]
                entry = AuditEntry(
                    actor, "revocation.create", id_, before={"approved": _told(gone)}, after={"revoked": _told(gone)},
                    detail=recall.reason, feed=feed.name, request_id=request_id,
                )  # fmt: skip
                try:
                    now = await self._approvals.change_all(changes, [entry])
                except Problem as problem:
                    if problem.word != "conflict":
                        raise
                    continue
            broken, unread = await self._broken(kind, feed, active, gone)
            return Revoked(id_, at_ms, now, broken, unread)
        raise Problem(
            "busy", "what this is about changes all the time; ask again", feed=feed.name, retry_after_s=2
        )

    async def _broken(
        self, kind: Depending, feed: Feed, active: Sequence[Approval], gone: Sequence[Approval]
    ) -> tuple[list[Broken], Sequence[str]]:
        lost = {each.artifact for each in gone}
        left = [each for each in active if each.artifact not in lost]
        needed = await kind.needed(feed.name, left)
        broken = await asyncio.to_thread(
            lambda: broken_without(lost, map(kind.facts, active), needed.needers)
        )
        return broken, needed.unread


def _check(feed: Feed, recall: Recall) -> None:
    named = len(recall.specs) + len(recall.artifacts)
    if not named and recall.promotion is None:
        raise Problem("unprocessable", "say what is revoked: specs, artifacts or a promotion", feed=feed.name)
    if named > _MOST_NAMED:
        raise Problem("unprocessable", f"name at most {_MOST_NAMED} things at once", feed=feed.name)
    is_told = bool(recall.reason.strip()) or recall.is_dry_run
    if not is_told or len(recall.reason) > LONGEST_REASON:
        raise Problem(
            "unprocessable", f"say why, in at most {LONGEST_REASON} characters: reason", feed=feed.name
        )


def _meant(kind: Depending, feed: Feed, active: Sequence[Approval], recall: Recall) -> list[Approval]:
    """Return the approvals that are meant, oldest first. Raises Problem with all that means nothing. Blocks."""
    found: set[str] = set()
    refused: list[Refused] = []
    for place, text in enumerate((*recall.artifacts, *recall.specs)):
        is_spec = place >= len(recall.artifacts)
        meant = _named(active, text)
        if not meant and is_spec and not is_artifact(feed.kind, text):
            meant = _by_spec(kind, feed, active, text)
        if not meant:
            reason = "there is no active approval of it; `feedgate approvals` lists them"
            refused.append(Refused(text, "unknown", "unknown", reason, is_spec=is_spec))
        found |= {each.id for each in meant}
    if recall.promotion is not None:
        of_it = {each.id for each in active if each.promotion_id == recall.promotion}
        if not of_it:
            reason = f"nothing that this promotion approved for {feed.name} is approved (any more)"
            refused.append(Refused(recall.promotion, "unknown", "unknown", reason, is_spec=True))
        found |= of_it
    if refused:
        raise refusal(feed.name, refused, "revoked")
    return [each for each in active if each.id in found]


def _named(active: Iterable[Approval], text: str) -> list[Approval]:
    """Return the approvals of an id, of an artifact, or of a file name in whatever subdir."""
    return [each for each in active if text in (each.id, each.artifact, each.artifact.rpartition("/")[2])]


def _by_spec(kind: Depending, feed: Feed, active: Iterable[Approval], spec: str) -> list[Approval]:
    try:
        meaning = kind.meaning(spec)
    except ValueError as bad:
        fault = {"key": "specs", "message": f"{spec}: {bad}"}
        raise Problem(
            "unprocessable", f"specs: {spec}: {bad}", feed=feed.name, more={"faults": [fault]}
        ) from bad
    return [each for each in active if means(meaning, kind.facts(each))]


def _told(approvals: Iterable[Approval]) -> list[dict[str, str]]:
    return [
        {"artifact": each.artifact, "name": each.name, "version": each.version, "sha256": each.sha256}
        for each in approvals
    ]
