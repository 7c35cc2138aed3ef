"""URLs: what a path below a conda feed asks for (fact sheet 1). The one table of what is served; all else is 404.

The path is what the inbound door made of the request: decoded once, canonical, without the feed. `+` and `%2B` are
one by then (fact sheet 16); a percent sign that is left was encoded twice and belongs to no name. Index forms that
are not rendered from the view (`current_repodata.json`, `.bz2`, JLAP, `patch_instructions.json`, human pages) do not
exist.
"""

import re
from dataclasses import dataclass

from proxy.conda.names import FileName, is_subdir, parse_file
from proxy.model.digest import Sha256

_HEX = re.compile(r"[0-9a-f]{64}\Z")
_SHARD = ".msgpack.zst"
_SIGS = ".sigs."


@dataclass(frozen=True, slots=True)
class RepodataJson:
    subdir: str


@dataclass(frozen=True, slots=True)
class RepodataZst:
    subdir: str


@dataclass(frozen=True, slots=True)
class ShardIndexFile:
    subdir: str


@dataclass(frozen=True, slots=True)
class Shard:
    subdir: str
    digest: Sha256


@dataclass(frozen=True, slots=True)
class RunExports:
    subdir: str
    is_zst: bool


@dataclass(frozen=True, slots=True)
class Package:
    subdir: str
    file: FileName


@dataclass(frozen=True, slots=True)
class Sigs:
    """The side-car of a package file: a sigstore bundle, named by its own digest."""

    subdir: str
    file: FileName
    digest: Sha256


@dataclass(frozen=True, slots=True)
class ChannelData:
    pass


@dataclass(frozen=True, slots=True)
class Notices:
    pass


@dataclass(frozen=True, slots=True)
class NotServed:
    pass


InSubdir = RepodataJson | RepodataZst | ShardIndexFile | Shard | RunExports | Package | Sigs
Target = InSubdir | ChannelData | Notices | NotServed


def target(path: str) -> Target:
    """Return what `path` (below the feed, without a leading slash) asks for. Whether it exists is not decided here."""
    subdir, slash, file = path.partition("/")
    if not slash:
        return _at_top(path)
    return _in_subdir(subdir, file) if is_subdir(subdir) else NotServed()


def _at_top(file: str) -> Target:
    match file:
        case "channeldata.json":
            return ChannelData()
        case "notices.json":
            return Notices()
        case _:
            return NotServed()


def _in_subdir(subdir: str, file: str) -> InSubdir | NotServed:
    match file:
        case "repodata.json":
            return RepodataJson(subdir)
        case "repodata.json.zst":
            return RepodataZst(subdir)
        case "repodata_shards.msgpack.zst":
            return ShardIndexFile(subdir)
        case "run_exports.json" | "run_exports.json.zst":
            return RunExports(subdir, file.endswith(".zst"))
        case _:
            return _named(subdir, file)


def _named(subdir: str, file: str) -> InSubdir | NotServed:
    if file.endswith(_SHARD):
        digest = file.removesuffix(_SHARD)
        return Shard(subdir, Sha256(digest)) if _HEX.match(digest) else NotServed()
    name, sigs, digest = file.partition(_SIGS)
    package = parse_file(name)
    if package is None:
        return NotServed()
    if not sigs:
        return Package(subdir, package)
    return Sigs(subdir, package, Sha256(digest)) if _HEX.match(digest) else NotServed()


def path_of(asked: InSubdir) -> str:
    """Return the path, below a channel, of what is served in a subdir: ours, and the origin's."""
    match asked:
        case RepodataJson(subdir):
            return f"{subdir}/repodata.json"
        case RepodataZst(subdir):
            return f"{subdir}/repodata.json.zst"
        case ShardIndexFile(subdir):
            return f"{subdir}/repodata_shards.msgpack.zst"
        case Shard(subdir, digest):
            return f"{subdir}/{digest}{_SHARD}"
        case RunExports(subdir, is_zst):
            return f"{subdir}/run_exports.json{'.zst' if is_zst else ''}"
        case Package(subdir, file):
            return f"{subdir}/{file.file}"
        case Sigs(subdir, file, digest):
            return f"{subdir}/{file.file}{_SIGS}{digest}"
