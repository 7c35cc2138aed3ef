"""What every kept data folder was made from: an origin with fixed answers, and the feeds in front of it.

The answers lie in `tests/data/formats/origin.json`, so that they stay what they were when the folders were made.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from tests.support.conda_index import Listed, channeldata, repodata, run_exports, shards, zst
from tests.support.conda_packages import bare
from tests.support.origin import Origin
from tests.support.wheels import wheel

DATA = Path(__file__).parents[1] / "data" / "formats"
JSON = "application/vnd.pypi.simple.v1+json"
#: Ports of other tests are on 127.0.0.1; links in held pages name the origin that they came from.
HOST, PORT = "127.45.0.1", 45450
ADMIN = "format-admin-key-0123456789"
READER = "format-reader-key-0123456789"

WHEEL = "demo-1.0-py3-none-any.whl"
PACKAGE = "noarch/tool-1.0-0.conda"

OPEN = """
[[feeds.pypi.upstreams]]
url = "http://{host}:{port}/simple/"
route = "direct"
allow_private = true
retries = 0
files_base = "http://{host}:{port}/packages/"
json_api = "http://{host}:{port}/pypi"
[feeds.pypi]
kind = "pypi"
[feeds.main]
kind = "conda"
subdirs = ["noarch", "linux-64"]
[[feeds.main.upstreams]]
url = "http://{host}:{port}/channel"
route = "direct"
allow_private = true
retries = 0
"""
#: What came with policies, approvals and keys.
JUDGED = """
[policies.strict]
platforms = ["noarch", "linux-64"]
block_licenses = ["GPL-3.0-only"]
unknown_license = "allow"
[feeds.judged]
kind = "pypi"
policy = "strict"
upstreams = [{{ feed = "pypi" }}]
[feeds.narrow]
kind = "conda"
policy = "strict"
subdirs = ["noarch", "linux-64"]
upstreams = [{{ feed = "main" }}]
[feeds.approved]
kind = "pypi"
curated_from = ["pypi"]
[feeds.vetted]
kind = "conda"
curated_from = ["main"]
"""


def config(*, has_approvals: bool) -> str:
    """Return the settings of a kept folder."""
    head = '[server]\nport = 0\nstop_timeout = "2s"\n[log]\nformat = "json"\n'
    text = OPEN + (JUDGED if has_approvals else "")
    return head + text.format(host=HOST, port=PORT)


def resources() -> dict[str, dict[str, str]]:
    """Return the origin's answers by path."""
    return dict(orjson.loads((DATA / "origin.json").read_bytes()))


def body_of(path: str) -> bytes:
    return base64.b64decode(resources()[path]["body"])


def origin() -> Origin:
    """Return the origin, not yet listening."""
    made = Origin(host=HOST, port=PORT)
    for path, told in resources().items():
        body = base64.b64decode(told["body"])
        made.add(path, body, content_type=told["type"], etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    return made


def write_resources() -> None:
    """Make the origin's answers: once, since the kept folders remember their digests."""
    found: dict[str, dict[str, str]] = {}

    def add(path: str, body: bytes, kind: str = "application/octet-stream") -> None:
        found[path] = {"type": kind, "body": base64.b64encode(body).decode()}

    names = ("demo", "leaf")
    for name in names:
        built = wheel(name, "1.0", fields=("License-Expression: MIT",))
        assert built.metadata is not None
        place = f"/packages/py3/{name[0]}/{built.filename}"
        file: dict[str, Any] = {
            "filename": built.filename, "url": f"../..{place}", "hashes": {"sha256": built.sha256},
            "size": len(built.data), "upload-time": "2024-01-01T00:00:00Z",
            "core-metadata": {"sha256": hashlib.sha256(built.metadata).hexdigest()},
        }  # fmt: skip
        page = {"meta": {"api-version": "1.1"}, "name": name, "versions": ["1.0"], "files": [file]}
        add(f"/simple/{name}/", orjson.dumps(page), JSON)
        told = {"info": {"name": name, "version": "1.0", "summary": name}, "releases": {}, "urls": []}
        add(f"/pypi/{name}/json", orjson.dumps(told), "application/json")
        add(place, built.data)
        add(f"{place}.metadata", built.metadata)
    root = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}
    add("/simple/", orjson.dumps(root), JSON)
    listed: dict[str, Listed] = {"noarch": Listed(), "linux-64": Listed()}
    for package in (
        bare("tool", subdir="noarch"),
        bare("lib", subdir="linux-64"),
        bare("far", subdir="linux-64"),
    ):
        listed[package.subdir].records[package.file] = dict(package.record)
        listed[package.subdir].run_exports[package.file] = {"weak": ["lib"]}
        add(f"/channel/{package.subdir}/{package.file}", package.data)
    for subdir, each in listed.items():
        add(f"/channel/{subdir}/repodata.json.zst", zst(repodata(subdir, each)))
        add(f"/channel/{subdir}/run_exports.json.zst", zst(run_exports(subdir, each)))
        index, made = shards(subdir, each)
        if subdir == "noarch":
            add(f"/channel/{subdir}/repodata_shards.msgpack.zst", index)
            for body in made.values():
                add(f"/channel/{subdir}/{hashlib.sha256(body).hexdigest()}.msgpack.zst", body)
    add("/channel/channeldata.json", channeldata(listed), "application/json")
    DATA.mkdir(exist_ok=True)
    (DATA / "origin.json").write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))


def conda_record(subdir: str, file: str) -> Mapping[str, Any]:
    """Return what the origin says of a package."""
    import zstandard

    plain = (
        zstandard.ZstdDecompressor()
        .decompressobj()
        .decompress(body_of(f"/channel/{subdir}/repodata.json.zst"))
    )
    return dict(orjson.loads(plain)["packages.conda"][file])
