"""The stored shard of a PyPI project: what the origin lists, and which of it is held because it drifted."""

from collections.abc import Mapping

import msgspec

from proxy.feeds.view import View
from proxy.model.digest import Sha256
from proxy.model.verdict import Outcome, Verdict
from proxy.pypi.distribution import Distribution
from proxy.pypi.project import Project

#: Raised when the stored form changes, so that older shards are refetched and documents rendered again.
FORMAT = 1


class Shard(msgspec.Struct, frozen=True, array_like=True):
    """A project, and feed path -> reason for the files whose digest changed under their name."""

    format: int
    project: Project
    drifted: dict[str, str] = {}


PypiView = View[Project, Distribution]

_DECODER = msgspec.msgpack.Decoder(Shard)


def pack(shard: Shard) -> bytes:
    return msgspec.msgpack.encode(shard)


def unpack(data: bytes) -> Shard | None:
    """Return the shard, or None for bytes that are none of this format: a refetch."""
    try:
        shard = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return shard if shard.format == FORMAT else None


def keep_first(project: Project, drifted: Mapping[str, str], previous: Shard | None) -> Shard:
    """Return the shard in which every drifted file is the one seen first, or hidden where that is not known."""
    if not drifted:
        return Shard(FORMAT, project)
    first = {file.filename: file for file in previous.project.files} if previous is not None else {}
    kept = tuple(first.get(file.filename) if file.filename in drifted else file for file in project.files)
    paths = {file.path: drifted[file.filename] for file in project.files if file.filename in drifted}
    files = tuple(file for file in kept if file is not None)
    reachable = {file.path for file in files}
    return Shard(
        FORMAT, msgspec.structs.replace(project, files=files),
        {path: why for path, why in paths.items() if path not in reachable},
    )  # fmt: skip


def with_core_metadata(data: bytes, filename: str, told: bool | dict[str, str]) -> bytes | None:
    """Return the stored shard with another word about one wheel's METADATA; None if it says so already.

    `told` is what pages say (PEP 714): none, some, or some with these digests.
    """
    shard = unpack(data)
    found = next((file for file in shard.project.files if file.filename == filename), None) if shard else None
    if shard is None or found is None or found.core_metadata == told:
        return None
    files = tuple(
        msgspec.structs.replace(file, core_metadata=told) if file is found else file
        for file in shard.project.files
    )
    project = msgspec.structs.replace(shard.project, files=files)
    return pack(msgspec.structs.replace(shard, project=project))


def view_of(feed: str, name: str, upstream: str, digest: Sha256, shard: Shard) -> PypiView:
    """Return what an open feed shows of the shard: everything, but for quarantine and drift."""
    project = shard.project
    hidden = {path: Verdict(Outcome.HOLD, "drift", why, "held") for path, why in shard.drifted.items()}
    if project.status == "quarantined":
        reason = "the origin has quarantined this project" + (
            f": {project.status_reason}" if project.status_reason else ""
        )
        verdict = Verdict(Outcome.BLOCK, "quarantine", reason, "quarantined")
        return View(
            feed, name, upstream, digest, msgspec.structs.replace(project, files=()), {}, hidden, verdict
        )
    return View(feed, name, upstream, digest, project, {file.path: file for file in project.files}, hidden)
