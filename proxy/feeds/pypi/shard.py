"""The stored shard of a PyPI project: what an upstream offers, when each file was first seen, what is held already.

An origin's page becomes a shard when it is taken in; the view of a feed that is another feed's upstream becomes one
too, so that the other feed judges on top of what this one shows, and tells what it hides.
"""

from collections.abc import Iterable, Mapping

import msgspec

from proxy.model.sights import Change, Sights
from proxy.model.verdict import Outcome, Verdict
from proxy.pypi.distribution import Distribution
from proxy.pypi.names import FileKind
from proxy.pypi.project import Project

#: Raised when the stored form changes, so that older shards are refetched and documents rendered again.
FORMAT = 2


class Shard(msgspec.Struct, frozen=True, array_like=True):
    """A project with the files that are offered, and what is known of them beyond the page."""

    format: int
    project: Project
    #: feed path -> why it is hidden, whatever this feed's policy says.
    hidden: dict[str, Verdict] = {}
    #: file name -> UTC milliseconds of its first sight, and whether the first listing had it.
    sights: dict[str, tuple[int, bool]] = {}
    #: False while a document did not come that tells what a poor page does not, such as upload times.
    is_complete: bool = True
    #: Set where the upstream hides the whole name.
    verdict: Verdict | None = None
    #: file name -> what the origin lists under it by now, of those whose digest changed: for reviewers only.
    changed: dict[str, Distribution] = {}
    #: file name -> what changed about it, of the same.
    changes: dict[str, Change] = {}
    #: file name, as the page spells it -> why its entry was left out, and since when (UTC milliseconds).
    dropped: dict[str, tuple[str, int]] = {}
    #: Since when the origin has the project quarantined (UTC milliseconds); 0: it has not.
    quarantined_ms: int = 0


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


def served(shard: Shard) -> Shard:
    """Return the shard without METADATA of what is no wheel: none is served here, whatever the origin announces."""
    files = shard.project.files
    if all(file.core_metadata is False or file.kind is FileKind.WHEEL for file in files):
        return shard
    served = tuple(
        file if file.kind is FileKind.WHEEL else msgspec.structs.replace(file, core_metadata=False)
        for file in files
    )
    project = msgspec.structs.replace(shard.project, files=served)
    return msgspec.structs.replace(shard, project=project)


def shard_of(
    project: Project, sights: Sights, previous: Shard | None, *, is_complete: bool = True,
    dropped: Iterable[tuple[str, str]] = (),
) -> Shard:  # fmt: skip
    """Return the shard in which every drifted file is the one seen first, or hidden where that is not known.

    `dropped` are (file name, why) of the entries that were left out.
    """
    listed = files = project.files
    hidden = dict[str, Verdict]()
    if sights.drifted:
        files = _first_seen(files, sights.drifted, previous)
        reachable = {file.path for file in files}
        hidden = {
            file.path: Verdict(Outcome.HOLD, "drift", sights.drifted[file.filename], "held")
            for file in project.files
            if file.filename in sights.drifted and file.path not in reachable
        }
        project = msgspec.structs.replace(project, files=files)
    changed = {file.filename: file for file in listed if file.filename in sights.drifted}
    before = previous.dropped if previous is not None else {}
    left_out = {file: (why, before.get(file, ("", sights.at_ms))[1]) for file, why in dropped}
    since_ms = (previous.quarantined_ms if previous is not None else 0) or sights.at_ms
    return Shard(
        FORMAT, project, hidden, dict(sights.first), is_complete, None, changed,
        dict(sights.changes), left_out, since_ms if project.status == "quarantined" else 0,
    )  # fmt: skip


def _first_seen(
    files: tuple[Distribution, ...], drifted: Mapping[str, str], previous: Shard | None
) -> tuple[Distribution, ...]:
    first = {file.filename: file for file in previous.project.files} if previous is not None else {}
    kept = (first.get(file.filename) if file.filename in drifted else file for file in files)
    return tuple(file for file in kept if file is not None)


def with_accepted(data: bytes, filename: str, first_ms: int) -> bytes | None:
    """Return the stored shard in which a changed file is as the origin lists it now; None if it is so already.

    `first_ms` is when the origin told it first, in UTC milliseconds.
    """
    shard = unpack(data)
    taken = shard.changed.get(filename) if shard is not None else None
    if shard is None or taken is None:
        return None
    listed = shard.project.files
    files = tuple(taken if file.filename == filename else file for file in listed)
    project = msgspec.structs.replace(shard.project, files=files if files != listed else (*listed, taken))
    changed = msgspec.structs.replace(
        shard, project=project,
        hidden={path: verdict for path, verdict in shard.hidden.items() if path.rpartition("/")[2] != filename},
        sights=shard.sights | {filename: (first_ms, False)},
        changed={name: file for name, file in shard.changed.items() if name != filename},
        changes={name: change for name, change in shard.changes.items() if name != filename},
    )  # fmt: skip
    return pack(changed)


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
