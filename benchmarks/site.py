"""The bytes that all is measured on, and the origin that has them: `python -m benchmarks.site PORT SCALE`.

Deterministic: the same names, sizes and digests in every run. The origin is the tests' fake one, in a
process of its own; `/control/hits/<path>` tells how often a path was asked for, and a body POSTed to
`/control/same/<name>` lies at `/same/<name>` from then on, so that the peer serves the very bytes that our
server does.
"""

import asyncio
import hashlib
import json
import sys
from dataclasses import dataclass

from tests.support.answers import Pattern, Received, Resource
from tests.support.faults import Fault
from tests.support.origin import Origin

JSON = "application/vnd.pypi.simple.v1+json"
MB = 1_000_000
#: The origin's pace for the cold rows.
ORIGIN_BYTES_PER_S = 20 * MB
#: Large files: every cold measurement takes one that nobody has asked for yet.
LARGE_FILES = 12


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. `quick` is a smoke for CI: its numbers mean nothing."""

    large_bytes: int
    load_s: float
    rounds: int
    big_page_files: int
    readers: int
    readers_s: float
    starts: int
    cold_names: int


SCALES = {
    "full": Scale(50 * MB, 4.0, 3, 3400, 256, 10.0, 7, 2000),
    "quick": Scale(4 * MB, 0.5, 1, 300, 32, 1.5, 1, 100),
}
SMALL_BYTES = 10_000
SMALL_PAGE_FILES = 66


def project_page(name: str, files: int) -> bytes:
    """Return a JSON page like those of the public index, with so many files."""
    entries = [_entry(name, f"{number // 20}.{number % 20}.0", 40_000 + number) for number in range(files)]
    return _page(name, entries)


def _page(name: str, entries: list[dict[str, object]]) -> bytes:
    versions = list(dict.fromkeys(str(entry["filename"]).split("-")[1] for entry in entries))
    document = {"meta": {"api-version": "1.4"}, "name": name, "versions": versions, "files": entries}
    return json.dumps(document).encode()


def _entry(name: str, version: str, size: int, sha256: str | None = None) -> dict[str, object]:
    filename = f"{name}-{version}-py3-none-any.whl"
    digest = sha256 or hashlib.sha256(filename.encode()).hexdigest()
    folder = hashlib.blake2b(filename.encode(), digest_size=32).hexdigest()
    return {
        "filename": filename,
        "url": f"/packages/{folder[:2]}/{folder[2:4]}/{folder[4:]}/{filename}",
        "hashes": {"sha256": digest},
        "requires-python": ">=3.9",
        "size": size,
        "upload-time": "2026-01-05T12:30:00.000000Z",
        "yanked": False,
        "core-metadata": {"sha256": hashlib.sha256(digest.encode()).hexdigest()},
    }


def fill(origin: Origin, scale: Scale) -> None:
    """Put everything on the origin."""
    bodies = {"small": [Pattern(SMALL_BYTES, b"small")]}
    bodies["large"] = [Pattern(scale.large_bytes, f"large{number}".encode()) for number in range(LARGE_FILES)]
    for name, files in bodies.items():
        entries = [_entry(name, f"1.{n}", len(body), body.sha256()) for n, body in enumerate(files)]
        origin.add(f"/simple/{name}/", _page(name, entries), content_type=JSON)
        for entry, body in zip(entries, files, strict=True):
            pace = Fault(rate=ORIGIN_BYTES_PER_S) if name == "large" else Fault()
            origin.add(str(entry["url"]), body, etag=f'"{entry["filename"]}"', faults=pace)
    for name in cold_names(scale):
        small = hashlib.shake_256(name.encode()).digest(SMALL_BYTES)
        entry = _entry(name, "1.0", len(small), hashlib.sha256(small).hexdigest())
        origin.add(f"/simple/{name}/", _page(name, [entry]), content_type=JSON)
        origin.add(str(entry["url"]), small, etag=f'"{name}"')
    for name, count in (("page31k", SMALL_PAGE_FILES), ("page1600k", scale.big_page_files)):
        origin.add(f"/simple/{name}/", project_page(name, count), content_type=JSON)


def cold_names(scale: Scale) -> list[str]:
    """Return the projects of one small file each that nobody has asked for yet."""
    return [f"cold{number}" for number in range(scale.cold_names)]


def control(origin: Origin) -> None:
    """Answer the harness's questions."""

    def hits(request: Received) -> Resource:
        path = request.path.removeprefix("/control/hits")
        return Resource(json.dumps({"gets": origin.hits(path, method="GET")}).encode(), "application/json")

    def same(request: Received) -> Resource:
        origin.add(request.path.removeprefix("/control"), request.body, content_type=JSON)
        return Resource(b"")

    origin.serve("/control/hits/", hits)
    origin.serve("/control/same/", same)


async def main(port: int, scale: str) -> None:
    async with Origin(port=port) as origin:
        fill(origin, SCALES[scale])
        control(origin)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
