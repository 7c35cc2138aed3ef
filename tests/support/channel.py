"""A fake conda channel on an `Origin`. Everything may be changed at run time.

    channel = FakeChannel(origin)                     # like today's channels: shards and .zst
    channel = FakeChannel(origin, OLD)                # .bz2 and .json only, md5 only, no validators
    channel.add(package("tool", noarch="python"), python())
    channel.patch("tool-1.0-0.conda", depends=["python <4"])
    feed = channel.url                                # ends in a slash, has no subdir

Faults are the origin's: `origin.always(channel.path("noarch", "repodata.json.zst"), Fault(status=500))`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from tests.support.answers import Received, Resource
from tests.support.conda_index import Listed, Record, channeldata, packed, repodata, run_exports, shards
from tests.support.conda_packages import Package
from tests.support.origin import Origin

SHARD_INDEX = "repodata_shards.msgpack.zst"
_FULL = {"repodata.json.zst": ".zst", "repodata.json.bz2": ".bz2", "repodata.json": ""}
_CHANGED = "Mon, 02 Nov 2026 09:{:02d}:{:02d} GMT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a channel offers. The default is a channel of today."""

    #: CEP 16.
    shards: bool = True
    shards_base_url: str = ""
    zst: bool = True
    bz2: bool = False
    json: bool = True
    etags: bool = True
    last_modified: bool = False
    run_exports: bool = False
    channeldata: bool = False
    #: The hashes of records; the others are left out.
    hashes: tuple[str, ...] = ("md5", "sha256")
    #: Fields added to every index.
    headers: tuple[tuple[str, str], ...] = ()


SHARDED = Shape()
FULL = Shape(shards=False)
OLD = Shape(shards=False, zst=False, bz2=True, etags=False, hashes=("md5",))


