"""The child's part of a large page: read it, and, once first sights are known, pack it. Files in, files out."""

from pathlib import Path
from typing import Any

import msgspec

from proxy.config.settings import Upstream
from proxy.feeds.pypi.index import PypiIndex
from proxy.feeds.shards import BadIndex, Ingested, Received
from proxy.model.redact import SecretUrl
from proxy.model.sights import Sights
from proxy.pypi.project import Project
from proxy.upstream.decode import decode
from proxy.upstream.errors import UpstreamError

#: Reasons that are told.
_MOST_DROPPED = 1000


def ingest(order: dict[str, Any]) -> dict[str, Any]:
    """Read `page` of the folder and write `project`; return what else is told of it, or {"bad": why}."""
    folder = Path(order["folder"])
    try:
        body = decode((folder / "page").read_bytes(), order["coding"], max_bytes=order["most"])
        page = Received(body=body, **order["page"])
        made = _index(order).ingest(
            order["name"], page, _held(folder, "companion"), _held(folder, "previous")
        )
    except BadIndex as bad:
        return {"bad": str(bad)}
    except UpstreamError as bad:
        return {"bad": bad.detail}
    (folder / "project").write_bytes(msgspec.msgpack.encode(made.payload))
    return {
        "files": dict(made.files), "serial": made.serial, "dropped": list(made.dropped)[:_MOST_DROPPED],
        "is_complete": made.is_complete, "is_absent": made.is_absent, "is_empty": made.is_empty,
    }  # fmt: skip


def pack(order: dict[str, Any]) -> dict[str, Any]:
    """Write `shard`, of `project` and `sights` in the folder."""
    folder = Path(order["folder"])
    project = msgspec.msgpack.decode((folder / "project").read_bytes(), type=Project)
    told = (folder / "sights").read_bytes()
    form = tuple[Sights, bool, tuple[tuple[str, str], ...]]
    sights, is_complete, dropped = msgspec.msgpack.decode(told, type=form)
    ingested = Ingested(project, {}, dropped=dropped, is_complete=is_complete)
    packed = _index(order).pack(ingested, sights, _held(folder, "previous"))
    (folder / "shard").write_bytes(packed)
    return {}


def _index(order: dict[str, Any]) -> PypiIndex:
    told = order["index"]
    url, json_api, files_base = told["url"], told["json_api"], told["files_base"]
    upstream = Upstream("large", (SecretUrl(url),), json_api=json_api, files_base=files_base)
    return PypiIndex(upstream, (told["secrets"] or "").splitlines())


def _held(folder: Path, file: str) -> bytes | None:
    path = folder / file
    return path.read_bytes() if path.exists() else None
