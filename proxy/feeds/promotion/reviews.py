"""What a reviewer does with one approval: revoke it, or accept what the origin has made of it. Each with its audit."""

from msgspec.structs import replace

from proxy.config.settings import Feed
from proxy.model.actor import Actor
from proxy.model.approval import Approval
from proxy.model.audit_entry import AuditEntry
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.state.approvals import Approvals

LONGEST_REASON = 4000


class Reviews:
    """Raises Problem, and then nothing has changed."""

    def __init__(self, approvals: Approvals, clock: Clock) -> None:
        self._approvals = approvals
        self._clock = clock

    def find(self, feed: Feed, id_: str) -> Approval:
        """Return an approval of a feed."""
        approval = self._approvals.find(feed.name, id_)
        if approval is None:
            raise Problem("unknown", f"{feed.name} has no approval {id_}", feed=feed.name)
        return approval

    async def revoke(self, feed: Feed, id_: str, reason: str, actor: Actor, request_id: str = "") -> Approval:
        """Take an approval back; the file is gone from the gate with the next request."""
        approval = self.find(feed, id_)
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise Problem("unprocessable", f"say why, in at most {LONGEST_REASON} characters: reason")
        if approval.state == "revoked":
            raise Problem(
                "conflict", "this approval is revoked already", feed=feed.name, artifact=approval.artifact
            )
        now_ms = round(self._clock.now().timestamp() * 1000)
        after = replace(approval, state="revoked", reason=reason, revoked_ms=now_ms)
        entry = AuditEntry(
            actor, "approval.revoke", approval.id, before=_told(approval), after=_told(after), detail=reason,
            feed=feed.name, request_id=request_id,
        )  # fmt: skip
        return await self._approvals.change(approval, after, entry)

    async def accept(self, feed: Feed, id_: str, sha256: str, actor: Actor, request_id: str = "") -> Approval:
        """Take the record, and the file, that the origin has by now. `sha256` is the digest that was seen of it."""
        approval = self.find(feed, id_)
        drift = approval.drift
        if approval.state == "revoked" or drift is None or drift.record is None or drift.sha256 is None:
            why = "there is nothing to accept: the origin offers no other record of this file"
            raise Problem("conflict", why, feed=feed.name, artifact=approval.artifact)
        if sha256.lower() != drift.sha256:
            raise Problem(
                "precondition-failed", f"the origin's file has the sha256 {drift.sha256} by now, not the one given",
                feed=feed.name, artifact=approval.artifact,
            )  # fmt: skip
        after = replace(
            approval, sha256=drift.sha256, size=drift.size, record=drift.record, drift=None,
            origin_url=drift.origin_url or approval.origin_url,
        )  # fmt: skip
        entry = AuditEntry(
            actor, "approval.accept", approval.id, before=_told(approval), after=_told(after), detail=drift.reason,
            feed=feed.name, request_id=request_id,
        )  # fmt: skip
        return await self._approvals.change(approval, after, entry)


def _told(approval: Approval) -> dict[str, object]:
    return {
        "artifact": approval.artifact, "name": approval.name, "version": approval.version,
        "sha256": approval.sha256, "state": approval.state,
    }  # fmt: skip
