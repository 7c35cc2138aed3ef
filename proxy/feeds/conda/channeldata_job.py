"""The child's part of channeldata.json: every record is looked at, which a serving process never does."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from proxy.conda.channeldata import BadChannelData, Visible, filter_channeldata
from proxy.conda.pack import BadPack
from proxy.feeds.conda.packs import open_generation
from proxy.policy.conda_version import BadVersion, version_key


class Part(msgspec.Struct, frozen=True):
    """One subdir's generation; `upstreams` by the place that a composed generation notes with its names."""

    subdir: str
    folder: str
    stem: str
    upstreams: tuple[str, ...]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done; `documents` are the upstreams' own by upstream, as files.

    `is_curated`: there are none, and what is said of a name is what its approved records say.
    """

    parts: tuple[Part, ...]
    documents: dict[str, str]
    out: str
    is_curated: bool = False


@dataclass(slots=True)
class _Seen:
    upstream: str
    versions: set[str] = field(default_factory=set)
    subdirs: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    #: version -> a file of it, and its licence; of several the last in the order of their paths.
    said: dict[str, tuple[str, str | None]] = field(default_factory=dict)


class _File(msgspec.Struct):
    packages: dict[str, msgspec.Raw] = {}


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Write the feed's channeldata.json; return {"sha256"}, or {"damaged": subdir} where one cannot be read."""
    asked = msgspec.convert(order, Order)
    seen: dict[str, _Seen] = {}
    for part in asked.parts:
        try:
            _look(part, seen)
        except (BadPack, FileNotFoundError):
            return {"damaged": part.subdir}
    subdirs = sorted({part.subdir for part in asked.parts})
    packages: dict[str, msgspec.Raw] = {}
    for upstream, path in asked.documents.items():
        owned = {name: _visible(each) for name, each in seen.items() if each.upstream == upstream}
        try:
            document = filter_channeldata(Path(path).read_bytes(), owned, subdirs)
        except BadChannelData:
            continue
        packages = msgspec.json.decode(document, type=_File).packages | packages
    told = {name: _recorded(each) for name, each in seen.items()} if asked.is_curated else packages
    text = {"channeldata_version": 1, "packages": dict(sorted(told.items())), "subdirs": subdirs}
    data = msgspec.json.encode(text)
    Path(asked.out).write_bytes(data)
    return {"sha256": hashlib.sha256(data).hexdigest()}


def _look(part: Part, found: dict[str, _Seen]) -> None:
    snapshot = open_generation(Path(part.folder), part.stem).snapshot
    for name in snapshot:
        block = snapshot.block(name)
        if block is None or block.is_empty:
            continue
        place = snapshot.pack.entries[name].source[0] if len(part.upstreams) > 1 else 0
        seen = found.setdefault(name, _Seen(part.upstreams[place] if part.upstreams else ""))
        facts = block.facts()
        seen.versions.update(each.version for each in facts.values())
        seen.files.update(f"{part.subdir}/{file}" for file in facts)
        seen.subdirs.add(part.subdir)
        for file, each in sorted(facts.items()):
            seen.said[each.version] = max(
                seen.said.get(each.version, ("", None)), (f"{part.subdir}/{file}", each.license)
            )


def _visible(seen: _Seen) -> Visible:
    return Visible(_newest(seen.versions), seen.versions, seen.subdirs, seen.files)


def _recorded(seen: _Seen) -> dict[str, Any]:
    """Return what the records of a name say of it (CEP 38); nobody else's words are known to be approved."""
    newest = _newest(seen.versions)
    reference, license_text = seen.said[newest]
    return {
        "license": license_text, "reference_package": reference, "run_exports": {}, "subdirs": sorted(seen.subdirs),
        "version": newest,
    }  # fmt: skip


def _newest(versions: set[str]) -> str:
    """Return the highest version in conda's order (CEP 33); one that cannot be compared only where all are so."""
    if len(versions) == 1:
        return next(iter(versions))
    return max(sorted(versions), key=_order)


def _order(version: str) -> tuple[Any, ...]:
    try:
        return True, version_key(version)
    except BadVersion:
        return (False,)
