"""`/api/v1/feeds/{feed}/approvals`: what is approved, where its bytes are, what its origin has made of it since."""

import re
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from proxy.config.settings import Feed
from proxy.feeds.promotion.reviews import Reviews
from proxy.feeds.vaulting import Vaulting
from proxy.model.actor import Actor
from proxy.model.approval import Approval
from proxy.model.problem import Problem
from proxy.state.approvals import Approvals
from proxy.web.access_rights import named_to, require
from proxy.web.api.answer import accepting, answering
from proxy.web.api.asked import choice_of, cut
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route

#: PEP 503: runs of these are one hyphen in a normalised name.
_RUN = re.compile(r"[-_.]+")


class ApprovalState(StrEnum):
    """Which approvals are asked for; `pending`: their bytes are not held (yet)."""

    ACTIVE = "active"
    REVOKED = "revoked"
    DRIFTED = "drifted"
    WITHDRAWN = "withdrawn"
    QUARANTINED = "quarantined"
    PENDING = "pending"


class DriftAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How the origin differs by now: `drifted`, `withdrawn` or `quarantined`; `sha256` is what `accept` takes."""

    kind: str
    reason: str
    at: str
    sha256: str | None
    size: int | None


class ApprovalAnswer(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from"}):
    """One approval."""

    id: str
    artifact: str
    name: str
    version: str
    sha256: str
    size: int | None
    #: `active` or `revoked`.
    state: str
    #: `held`, `pending` or `failed` (it is tried again; `failure` says why).
    bytes: str
    failure: str
    #: How many of them have come by now.
    arrived_bytes: int
    source: str
    promotion: str
    actor: str
    at: str
    #: Why and when it was revoked.
    reason: str
    revoked_at: str | None
    drift: DriftAnswer | None


class ApprovalPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some approvals, oldest first; `next` is the cursor of the following page, null at the end."""

    items: list[ApprovalAnswer]
    next: str | None


class RevokeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is revoked: whoever meets the file is told."""

    reason: str


class AcceptBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The digest of the origin's file as it was seen in `drift`."""

    sha256: str


class ApprovalsApi:
    """The handlers."""

    def __init__(self, served: Served, approvals: Approvals, reviews: Reviews, vaulting: Vaulting) -> None:
        self._served = served
        self._approvals = approvals
        self._reviews = reviews
        self._vaulting = vaulting

    def routes(self) -> tuple[Route, ...]:
        path = "/api/v1/feeds/{feed}/approvals"
        asks = ("q", "state", "limit", "cursor")
        return (
            Route(("GET",), path, answering(self.approvals, asks=asks)),
            Route(("GET",), f"{path}/{{id}}", answering(self.approval)),
            Route(("DELETE",), f"{path}/{{id}}", accepting(self.revoke)),
            Route(("POST",), f"{path}/{{id}}/accept", accepting(self.accept)),
        )

    async def approvals(self, request: Inbound) -> ApprovalPage:
        """List what is approved, and what was; oldest first."""
        feed = self._curated(request)
        await self._vaulting.ready()
        state = choice_of(request, "state", ApprovalState)
        wanted = (request.query_value("q") or "").lower()
        name = _RUN.sub("-", wanted) if feed.kind == "pypi" else wanted
        asked = [
            approval
            for approval in self._approvals.all_of(feed.name)
            if (wanted in approval.artifact.lower() or name in approval.name)
            and self._is_asked(approval, state)
        ]
        some, following = cut(request, asked, lambda approval: approval.id)
        return ApprovalPage(items=[self.answer(each, request.actor) for each in some], next=following)

    async def approval(self, request: Inbound) -> ApprovalAnswer:
        """Tell one approval."""
        await self._vaulting.ready()
        found = self._reviews.find(self._curated(request), request.params["id"])
        return self.answer(found, request.actor)

    async def revoke(self, request: Inbound, body: RevokeBody) -> ApprovalAnswer:
        """Take an approval back: the file is refused from the next request on."""
        feed = self._reviewed(request)
        actor, id_ = request.actor, request.params["id"]
        revoked = await self._reviews.revoke(feed, id_, body.reason, actor, request.request_id)
        return self.answer(revoked, actor)

    async def accept(self, request: Inbound, body: AcceptBody) -> ApprovalAnswer:
        """Take the record or file that the origin has by now in place of what was approved."""
        feed = self._reviewed(request)
        actor, id_ = request.actor, request.params["id"]
        # As for a promotion: the feed's readers get from now on what its source has.
        if not actor.may("read", self._reviews.find(feed, id_).source_feed):
            raise Problem("forbidden", "it was approved from a feed that this key may not read")
        accepted = await self._reviews.accept(feed, id_, body.sha256, actor, request.request_id)
        return self.answer(accepted, actor)

    # -- parts ---------------------------------------------------------------------------------------------

    def _curated(self, request: Inbound) -> Feed:
        feed = self._served.feed(request)
        require(request.actor, "read", feed.name)
        if not feed.curated_from:
            raise Problem("unprocessable", f"{feed.name} is not curated: it has no approvals", feed=feed.name)
        return feed

    def _reviewed(self, request: Inbound) -> Feed:
        feed = self._curated(request)
        require(request.actor, "promote", feed.name)
        return feed

    def _is_asked(self, approval: Approval, state: ApprovalState | None) -> bool:
        match state:
            case None:
                return True
            case ApprovalState.ACTIVE | ApprovalState.REVOKED:
                return approval.state == state.value
            case ApprovalState.PENDING:
                return approval.state == "active" and self._vaulting.state_of(approval).state != "held"
            case _:
                is_active = approval.state == "active"
                return is_active and approval.drift is not None and approval.drift.kind == state.value

    def answer(self, approval: Approval, actor: Actor) -> ApprovalAnswer:
        """Return an approval as the actor may see it."""
        held, drift = self._vaulting.state_of(approval), approval.drift
        # It may name the source's origin.
        is_open = not held.failure or actor.may("read", approval.source_feed)
        told = (
            DriftAnswer(
                kind=drift.kind,
                reason=drift.reason,
                at=_moment(drift.at_ms),
                sha256=drift.sha256,
                size=drift.size,
            )
            if drift is not None
            else None
        )
        return ApprovalAnswer(
            id=approval.id, artifact=approval.artifact, name=approval.name, version=approval.version,
            sha256=approval.sha256, size=approval.size, state=approval.state, bytes=held.state,
            failure=held.failure if is_open else "they could not be fetched; the server's log says why",
            arrived_bytes=self._vaulting.arrived_bytes(approval),
            source=named_to(actor, approval.source_feed), promotion=approval.promotion_id, actor=approval.actor,
            at=_moment(approval.at_ms), reason=approval.reason,
            revoked_at=_moment(approval.revoked_ms) if approval.revoked_ms is not None else None, drift=told,
        )  # fmt: skip


def _moment(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")
