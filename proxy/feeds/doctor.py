"""The doctor's reading of an index: whole, in a child, by the reader of its kind's intake, and in that one's words.

What one bad record or entry costs is itself, here as there: the index is well, and how many were left out is told.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from proxy.child.folder import temporary_folder
from proxy.child.run import ChildFailed, run_in_child
from proxy.config.settings import Feed, Upstream
from proxy.feeds.pypi.index import is_flat
from proxy.model.finding import Finding
from proxy.pypi.negotiate import UPSTREAM_ACCEPT
from proxy.upstream import doctor
from proxy.upstream.hop import Hop
from proxy.upstream.sight import Sight, Whole
from proxy.upstream.way import Way

_CHILD_BYTES = 8 * 1024**3
_JOBS = {
    "conda": "proxy.feeds.conda.examine_job:run",
    "pypi": "proxy.feeds.pypi.names_job:examine",
}


async def examine(feed: Feed, way_of: Callable[[Upstream], Way]) -> list[Finding]:
    """Return what is found on the ways of a feed, and of the indexes at their ends."""
    return await doctor.examine(feed, way_of, partial(_whole, feed.kind))


def _whole(kind: str, upstream: Upstream, index: str) -> AbstractAsyncContextManager[Whole]:
    return _taken(kind, upstream, index)


@asynccontextmanager
async def _taken(kind: str, upstream: Upstream, index: str) -> AsyncIterator[Whole]:
    async with temporary_folder("feedgate-doctor-") as folder:
        path = folder / "index"
        accept = UPSTREAM_ACCEPT if kind == "pypi" else "*/*"
        read = partial(_read, kind, upstream, index, path)
        yield Whole(path, accept, upstream.max_index_size_bytes, read)


async def _read(kind: str, upstream: Upstream, index: str, path: Path, sight: Sight) -> Hop:
    order = {
        "source": str(path), "index": index, "coding": sight.headers.get("content-encoding", "").strip().lower(),
        "content_type": sight.headers.get("content-type", ""), "most_bytes": upstream.max_index_size_bytes,
        "is_framed": sight.is_framed, "is_flat": kind == "pypi" and is_flat(upstream),
    }  # fmt: skip
    try:
        told = await run_in_child(_JOBS[kind], {"order": order}, memory_bytes=_CHILD_BYTES)
    except ChildFailed as failed:
        return Hop("content", False, f"it could not be taken in: {failed}", "look at this server's log")
    return _hop(told)


def _hop(told: dict[str, Any]) -> Hop:
    if "bad" in told:
        return Hop("content", False, str(told["bad"]))
    left_out, what = told["dropped"], str(told["what"])
    found = f"it is an index of {_counted(told['count'], what)}"
    if not left_out:
        return Hop("content", True, found)
    file, why = told["reasons"][0]
    count = _counted(left_out, what)
    return Hop("content", True, f"{found}, with {count} left out, such as {file} ({why})")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what if number != 1 else what.removesuffix('s')}"
