"""B18: hashing, decompressing and parsing what is large does not hold the loop (I9 is judged by the auditor)."""

import asyncio
import hashlib
import random
import time

import orjson
import pytest

from tests.faults.scene import Scene
from tests.support.answers import Pattern, Resource, encode
from tests.support.faults import Fault
from tests.support.index import HTML, JSON
from tests.support.length import sized
from tests.support.wheels import Built

MIB = 1024 * 1024
BULK = "bulk-1.0.tar.gz"
FILES = 4400


def large_page(count: int) -> bytes:
    """Return a page as large as the largest real ones: 4,400 files, some 3 MB."""
    chance = random.Random(1)
    files = [
        {
            "filename": f"huge-{number}.0-py3-none-any.whl",
            "url": f"https://files.example/packages/{chance.randbytes(32).hex()}/huge-{number}.0-py3-none-any.whl",
            "hashes": {"sha256": chance.randbytes(32).hex()},
            "core-metadata": {"sha256": chance.randbytes(32).hex()},
            "data-dist-info-metadata": {"sha256": chance.randbytes(32).hex()},
            "requires-python": ">=3.8",
            "size": 123_456,
            "upload-time": "2026-01-05T12:30:00.123456Z",
            "yanked": False,
            "provenance": f"https://index.example/integrity/huge/{number}.0/provenance",
        }
        for number in range(count)
    ]
    versions = [f"{number}.0" for number in range(count)]
    return orjson.dumps(
        {"meta": {"api-version": "1.4"}, "name": "huge", "versions": versions, "files": files}
    )


async def probed(scene: Scene, work: "asyncio.Task[object]") -> float:
    """Ask for what is held until the work is done; return the longest wait of these clients."""
    worst = 0.0
    while not work.done():
        began = time.perf_counter()
        assert (await scene.get(scene.file)).body == scene.data
        worst = max(worst, time.perf_counter() - began)
        await asyncio.sleep(0.005)
    await work
    return worst


async def held(scene: Scene) -> None:
    assert (await scene.get(scene.file)).status == 200
    await scene.settled()


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
async def test_largest_page_is_read_rendered_and_coded_beside_other_clients(
    scene: Scene, coding: str
) -> None:
    """B18: parsing, drift history, both forms and both codings."""
    body = await asyncio.to_thread(large_page, FILES)
    fault = (
        Fault()
        if coding == "identity"
        else Fault(encoding=coding, encoded=await asyncio.to_thread(encode, body, coding))
    )
    await scene.start(read_timeout_s=20.0)
    await held(scene)
    scene.origin.put("/simple/huge/", Resource(body, JSON, etag='"1"'))
    scene.origin.always("/simple/huge/", fault)

    async def read() -> object:
        page = "/pypi/pypi/simple/huge/"
        for accept in (JSON, HTML):
            for encoding in ("identity", "gzip", "zstd"):
                answer = await scene.get(page, Accept=accept, Accept_Encoding=encoding)
                assert (answer.status, answer.is_complete) == (200, True)
        return len((await scene.get(page, Accept=JSON)).json()["files"])

    reading = asyncio.create_task(read())
    await probed(scene, reading)
    assert reading.result() == FILES


async def test_large_file_is_verified_beside_other_clients(scene: Scene) -> None:
    """B18: long: 500 MB, on its way in and on the first read after a start."""
    body = Pattern(sized(48, 500) * MIB)
    digest = await asyncio.to_thread(body.sha256)
    scene.index.add(Built("bulk", "1.0", BULK, b"bulk", None), claimed_sha256=digest, claimed_size=len(body))
    path = scene.index.file_path(BULK)
    scene.origin.add(path, body, etag='"1"')
    await scene.start(read_timeout_s=20.0)
    await held(scene)

    async def fetch() -> object:
        answer = await scene.get(scene.path(BULK))
        assert (answer.status, len(answer.body)) == (200, len(body))
        assert await asyncio.to_thread(lambda: hashlib.sha256(answer.body).hexdigest()) == digest
        # It is no truth of the index (its bytes are not in memory): judged here.
        scene.auditor.answers.remove(answer)
        return None

    await probed(scene, asyncio.create_task(fetch()))
    await scene.settled()
    await scene.restart()
    await probed(scene, asyncio.create_task(fetch()))
    assert scene.origin.hits(path) == 1
    scene.index.remove(BULK, bytes_too=True)


async def test_metadata_of_a_large_wheel_is_made_beside_other_clients(scene: Scene) -> None:
    """B18: by ranges, and out of a wheel that is held."""
    scene.index.reshape(core_metadata=False, metadata_files=False)
    await scene.start()
    await held(scene)
    made = await scene.get(f"{scene.file}.metadata")
    assert (made.status, made.body) == (200, scene.index.file("demo-1.0-py3-none-any.whl").built.metadata)
