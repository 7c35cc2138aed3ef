"""What an approval of a PyPI file pins, and the shard that approvals make. Pure.

Pinned is the file with every field that the source showed (upload time, yanked, requires-python, the hash of its
METADATA), the project's state, and when this server first saw the file, so that a policy's age counts as it
did. A shard made of approvals is one like any other: what was revoked is hidden in it with its reason, and a quarantine
at the origin is the project's state until it is lifted there.
"""

from collections.abc import Iterable, Mapping

import msgspec

from proxy.feeds.curated import OfName
from proxy.feeds.pypi import shard as stored
from proxy.feeds.pypi.shard import Shard
from proxy.model.approval import Approval
from proxy.model.verdict import Outcome, Verdict
from proxy.pypi.distribution import Distribution
from proxy.pypi.order import in_order
from proxy.pypi.project import Project


class Pinned(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One file. Fields are appended, never reordered: this is kept for years."""

    file: Distribution
    status: str | None = None
    status_reason: str | None = None
    #: UTC milliseconds of its first sight, and whether the first listing of its project had it.
    first_ms: int | None = None
    is_initial: bool = False
    is_complete: bool = True


_DECODER = msgspec.msgpack.Decoder(Pinned)


def pin(shard: Shard, file: Distribution) -> bytes:
    """Return what an approval of a file of the shard keeps."""
    project = shard.project
    first_ms, is_initial = shard.sights.get(file.filename, (None, False))
    pinned = Pinned(file, project.status, project.status_reason, first_ms, is_initial, shard.is_complete)
    return msgspec.msgpack.encode(pinned)


def with_sha256(record: bytes, sha256: str, size: int) -> bytes:
    """Return the record of a file whose digest only its bytes told."""
    pinned = unpin(record)
    hashes = {**pinned.file.hashes, "sha256": sha256}
    file = msgspec.structs.replace(pinned.file, hashes=hashes, size=size)
    return msgspec.msgpack.encode(msgspec.structs.replace(pinned, file=file))


def unpin(record: bytes) -> Pinned:
    """Return what was pinned. Raises msgspec.DecodeError for bytes that are none: the state is damaged."""
    return _DECODER.decode(record)


def build(of_name: OfName) -> bytes:
    """Return the packed shard of a name."""
    return stored.pack(shard_of(of_name))


def shard_of(of_name: OfName) -> Shard:
    """Return what a curated feed knows of a name."""
    pinned = {artifact: unpin(approval.record) for artifact, approval in of_name.active.items()}
    files = in_order(_without_provenance(each.file) for each in pinned.values())
    status, reason = _status(of_name.active.values(), pinned)
    paths = {file.path for file in files}
    hidden = {path: verdict for path, verdict in _revoked(of_name.revoked) if path not in paths}
    sights = {
        each.file.filename: (each.first_ms, each.is_initial)
        for each in pinned.values()
        if each.first_ms is not None
    }
    is_complete = all(each.is_complete for each in pinned.values())
    project = Project(of_name.name, files, status=status, status_reason=reason)
    verdict = None if files else not_approved(f"nothing of {of_name.name} is approved (any more)")
    return Shard(stored.FORMAT, project, hidden, sights, is_complete, verdict)


def _without_provenance(file: Distribution) -> Distribution:
    """Return the file without its attestations: they are the origin's of today, which nobody has approved."""
    return msgspec.structs.replace(file, provenance=None)


def not_approved(reason: str) -> Verdict:
    return Verdict(Outcome.BLOCK, "approval", reason, "not-approved")


def _status(approvals: Iterable[Approval], pinned: Mapping[str, Pinned]) -> tuple[str | None, str | None]:
    """Return the project's state: quarantined as soon as the origin says so, else as at the last approval."""
    latest: Approval | None = None
    for approval in approvals:
        if approval.drift is not None and approval.drift.kind == "quarantined":
            return "quarantined", approval.drift.reason
        if latest is None or approval.at_ms >= latest.at_ms:
            latest = approval
    if latest is None:
        return None, None
    state = pinned[latest.artifact]
    # It was approved in spite of it, under a policy that keeps what is quarantined.
    return (None, None) if state.status == "quarantined" else (state.status, state.status_reason)


def _revoked(approvals: Mapping[str, Approval]) -> Iterable[tuple[str, Verdict]]:
    for approval in approvals.values():
        why = f": {approval.reason}" if approval.reason else ""
        path = unpin(approval.record).file.path
        yield path, Verdict(Outcome.BLOCK, "approval", f"its approval was revoked{why}", "revoked")
