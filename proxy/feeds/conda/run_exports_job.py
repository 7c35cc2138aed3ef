"""The child's part of run_exports.json: what the upstreams say of their files, narrowed to those that are shown."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from proxy.conda.names import parse_file
from proxy.conda.pack import BadPack
from proxy.conda.run_exports import BadRunExports, filter_run_exports
from proxy.feeds.conda.packs import Generation, open_generation


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: one subdir's generation, and the upstreams' own documents by upstream, as files."""

    folder: str
    stem: str
    subdir: str
    upstreams: tuple[str, ...]
    documents: dict[str, str]
    is_zst: bool
    out: str


class _File(msgspec.Struct, rename={"conda": "packages.conda"}):
    packages: dict[str, msgspec.Raw] = {}
    conda: dict[str, msgspec.Raw] = {}


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Write the document; return {"sha256"}, or {"damaged": subdir} where the generation cannot be read."""
    asked = msgspec.convert(order, Order)
    try:
        return _written(asked)
    except (BadPack, FileNotFoundError):
        return {"damaged": asked.subdir}


def _written(asked: Order) -> dict[str, Any]:
    generation = open_generation(Path(asked.folder), asked.stem)
    packages: dict[str, msgspec.Raw] = {}
    conda: dict[str, msgspec.Raw] = {}
    for upstream, path in asked.documents.items():
        owned = _Owned(generation, asked.upstreams, upstream)
        try:
            kept = filter_run_exports(Path(path).read_bytes(), asked.subdir, owned)
        except BadRunExports:
            continue
        found = msgspec.json.decode(kept, type=_File)
        packages = found.packages | packages
        conda = found.conda | conda
    info = {"subdir": asked.subdir, "version": 1}
    document = {"info": info, "packages": packages, "packages.conda": conda}
    text = msgspec.json.encode(document, order="sorted")
    data = zstandard.ZstdCompressor(level=3).compress(text) if asked.is_zst else text
    Path(asked.out).write_bytes(data)
    return {"sha256": hashlib.sha256(data).hexdigest()}


class _Owned:
    """The shown files that one upstream owns, as a container: a name is read when it is first asked for."""

    def __init__(self, generation: Generation, upstreams: Sequence[str], upstream: str) -> None:
        self._snapshot = generation.snapshot
        self._upstreams = upstreams
        self._upstream = upstream
        self._files: dict[str, frozenset[str]] = {}

    def __contains__(self, file: object) -> bool:
        parsed = parse_file(file) if isinstance(file, str) else None
        if parsed is None:
            return False
        if parsed.name not in self._files:
            self._files[parsed.name] = self._listed(parsed.name)
        return parsed.file in self._files[parsed.name]

    def _listed(self, name: str) -> frozenset[str]:
        entry = self._snapshot.pack.entries.get(name)
        if entry is None:
            return frozenset()
        place = entry.source[0] if len(self._upstreams) > 1 else 0
        if self._upstreams[place] != self._upstream:
            return frozenset()
        block = self._snapshot.block(name)
        return frozenset(block.facts()) if block is not None else frozenset()
