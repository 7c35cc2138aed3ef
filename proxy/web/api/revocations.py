"""`/api/v1/feeds/{feed}/revocations`: take many approvals back at once, and tell what breaks without them."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from proxy.feeds.promotion.revocations import Recall, Revocations
from proxy.model.actor import Actor
from proxy.model.approval import Approval
from proxy.model.problem import Problem
from proxy.web.access_rights import require
from proxy.web.api.answer import Told, accepting
from proxy.web.api.approvals import ApprovalAnswer
from proxy.web.api.served import Served
from proxy.web.inbound import Inbound
from proxy.web.routes import Route


class RevocationBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be revoked: all that any of `specs`, `artifacts` and `promotion` means; `reason` unless a dry run."""

    #: Every approved version that fits; a file is taken as one, too.
    specs: list[str] = []
    #: conda `subdir/file`, PyPI the file's name, or the id of an approval.
    artifacts: list[str] = []
    #: The id of a promotion: all that it approved.
    promotion: str | None = None
    reason: str = ""
    dry_run: bool = False


class BrokenItem(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact that stays approved, and needs what nothing approved meets any more; `met` is what met it."""

    artifact: str
    name: str
    version: str
    needs: str
    met: str


class RevocationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was revoked, and what breaks without it. `id` is null for a dry run, which shows approvals as they are.

    `unread` are artifacts that stay approved and of which it could not be found out what they need.
    """

    id: str | None
    feed: str
    actor: str
    at: str
    reason: str
    dry_run: bool
    artifacts: list[ApprovalAnswer]
    breaks: list[BrokenItem]
    unread: list[str]


class RevocationsApi:
    """The handler. `told` is how an approval is answered."""

    def __init__(
        self, served: Served, revocations: Revocations, told: Callable[[Approval, Actor], ApprovalAnswer]
    ) -> None:
        self._served = served
        self._revocations = revocations
        self._told = told

    def routes(self) -> tuple[Route, ...]:
        return (Route(("POST",), "/api/v1/feeds/{feed}/revocations", accepting(self.revoke, status=201)),)

    async def revoke(self, request: Inbound, body: RevocationBody) -> Told[RevocationAnswer]:
        """Take approvals back, all of them or none, and tell what breaks without them."""
        feed, actor = self._served.feed(request), request.actor
        require(actor, "read", feed.name)
        if not feed.curated_from:
            raise Problem("unprocessable", f"{feed.name} is not curated: it has no approvals", feed=feed.name)
        require(actor, "promote", feed.name)
        recall = Recall(
            specs=tuple(body.specs), artifacts=tuple(body.artifacts), promotion=body.promotion, reason=body.reason,
            is_dry_run=body.dry_run,
        )  # fmt: skip
        found = await self._revocations.revoke(feed, recall, actor, request.request_id)
        at = datetime.fromtimestamp(found.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        answer = RevocationAnswer(
            id=found.id, feed=feed.name, actor=actor.name, at=at.replace("+00:00", "Z"), reason=body.reason,
            dry_run=body.dry_run, artifacts=[self._told(each, actor) for each in found.approvals],
            breaks=[
                BrokenItem(
                    artifact=each.facts.artifact, name=each.facts.name, version=each.facts.version or "",
                    needs=each.needs, met=each.met,
                )
                for each in found.broken
            ],
            unread=list(found.unread),
        )  # fmt: skip
        return Told(answer, status=200 if body.dry_run else 201)
