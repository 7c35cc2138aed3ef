"""The child's part of channeldata.json: every record is looked at, which a serving process never does."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from proxy.conda.channeldata import Visible, filter_channeldata
from proxy.feeds.conda.packs import open_generation


class Part(msgspec.Struct, frozen=True):
    """One subdir's generation; `upstreams` by the place that a composed generation notes with its names."""

    subdir: str
    folder: str
    stem: str
    upstreams: tuple[str, ...]


@dataclass(slots=True)
class _Seen:
    upstream: str
    versions: set[str] = field(default_factory=set)
    subdirs: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


class _File(msgspec.Struct):
    packages: dict[str, msgspec.Raw] = {}


def run(parts: list[dict[str, Any]], documents: dict[str, str], out: str) -> dict[str, Any]:
    """Write the feed's channeldata.json; `documents` are the upstreams' own, as files. Returns {"names"}."""
    asked = msgspec.convert(parts, list[Part])
    seen = _seen(asked)
    subdirs = sorted({part.subdir for part in asked})
    packages: dict[str, msgspec.Raw] = {}
    for upstream, path in documents.items():
        owned = {name: _visible(each) for name, each in seen.items() if each.upstream == upstream}
        document = filter_channeldata(Path(path).read_bytes(), owned, subdirs)
        packages |= msgspec.json.decode(document, type=_File).packages
    text = {"channeldata_version": 1, "packages": dict(sorted(packages.items())), "subdirs": subdirs}
    Path(out).write_bytes(msgspec.json.encode(text))
    return {"names": len(packages)}


def _seen(parts: Iterable[Part]) -> dict[str, _Seen]:
    found: dict[str, _Seen] = {}
    for part in parts:
        snapshot = open_generation(Path(part.folder), part.stem).snapshot
        for name in snapshot:
            block = snapshot.block(name)
            if block is None or block.is_empty:
                continue
            place = snapshot.pack.entries[name].source[0] if len(part.upstreams) > 1 else 0
            seen = found.setdefault(name, _Seen(part.upstreams[place]))
            facts = block.facts()
            seen.versions.update(each.version for each in facts.values())
            seen.files.update(f"{part.subdir}/{file}" for file in facts)
            seen.subdirs.add(part.subdir)
    return found


def _visible(seen: _Seen) -> Visible:
    return Visible(_newest(seen.versions), seen.versions, seen.subdirs, seen.files)


def _newest(versions: set[str]) -> str:
    """Return the highest version in conda's order (CEP 33)."""
    if len(versions) == 1:
        return next(iter(versions))
    from rattler import Version

    return max(versions, key=lambda text: Version(text))