class FakeChannel:
    """Packages and their indexes, shown on an origin. `prefix` is the channel's path."""

    def __init__(self, origin: Origin, shape: Shape = SHARDED, *, prefix: str = "/chan") -> None:
        self._origin = origin
        self._prefix = prefix
        self.shape = shape
        self.subdirs: dict[str, Listed] = {}
        #: `subdir/file` -> bytes: listed or not, a channel keeps its files for long.
        self.hosted: dict[str, bytes] = {}
        #: Shards that any index has named; a channel keeps these too.
        self.shards: dict[str, bytes] = {}
        self._made: dict[tuple[str, str, int, Shape], bytes] = {}
        origin.serve(f"{prefix}/", self._answer)

    # -- where things are

    @property
    def url(self) -> str:
        return f"{self._origin.url}{self._prefix}/"

    def path(self, subdir: str, file: str) -> str:
        """Return the path at the origin."""
        return f"{self._prefix}/{subdir}/{file}"

    def asked(self) -> list[str]:
        """Return what was asked for since the origin forgot: `METHOD subdir/file`, oldest first."""
        own = [seen for seen in self._origin.requests if seen.path.startswith(f"{self._prefix}/")]
        return [f"{seen.method} {seen.path.removeprefix(f'{self._prefix}/')}" for seen in own]

    def record(self, subdir: str, file: str) -> Record:
        """Return the record as the channel lists it."""
        return self._sound(self.subdirs[subdir].records[file])

    def shard_files(self, subdir: str) -> dict[str, str]:
        """Return name -> file of its shard, as the index of this moment has it."""
        _, made = shards(subdir, self._shown(subdir))
        return {name: f"{hashlib.sha256(data).hexdigest()}.msgpack.zst" for name, data in made.items()}

    # -- changing it

    def reshape(self, **changes: Any) -> None:
        """Turn switches of the shape while it runs."""
        self.shape = replace(self.shape, **changes)

    def subdir(self, subdir: str) -> Listed:
        """Return a subdir to be changed; it exists from now on, if only empty."""
        listed = self.subdirs.setdefault(subdir, Listed())
        listed.version += 1
        return listed

    def add(self, *packages: Package) -> None:
        """List packages and host their bytes."""
        for each in packages:
            listed = self.subdir(each.subdir)
            listed.records[each.file] = dict(each.record)
            listed.run_exports[each.file] = each.run_exports
            self.hosted[f"{each.subdir}/{each.file}"] = each.data

    def put_record(self, subdir: str, file: str, record: Record) -> None:
        """List any record under any file name: defects."""
        self.subdir(subdir).records[file] = record

    def patch(self, subdir: str, file: str, **fields: Any) -> None:
        """Hot-fix a record; `...` takes a field away."""
        records = self.subdir(subdir).records
        fixed = records[file] | fields
        records[file] = {key: value for key, value in fixed.items() if value is not ...}

    def remove(self, subdir: str, file: str, *, bytes_too: bool = False) -> None:
        """Take a file off the index; the channel keeps the bytes unless told otherwise."""
        listed = self.subdir(subdir)
        del listed.records[file]
        if bytes_too:
            del self.hosted[f"{subdir}/{file}"]

    def take_out(self, subdir: str, file: str) -> None:
        """Remove a file by a hot-fix: its record goes, `removed` names it, its bytes stay."""
        self.remove(subdir, file)
        self.subdirs[subdir].removed.append(file)

    def drop(self, subdir: str) -> None:
        """Take a whole subdir away."""
        del self.subdirs[subdir]

    def put(self, subdir: str, document: bytes) -> None:
        """Answer with this as the subdir's repodata.json, and with whatever is packed from it."""
        self.subdir(subdir).verbatim = document

    def sign(self, subdir: str, file: str, bundle: bytes = b'{"mediaType":"bundle"}') -> str:
        """Give a file a signature side-car; return the side-car's file name."""
        digest = hashlib.sha256(bundle).hexdigest()
        self.patch(subdir, file, attestations_sha256=digest)
        self.hosted[f"{subdir}/{file}.sigs.{digest}"] = bundle
        return f"{file}.sigs.{digest}"

    # -- answering

    def _answer(self, request: Received) -> Resource | None:
        path = unquote(request.path.removeprefix(f"{self._prefix}/"))
        subdir, _, file = path.partition("/")
        if path == "channeldata.json" and self.shape.channeldata:
            return self._document(channeldata(self.subdirs), 0)
        if path in self.hosted:
            return self._file(self.hosted[path])
        digest = file.rpartition("/")[2].removesuffix(".msgpack.zst")
        if digest in self.shards:
            return Resource(self.shards[digest], ranges=False)
        if subdir not in self.subdirs:
            return None
        body = self._index(subdir, file)
        return None if body is None else self._document(body, self.subdirs[subdir].version)

    def _index(self, subdir: str, file: str) -> bytes | None:
        if file not in set(self._offered()):
            return None
        key = (subdir, file, self.subdirs[subdir].version, self.shape)
        if key not in self._made:
            self._made[key] = self._render(subdir, file)
        return self._made[key]

    def _offered(self) -> Iterator[str]:
        shape = self.shape
        yield from [SHARD_INDEX] * shape.shards
        yield from [
            f"repodata.json{packing}" for packing, has in ((".zst", shape.zst), (".bz2", shape.bz2)) if has
        ]
        yield from ["repodata.json"] * shape.json
        yield from ["run_exports.json", "run_exports.json.zst"] * shape.run_exports

    def _render(self, subdir: str, file: str) -> bytes:
        listed = self._shown(subdir)
        if file == SHARD_INDEX:
            index, made = shards(subdir, listed, self.shape.shards_base_url)
            self.shards |= {hashlib.sha256(data).hexdigest(): data for data in made.values()}
            return index
        if file.startswith("run_exports"):
            return packed(run_exports(subdir, listed), ".zst" if file.endswith(".zst") else "")
        return packed(repodata(subdir, listed), _FULL[file])

    def _shown(self, subdir: str) -> Listed:
        listed = self.subdirs[subdir]
        return replace(listed, records={file: self._sound(record) for file, record in listed.records.items()})

    def _sound(self, record: Record) -> Record:
        left_out = {"md5", "sha256"} - set(self.shape.hashes)
        return {key: value for key, value in record.items() if key not in left_out}

    def _document(self, body: bytes, version: int) -> Resource:
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"' if self.shape.etags else None
        changed = _CHANGED.format(version // 60, version % 60) if self.shape.last_modified else None
        return Resource(body, "application/json", etag, changed, dict(self.shape.headers), ranges=False)

    def _file(self, data: bytes) -> Resource:
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"' if self.shape.etags else None
        return Resource(data, "application/octet-stream", etag)
