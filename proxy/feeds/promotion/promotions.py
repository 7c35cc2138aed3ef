"""Promotions: a person's act that approves artifacts of one feed for another. All of an order, or nothing.

First everything is found out, without changing anything (`select.py`); then it is written in one transaction with its
audit; the bytes come after the answer (`feeds/vaulting.py`). What was found out under settings that have changed
meanwhile is found out again: a block that was answered first wins (reliability, D14).
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from proxy.config.settings import Feed
from proxy.feeds.promotion.check import faults
from proxy.feeds.promotion.order import LeftOutItem, Order, Picked, PromotedItem, PromotionAnswer
from proxy.feeds.promotion.select import chosen_by, picked
from proxy.feeds.promotion.selecting import Chosen, LeftOut, Selecting
from proxy.feeds.vaulting import Vaulting
from proxy.model.actor import Actor
from proxy.model.approval import Approval, Promotion
from proxy.model.audit_entry import AuditEntry
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.state.approvals import Approvals, Overtaken

#: Settings may change again and again while an order is looked at; then its client is told to come again.
_TRIES = 5
#: No promotion is older than this before it is written: each solve has its own limit, and there may be many places.
LIMIT_S = 600.0
#: So many may be under way for one key: some need a process of their own for a minute (reliability, F12).
MOST_UNDER_WAY = 64
#: (name, artifact) -> the id of its active approval, as it was when the promotion was decided.
Seen = Mapping[tuple[str, str], str | None]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a promotion stands on: the feeds and kinds of the settings in force. Another object after each change."""

    feeds: Mapping[str, Feed]
    kinds: Mapping[str, Selecting]


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for a promotion, and how."""

    actor: Actor
    key: str | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Promoted:
    """The answer as JSON, and whether it was made now (False: dry run, or the answer of the same key before)."""

    answer: bytes
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Decided:
    """What an order means: for which feed, what, what it leaves out, and what that was decided on."""

    feed: Feed
    picks: list[Picked]
    left_out: list[LeftOut]
    seen: Seen


class Promotions:
    """The engine. `ground` is that of now."""

    def __init__(
        self, approvals: Approvals, vaulting: Vaulting, clock: Clock, ground: Callable[[], Ground]
    ) -> None:
        self._approvals = approvals
        self._vaulting = vaulting
        self._clock = clock
        self._ground = ground
        self._under_way: Counter[str] = Counter()

    async def promote(self, target: Feed, order: Order, request: Request) -> Promoted:
        """Promote, or tell what would be promoted. Raises Problem with every refusal."""
        if not order.is_dry_run and request.key is not None:
            before = await self._approvals.earlier(target.name, request.key, order.sha256, self._now_ms())
            if before is not None:
                return Promoted(before.answer, is_new=False)
        with self._counted(request.actor.id):
            until = asyncio.get_running_loop().time() + LIMIT_S
            for _ in range(_TRIES):
                ground = self._ground()
                try:
                    async with asyncio.timeout_at(until) as limit:
                        decided = await self._found_out(ground, target, order, request.actor)
                except TimeoutError:
                    if not limit.expired():
                        raise
                    raise _too_long(target.name) from None
                if self._ground() is not ground:
                    continue
                try:
                    return await self._concluded(decided, order, request)
                except Overtaken:
                    continue
        raise Problem(
            "busy", "what this is about changes all the time; ask again", feed=target.name, retry_after_s=2
        )

    # -- parts ---------------------------------------------------------------------------------------------

    @contextmanager
    def _counted(self, actor: str) -> Iterator[None]:
        """Count a promotion as under way. Raises Problem where the key has too many already."""
        if self._under_way[actor] >= MOST_UNDER_WAY:
            raise Problem(
                "too-many-requests", f"{MOST_UNDER_WAY} promotions of this key are under way; wait for them",
                retry_after_s=5,
            )  # fmt: skip
        self._under_way[actor] += 1
        try:
            yield
        finally:
            self._under_way[actor] -= 1
            if not self._under_way[actor]:
                del self._under_way[actor]

    async def _found_out(self, ground: Ground, target: Feed, order: Order, actor: Actor) -> _Decided:
        """Find out what an order means, changing nothing. Raises Problem with every refusal."""
        # In a thread: the first conda spec brings py-rattler along.
        feed = await asyncio.to_thread(_checked, ground, target, order, actor)
        kind = ground.kinds[feed.kind]
        chosen, left_out = await chosen_by(kind, feed.name, order)
        approved = {
            artifact: approval
            for name in _names(chosen)
            for artifact, approval in self._approvals.of(feed.name, name).items()
        }
        seen = {(each.found.name, each.found.artifact): _id_of(approved, each) for each in chosen}
        return _Decided(feed, await picked(kind, feed.name, order, chosen, approved), left_out, seen)

    async def _concluded(self, decided: _Decided, order: Order, request: Request) -> Promoted:
        feed, picks = decided.feed, decided.picks
        at_ms = self._now_ms()
        id_ = None if order.is_dry_run else f"p-{at_ms:012x}-{secrets.token_hex(6)}"
        made = [_approval(feed, order, request, pick, id_ or "", at_ms) for pick in picks if pick.is_new]
        answer = msgspec.json.encode(self._answer(decided, order, request, id_, at_ms)) + b"\n"
        if id_ is None:
            return Promoted(answer, is_new=False)
        promotion = Promotion(
            id=id_, feed=feed.name, source_feed=order.source, at_ms=at_ms, actor=request.actor.name,
            comment=order.comment, answer=answer, key=request.key,
            asked_sha256=order.sha256 if request.key is not None else None,
        )  # fmt: skip
        audit = AuditEntry(
            request.actor, "promotion.create", id_, after=_audited(order, picks), detail=order.comment,
            feed=feed.name, request_id=request.id,
        )  # fmt: skip
        kept = await self._approvals.promote(promotion, made, audit, decided.seen)
        return Promoted(kept.answer, is_new=kept is promotion)

    def _answer(
        self, decided: _Decided, order: Order, request: Request, id_: str | None, at_ms: int
    ) -> PromotionAnswer:
        feed = decided.feed
        # The very moment that is kept: the list of promotions and the approvals tell the same one.
        moment = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        at = moment.replace("+00:00", "Z")
        items = [
            PromotedItem(
                artifact=pick.found.artifact, name=pick.found.name, version=pick.found.version, sha256=pick.sha256,
                size=pick.found.size, why=pick.why, state="new" if pick.is_new else "already",
                bytes="held" if self._vaulting.holds(feed.name, pick.sha256) else "pending",
                revoked=self._revoked_before(feed, pick),
            )
            for pick in decided.picks
        ]  # fmt: skip
        left_out = [LeftOutItem(artifact=each.artifact, reason=each.reason) for each in decided.left_out]
        return PromotionAnswer(
            id=id_, target=feed.name, source=order.source, actor=request.actor.name, at=at, comment=order.comment,
            dry_run=order.is_dry_run, artifacts=items, left_out=left_out,
        )  # fmt: skip

    def _revoked_before(self, feed: Feed, pick: Picked) -> str | None:
        """Return why the last approval of an artifact was taken back, where it has none."""
        former = self._approvals.revoked(feed.name, pick.found.name).get(pick.found.artifact)
        return former.reason if former is not None and pick.is_new else None

    def _now_ms(self) -> int:
        return round(self._clock.now().timestamp() * 1000)


def _too_long(feed: str) -> Problem:
    return Problem(
        "busy",
        f"finding out took longer than {LIMIT_S:g} s; ask for less at once",
        feed=feed,
        retry_after_s=60,
    )


def _checked(ground: Ground, target: Feed, order: Order, actor: Actor) -> Feed:
    """Return the target as it is now. Raises Problem for an order that makes no sense."""
    feed = ground.feeds.get(target.name)
    if feed is None or feed.kind not in ground.kinds:
        raise Problem("unknown", f"there is no feed {target.name}")
    wrong = [
        {"key": key, "message": message}
        for key, message in faults(feed, order, ground.kinds[feed.kind], actor)
    ]
    if wrong:
        others = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise Problem(
            "unprocessable", f"{wrong[0]['key']}: {wrong[0]['message']}{others}", feed=feed.name,
            more={"faults": wrong},
        )  # fmt: skip
    return feed


def _id_of(approved: Mapping[str, Approval], chosen: Chosen) -> str | None:
    present = approved.get(chosen.found.artifact)
    return present.id if present is not None else None


def _names(chosen: Iterable[Chosen]) -> set[str]:
    return {each.found.name for each in chosen}


def _approval(
    feed: Feed, order: Order, request: Request, pick: Picked, promotion: str, at_ms: int
) -> Approval:
    found = pick.found
    return Approval(
        id=f"a-{secrets.token_hex(8)}", feed=feed.name, kind=feed.kind, name=found.name, version=found.version,
        artifact=found.artifact, sha256=pick.sha256, size=found.size, record=found.record, source_feed=order.source,
        upstream=found.upstream, origin_url=found.origin_url, promotion_id=promotion, at_ms=at_ms,
        actor=request.actor.name,
    )  # fmt: skip


def _audited(order: Order, picks: Iterable[Picked]) -> dict[str, object]:
    """Return what the audit tells: what is approved from now on."""
    new = [
        {
            "artifact": pick.found.artifact, "name": pick.found.name, "version": pick.found.version,
            "sha256": pick.sha256,
        }
        for pick in picks
        if pick.is_new
    ]  # fmt: skip
    already = [pick.found.artifact for pick in picks if not pick.is_new]
    return {"from": order.source, "approved": new, "already": already}
