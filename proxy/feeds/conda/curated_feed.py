"""A curated conda feed: the index forms and the gate of any feed, over what was approved instead of an origin.

The gate asks the approvals first, which know at once: what was never approved is `not-approved`, and no source is
asked about it; what was revoked is `revoked`. Only then the view decides, with the policy on top. Bytes are those
of the pinned digest, from here or from the address that the approval noted, whatever the origin lists by now.
"""

from collections.abc import Mapping

from proxy.artifacts.store import BlobStore
from proxy.conda.names import FileName
from proxy.config.settings import Feed
from proxy.feeds.conda.approved import Approved
from proxy.feeds.conda.channel import Channel
from proxy.feeds.conda.feed import CondaFeed, Located
from proxy.feeds.conda.full_index import FullIndexes
from proxy.feeds.conda.side_documents import SideDocuments
from proxy.feeds.conda.view import CondaView
from proxy.feeds.curated import APPROVED
from proxy.feeds.keeper import ArtifactRef, Keeper
from proxy.feeds.view import gate
from proxy.feeds.views import Views
from proxy.model.approval import Approval
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.policy.settings import Policy


class CuratedCondaFeed(CondaFeed):
    """One feed with `curated_from`; `sources` are the feeds of this server that it is promoted from."""

    def __init__(
        self, feed: Feed, channel: Channel, keeper: Keeper, store: BlobStore, full: FullIndexes, side: SideDocuments,
        views: Views[CondaView], clock: Clock, policy: Policy | None, approved: Approved,
        sources: Mapping[str, CondaFeed],
    ) -> None:  # fmt: skip
        super().__init__(feed, channel, keeper, store, full, side, views, clock, {}, policy)
        self.approved = approved
        self.sources = dict(sources)

    def is_made_of(self, feed: Feed, policy: Policy | None, made: Mapping[str, CondaFeed]) -> bool:
        sources = {name: made[name] for name in feed.curated_from}
        return (self.settings, self.policy) == (feed, policy) and self.sources == sources

    def subdirs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*super().subdirs(), *sorted(self.approved.subdirs()))))

    async def locate(self, subdir: str, file: FileName, *, offline: bool = False) -> Located:
        approval = self._approved(subdir, file)
        path = f"{subdir}/{file.file}"
        _, view = await self.view(subdir, file.name, offline=offline)
        record = gate(view, path)
        if record is None:
            raise self._not_approved(path)
        return Located(record, self._pinned(approval, file))

    def origin_of(self, subdir: str, file: FileName, located: Located) -> str:
        return self._approved(subdir, file).upstream

    async def close(self) -> None:
        self.approved.close()
        await super().close()

    # -- parts ---------------------------------------------------------------------------------------------

    def _approved(self, subdir: str, file: FileName) -> Approval:
        path = f"{subdir}/{file.file}"
        approval = self.approved.active(subdir, file)
        if approval is not None:
            return approval
        former = self.approved.revoked(subdir, file)
        if former is None:
            raise self._not_approved(path)
        reason = f"its approval was revoked: {former.reason}" if former.reason else "its approval was revoked"
        raise Problem("revoked", reason, feed=self.settings.name, artifact=path)

    def _not_approved(self, path: str) -> Problem:
        return Problem(
            "not-approved", f"nobody has approved it for {self.settings.name}; ask a reviewer of this feed",
            feed=self.settings.name, artifact=path,
        )  # fmt: skip

    def _pinned(self, approval: Approval, file: FileName) -> ArtifactRef:
        return ArtifactRef(
            self.settings.name, approval.name, APPROVED, approval.origin_url, file.file, approval.sha256,
            approval.size,
        )  # fmt: skip
