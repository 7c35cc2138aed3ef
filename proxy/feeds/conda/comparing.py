"""How approvals of conda files differ from what their origins list by now (`promotion.comparing.Comparing`).

The origin is looked at, not the source's view: that a policy hides a file does not mean that it was withdrawn, and a
file that changed under its name is shown there as it was seen first (`first_sight`). Of a source that is curated
itself its approvals are looked at. The whole record counts: every field of it is what clients get.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from proxy.conda.names import parse_file
from proxy.conda.pack import BadPack
from proxy.conda.record import facts
from proxy.conda.snapshot import Snapshot
from proxy.feeds.conda.curated_feed import CuratedCondaFeed
from proxy.feeds.conda.edition import Edition
from proxy.feeds.conda.feed import CondaFeed
from proxy.model.approval import Approval, Drift
from proxy.model.digest import Sha256

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class CondaComparing:
    """The conda feeds of a site, by name."""

    def __init__(self, feeds: Callable[[str], CondaFeed | None]) -> None:
        self._feeds = feeds

    async def compare(
        self, source: str, name: str, approvals: Sequence[Approval], now_ms: int
    ) -> Mapping[str, Drift | None]:
        feed = self._feeds(source)
        if isinstance(feed, CuratedCondaFeed):
            return _with_approvals(feed, approvals, now_ms)
        found: dict[str, Drift | None] = {}
        if feed is None:
            return found
        for subdir in {_subdir(each) for each in approvals}:
            if not feed.channel.serves(subdir):
                continue  # our settings leave it out, not the origin
            edition = await feed.channel.edition(subdir)
            of_subdir = [each for each in approvals if _subdir(each) == subdir]
            found |= await asyncio.to_thread(_with_origins, edition, name, of_subdir, now_ms)
        return found


def drift_of(approval: Approval, record: bytes, at_ms: int) -> Drift | None:
    """Return how an approval differs from the record that its origin lists; None: not at all."""
    if record == approval.record:
        return None
    now, then = facts(record), facts(approval.record)
    is_same = now.sha256 == approval.sha256 or (now.sha256 is None and now.md5 == then.md5 is not None)
    digest = approval.sha256 if is_same else Sha256(now.sha256) if now.sha256 is not None else None
    size = approval.size if is_same else now.size
    if is_same:
        reason = f"the origin has changed its record: {', '.join(_changed(approval.record, record))}"
    else:
        reason = f"the origin has other bytes under its name by now, sha256 {digest or 'not told'}"
    return Drift("drifted", reason, at_ms, digest, size, record, approval.origin_url)


def _with_origins(
    edition: Edition | None, name: str, approvals: Sequence[Approval], at_ms: int
) -> dict[str, Drift | None]:
    """Compare the approvals of a name in a subdir; where nobody has such a subdir, they are withdrawn. Blocks."""
    if edition is None or not edition.below:
        return {
            each.id: Drift("withdrawn", "the origin has no such subdir any more", at_ms) for each in approvals
        }
    found: dict[str, Drift | None] = {}
    for upstream, snapshot in _origins(edition):
        of_origin = [each for each in approvals if each.upstream == upstream]
        if not of_origin:
            continue  # of an upstream that is not configured any more nobody can tell
        try:
            listed, removed = _listed(snapshot, name)
        except BadPack:
            continue  # it is made anew, and looked at then
        for each in of_origin:
            found[each.id] = _compared(each, listed, removed, at_ms)
    return found


def _compared(
    approval: Approval, listed: Mapping[str, bytes | None], removed: Sequence[str], at_ms: int
) -> Drift | None:
    file = approval.artifact.partition("/")[2]
    if file not in listed:
        how = "has taken it out with a hot-fix" if file in removed else "lists it no more"
        return Drift("withdrawn", f"the origin {how}", at_ms)
    record = listed[file]
    if record is None:
        return Drift("drifted", "the origin has other bytes under its name by now", at_ms)
    return drift_of(approval, record, at_ms)


def _listed(snapshot: Snapshot, name: str) -> tuple[dict[str, bytes | None], Sequence[str]]:
    """Return file -> the origin's record of now (None: not known), and the files that it has taken out."""
    block = snapshot.block(name)
    listed: dict[str, bytes | None] = {}
    if block is not None:
        listed |= {record.file: record.raw for record in block.records()}
    listed |= {file: None for file in snapshot.top.held if _is_of(file, name)}
    listed |= {file: raw.encode() for file, raw in snapshot.top.changed.items() if _is_of(file, name)}
    return listed, block.removed if block is not None else ()


def _is_of(file: str, name: str) -> bool:
    parsed = parse_file(file)
    return parsed is not None and parsed.name == name


def _origins(edition: Edition) -> Iterator[tuple[str, Snapshot]]:
    """Yield the origins' snapshots by the upstreams' ids, through feeds of this server."""
    for upstream, held in zip(edition.upstreams, edition.below, strict=True):
        if held.edition is not None:
            yield from _origins(held.edition)
        elif held.generation is not None:
            yield upstream, held.generation.snapshot


def _with_approvals(
    source: CuratedCondaFeed, approvals: Sequence[Approval], at_ms: int
) -> dict[str, Drift | None]:
    found: dict[str, Drift | None] = {}
    for approval in approvals:
        there = {each.artifact: each for each in source.approved.of(_subdir(approval), approval.name)}
        found[approval.id] = _with_approval(approval, there.get(approval.artifact), at_ms)
    return found


def _with_approval(approval: Approval, other: Approval | None, at_ms: int) -> Drift | None:
    # Whoever reads this feed reads this, too, and may not know of the other one.
    if other is None:
        return Drift("withdrawn", "the feed that it was approved from does not have it any more", at_ms)
    if (other.sha256, other.record) == (approval.sha256, approval.record):
        return None
    what = "other bytes" if other.sha256 != approval.sha256 else "another record"
    reason = f"the feed that it was approved from has {what} by now"
    return Drift("drifted", reason, at_ms, other.sha256, other.size, other.record, other.origin_url)


def _changed(before: bytes, after: bytes) -> list[str]:
    """Return the fields of a record that differ."""
    old, new = _FIELDS.decode(before), _FIELDS.decode(after)
    return sorted(key for key in old.keys() | new.keys() if _text(old, key) != _text(new, key)) or [
        "their order"
    ]


def _text(fields: Mapping[str, msgspec.Raw], key: str) -> bytes | None:
    return bytes(fields[key]) if key in fields else None


def _subdir(approval: Approval) -> str:
    return approval.artifact.partition("/")[0]
