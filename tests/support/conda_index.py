"""The index files of a channel, written as conda-index writes them and by nothing of ours (CEP 12, 16, 36, 38)."""

import bz2
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import zstandard

Record = dict[str, Any]
Records = dict[str, Record]
#: The two sections of an index: "packages" and "packages.conda".
Sections = dict[str, Records]

HASHES = ("md5", "sha256", "legacy_bz2_md5")


@dataclass(slots=True)
class Listed:
    """What one subdir lists. Whoever changes it counts `version` up."""

    records: Records = field(default_factory=dict)
    run_exports: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    #: Keys of the top that replace the honest ones; `info` is merged.
    top: dict[str, Any] = field(default_factory=dict)
    #: The whole repodata.json, where a test gives it.
    verbatim: bytes | None = None
    version: int = 0


def sections(records: Mapping[str, Record]) -> Sections:
    """Part records by the extension of their files; what has neither is listed with `.conda`."""
    tar = {file: record for file, record in sorted(records.items()) if file.endswith(".tar.bz2")}
    return {
        "packages": tar,
        "packages.conda": {file: record for file, record in sorted(records.items()) if file not in tar},
    }


def repodata(subdir: str, listed: Listed) -> bytes:
    """Return a repodata.json."""
    if listed.verbatim is not None:
        return listed.verbatim
    document = {"info": {"subdir": subdir}, **sections(listed.records), "repodata_version": 1}
    document |= {"removed": sorted(listed.removed)}
    document |= listed.top
    document["info"] = {"subdir": subdir, **listed.top.get("info", {})}
    return _json(document)


def shards(subdir: str, listed: Listed, base_url: str = "") -> tuple[bytes, dict[str, bytes]]:
    """Return the shard index, and the shards by name."""
    document = json.loads(repodata(subdir, listed))
    made: dict[str, bytes] = {}
    digests: dict[str, bytes] = {}
    for name, listed_of in sorted(_by_name(document).items()):
        removed = [file for file in document.get("removed", ()) if file.rsplit("-", 2)[0].lower() == name]
        shard = {section: _binary(found) for section, found in listed_of.items()}
        made[name] = zst(msgspec.msgpack.encode({**shard, "removed": removed}))
        digests[name] = hashlib.sha256(made[name]).digest()
    info = {"base_url": "", **document.get("info", {}), "subdir": subdir, "shards_base_url": base_url}
    info["created_at"] = "2026-11-01T00:00:00Z"
    return zst(msgspec.msgpack.encode({"info": info, "shards": digests, "version": 1})), made


def run_exports(subdir: str, listed: Listed) -> bytes:
    """Return a run_exports.json of every file, those taken out by hot-fixes included."""
    found: Records = {file: {"run_exports": dict(each)} for file, each in listed.run_exports.items()}
    return _json({"info": {"subdir": subdir, "version": 1}, **sections(found)})


def channeldata(subdirs: Mapping[str, Listed]) -> bytes:
    """Return a channeldata.json that describes the file listed last of every name."""
    packages: dict[str, Record] = {}
    for subdir, listed in subdirs.items():
        for file, record in listed.records.items():
            found = packages.setdefault(record["name"], {"subdirs": [], "run_exports": {}})
            found["subdirs"] = sorted({*found["subdirs"], subdir})
            found |= {"version": record["version"], "reference_package": f"{subdir}/{file}", "license": "MIT"}
            found["run_exports"][record["version"]] = dict(listed.run_exports.get(file, {}))
    return _json({"channeldata_version": 1, "packages": packages, "subdirs": sorted(subdirs)})


def packed(document: bytes, packing: str) -> bytes:
    """Return a document in a packing: ".zst", ".bz2" or ""."""
    if packing == ".zst":
        return zst(document)
    return bz2.compress(document, 1) if packing == ".bz2" else document


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(data)


def _by_name(document: Mapping[str, Any]) -> dict[str, Sections]:
    found: dict[str, Sections] = {}
    for section in ("packages", "packages.conda"):
        for file, record in (document.get(section) or {}).items():
            name = file.rsplit("-", 2)[0].lower()
            found.setdefault(name, {"packages": {}, "packages.conda": {}})[section][file] = record
    return found


def _binary(records: Records) -> Records:
    return {
        file: {key: _hash(key, value) for key, value in record.items()} for file, record in records.items()
    }


def _hash(key: str, value: Any) -> Any:
    if key not in HASHES or not isinstance(value, str):
        return value
    try:
        return bytes.fromhex(value)
    except ValueError:
        return value


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
