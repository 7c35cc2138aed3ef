"""How approvals of PyPI files differ from what their source offers by now (`promotion.comparing.Comparing`).

Compared is what an installer acts on: the bytes, whether the file is yanked and why, requires-python, the upload time.
Where a file lies, how its METADATA is told of and its attestations may change without anybody having to decide.
"""

from collections.abc import Callable, Mapping, Sequence

from proxy.feeds.pypi.feed import PypiFeed
from proxy.feeds.pypi.pinned import pin, unpin
from proxy.feeds.pypi.shard import Shard
from proxy.model.approval import Approval, Drift
from proxy.model.digest import Sha256
from proxy.pypi.distribution import Distribution

_FACTS = ("requires_python", "upload_time")


class PypiComparing:
    """The PyPI feeds of a site, by name."""

    def __init__(self, feeds: Callable[[str], PypiFeed | None]) -> None:
        self._feeds = feeds

    async def compare(
        self, source: str, name: str, approvals: Sequence[Approval], now_ms: int
    ) -> Mapping[str, Drift | None]:
        feed = self._feeds(source)
        if feed is None:
            return {}
        behind = await feed.viewer.shard(name)
        shard = behind[0] if behind is not None else None
        found = ((approval, _compared(approval, shard, now_ms)) for approval in approvals)
        return {
            approval.id: drift for approval, drift in found if drift is not approval.drift or drift is None
        }


def _compared(approval: Approval, shard: Shard | None, now_ms: int) -> Drift | None:
    if shard is None:
        return Drift("withdrawn", "the origin has no such project any more", now_ms)
    if shard.project.status == "quarantined":
        why = shard.project.status_reason
        return Drift("quarantined", why or "the origin gives no reason", now_ms)
    pinned = unpin(approval.record).file
    changed = shard.changed.get(approval.artifact)
    present = changed or next(
        (file for file in shard.project.files if file.filename == approval.artifact), None
    )
    if present is None:
        # Hidden by a feed between here and the origin: nobody knows what is there.
        is_hidden = any(
            path.endswith(f"/{approval.artifact}") and verdict.rule != "approval"
            for path, verdict in shard.hidden.items()
        )
        if is_hidden:
            return approval.drift
        return Drift("withdrawn", "the origin lists this file no more", now_ms)
    reason = _difference(approval, pinned, present)
    if reason is None:
        return None
    sha256 = Sha256(present.sha256) if present.sha256 is not None else None
    return Drift("drifted", reason, now_ms, sha256, present.size, pin(shard, present), present.url)


def _difference(approval: Approval, pinned: Distribution, present: Distribution) -> str | None:
    if present.sha256 is not None and present.sha256 != approval.sha256:
        return f"the origin's file has the sha256 {present.sha256} by now"
    for name, value in present.hashes.items():
        if pinned.hashes.get(name, value) != value:
            return f"the origin's file has another {name} by now"
    if present.yanked != pinned.yanked:
        if present.yanked is False:
            return "the origin has taken its yank back"
        return (
            f"the origin has yanked it: {present.yanked}"
            if isinstance(present.yanked, str)
            else "the origin has yanked it"
        )
    for fact in _FACTS:
        before, after = getattr(pinned, fact), getattr(present, fact)
        if before != after:
            return f"the origin tells another {fact.replace('_', '-')}: {after!r} instead of {before!r}"
    return None
