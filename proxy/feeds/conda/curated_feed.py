"""A curated conda feed: the index forms and the gate of any feed, over what was approved instead of an origin.

The gate asks the approvals first, which know at once: what was never approved is `not-approved`, and no source is
asked about it; what was revoked is `revoked`. Only then the view decides, with the policy on top. Bytes are those
of the pinned digest, from here or from the address that the approval noted, whatever the origin lists by now.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from proxy.artifacts.blob import Blob
from proxy.artifacts.store import BlobStore
from proxy.conda.names import FileName
from proxy.conda.notices import empty_notice, render_notices
from proxy.config.settings import Feed
from proxy.feeds.conda.approved import Approved
from proxy.feeds.conda.approved_subdir import LINEAGE, block_of
from proxy.feeds.conda.channel import Channel
from proxy.feeds.conda.feed import CondaFeed, Located
from proxy.feeds.conda.full_index import FullIndexes
from proxy.feeds.conda.ruling import Place
from proxy.feeds.conda.side_documents import SideDocuments
from proxy.feeds.conda.view import CondaView
from proxy.feeds.curated import APPROVED
from proxy.feeds.keeper import ArtifactRef, Keeper
from proxy.feeds.promotion.selecting import Found
from proxy.feeds.view import gate, refusal
from proxy.feeds.views import Views
from proxy.model.approval import Approval
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.model.verdict import Outcome, Verdict
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

    def takes_from(self) -> Sequence[CondaFeed]:
        return tuple(self.sources.values())

    def subdirs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*super().subdirs(), *sorted(self.approved.subdirs()))))

    async def prefetch(self) -> None:
        await self.approved.warm()
        await super().prefetch()

    async def run_exports(self, subdir: str, *, is_zst: bool, offline: bool = False) -> Blob:
        """Refuse: a run_exports.json is its origin's of today, which nobody has approved."""
        detail = "a curated feed has no run_exports.json: the origin's may change at any time; builds read the package"
        raise Problem("unknown", detail, feed=self.settings.name, artifact=f"{subdir}/run_exports.json")

    async def notices(self) -> bytes:
        """Return notices.json: while nothing is approved, why there is nothing; else how much a policy hides."""
        if any(self.approved.has(subdir) for subdir in self.approved.subdirs()):
            return await super().notices()
        today = self._clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        return render_notices([empty_notice(self.settings.name, today)])

    async def locate(self, subdir: str, file: FileName, *, offline: bool = False) -> Located:
        path = f"{subdir}/{file.file}"
        approval = self.approved.active(subdir, file)
        if approval is None:
            former = self.approved.revoked(subdir, file)
            if former is None:
                raise not_approved(self.settings.name, path, file.name)
            raise refusal(self.settings.name, path, _revoked(former), name=file.name)
        _, view = await self.view(subdir, file.name, offline=offline)
        record = gate(view, path, path)
        if record is None:
            raise not_approved(self.settings.name, path, file.name)
        return Located(record, self._pinned(approval, file), view.noted.get(path))

    def origin_of(self, subdir: str, file: FileName, located: Located) -> str:
        approval = self.approved.active(subdir, file)
        return approval.upstream if approval is not None else located.ref.upstream

    def amended(self, view: CondaView, subdir: str) -> CondaView:
        """Return the view with the files that were approved once."""
        former = {each.artifact: _revoked(each) for each in self.approved.all_revoked(subdir, view.name)}
        return replace(view, hidden={**view.hidden, **former}) if former else view

    def approved_names(self) -> tuple[str, ...]:
        return tuple(
            sorted({name for subdir in self.approved.subdirs() for name in self.approved.names(subdir)})
        )

    def approvers(self, name: str, path: str) -> Sequence[str]:
        subdir = path.partition("/")[0]
        return [each.actor for each in self.approved.of(subdir, name) if each.artifact == path]

    def judged(self, found: Sequence[Found]) -> Mapping[str, Verdict]:
        """Return what the feed would hide of these files if they were approved: its policy, its subdirs. Blocks."""
        ruling = self.channel.ruling
        hidden: dict[str, Verdict] = {}
        for (subdir, name), of_name in _by_name(found).items():
            if not self.channel.serves(subdir):
                why = f"{self.settings.name} serves {', '.join(self.settings.subdirs)} and not {subdir} (subdirs)"
                hidden |= dict.fromkeys(
                    (each.artifact for each in of_name), Verdict(Outcome.BLOCK, "subdirs", why)
                )
                continue
            if ruling is None:
                continue
            files = {each.artifact.partition("/")[2]: each.record for each in of_name}
            known = {each.artifact.partition("/")[2]: each.record for each in self.approved.of(subdir, name)}
            block = block_of(name, known | files)
            needed = dict.fromkeys(files, "this promotion")
            verdicts = ruling.judged(block, Place(subdir, LINEAGE), needed).hidden
            hidden |= {path: why for path, why in verdicts.items() if path.partition("/")[2] in files}
        return hidden

    async def close(self) -> None:
        self.approved.close()
        await super().close()

    # -- parts ---------------------------------------------------------------------------------------------

    def _pinned(self, approval: Approval, file: FileName) -> ArtifactRef:
        return ArtifactRef(
            self.settings.name, approval.name, APPROVED, approval.origin_url, file.file, approval.sha256,
            approval.size, subdir=approval.artifact.partition("/")[0],
        )  # fmt: skip


def not_approved(feed: str, artifact: str, name: str) -> Problem:
    """Return what is said of a name or a file of it that nobody has approved."""
    return Problem(
        "not-approved", f"nobody has approved it for {feed}; ask a reviewer of this feed to promote it",
        feed=feed, artifact=artifact, name=name, explain=f"/api/v1/feeds/{feed}/explain?artifact={quote(artifact)}",
    )  # fmt: skip


def _revoked(approval: Approval) -> Verdict:
    reason = f": {approval.reason}" if approval.reason else ""
    return Verdict(Outcome.BLOCK, "approval", f"its approval was revoked{reason}", "revoked")


def _by_name(found: Iterable[Found]) -> dict[tuple[str, str], list[Found]]:
    names: dict[tuple[str, str], list[Found]] = {}
    for each in found:
        names.setdefault((each.artifact.partition("/")[0], each.name), []).append(each)
    return names
