"""E13: parts of a file, whether it is held, arriving or neither; the auditor compares every part with the truth."""

import asyncio
import random
from typing import Literal

import pytest

from tests.faults.client import Fetched
from tests.faults.scene import WHEEL, Scene
from tests.support.faults import Fault
from tests.support.length import sized
from tests.support.wheels import wheel

#: Header -> the part of `size` bytes, None for the whole.
Span = tuple[int, int] | None | Literal["outside"]
_OWN = {"date", "x-request-id", "cache-status"}


def oracle(header: str, size: int) -> Span:
    """Return what RFC 9110, section 14, makes of a Range of ours: one range, else the whole."""
    spec = header.removeprefix("bytes=")
    if "," in spec or not header.startswith("bytes="):
        return None
    first, _, last = spec.partition("-")
    if not first:
        count = int(last)
        return (max(0, size - count), size) if count else "outside"
    start, stop = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    return (start, stop) if start < size else "outside"


def made_ranges(size: int, count: int) -> list[str]:
    chance = random.Random(13)
    edges = [0, 1, 4095, 4096, 4097, size - 4097, size - 4096, size - 1, size, size + 1, size * 2]
    made = (
        [f"bytes={at}-" for at in edges]
        + [f"bytes=-{at}" for at in edges]
        + [f"bytes=0-{at}" for at in edges]
    )
    for _ in range(count):
        one, other = chance.randrange(size + 100), chance.randrange(size + 100)
        made.append(f"bytes={one}-{other}")
    return [*made, "bytes=0-1,5-6", "bytes=" + ",".join(["0-9"] * 1000), "items=0-5"]


def judge(answer: Fetched, header: str, data: bytes) -> None:
    span = oracle(header, len(data))
    if span == "outside":
        assert answer.told == (416, "range-not-satisfiable"), header
        assert answer.headers["content-range"] == f"bytes */{len(data)}"
    elif span is None:
        assert (answer.status, answer.body) == (200, data), header
    else:
        start, stop = span
        assert (answer.status, answer.body) == (206, data[start:stop]), header
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(data)}"


async def test_ranges_of_a_held_file_are_the_rfcs(scene: Scene) -> None:
    """E13: against an oracle of fifteen lines."""
    await scene.start()
    assert (await scene.get(scene.file)).status == 200
    await scene.settled()
    for header in made_ranges(len(scene.data), sized(60, 3000)):
        judge(await scene.get(scene.file, Range=header), header, scene.data)
    assert scene.origin.hits(scene.file_path) == 1


async def test_ranges_of_a_file_that_is_not_held_are_the_same(scene: Scene) -> None:
    """E13: small closed and suffix ranges pass through, others fetch; no client can tell."""
    await scene.start(retries=1)
    await scene.warm()
    for header in made_ranges(len(scene.data), sized(20, 300)):
        await scene.settled()
        await scene.gateway.app.base.store.purge(lambda _: True)
        await scene.warm()
        judge(await scene.get(scene.file, Range=header), header, scene.data)


async def test_ranges_of_a_file_that_is_arriving_are_the_same(scene: Scene) -> None:
    """E13: they join the fetch; a part is answered as soon as it is there."""
    await scene.start(read_timeout_s=5.0)
    await scene.warm()
    size = len(scene.data)
    scene.origin.always(scene.file_path, Fault(rate=size / 1.0))
    whole = asyncio.create_task(scene.get(scene.file))
    async with asyncio.timeout(5):
        while not scene.origin.hits(scene.file_path):
            await asyncio.sleep(0.005)
    headers = made_ranges(size, 10)
    answers = await asyncio.gather(*(scene.get(scene.file, Range=header) for header in headers))
    for header, answer in zip(headers, answers, strict=True):
        judge(answer, header, scene.data)
    assert (await whole).body == scene.data
    assert scene.origin.hits(scene.file_path) == 1
    early = answers[headers.index("bytes=0-4096")]
    assert early.took_s < 0.9


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "cold"])
async def test_condition_of_another_version_gives_the_whole(scene: Scene, is_held: bool) -> None:
    """E13: a client must not join two files; with the right tag it gets its part."""
    await scene.start()
    await scene.warm()
    tag = f'"{scene.index.file(WHEEL).built.sha256}"'
    for condition, status in (
        ('"old"', 200),
        (f"W/{tag}", 200),
        ("Mon, 05 Jan 2026 12:30:00 GMT", 200),
        (tag, 206),
    ):
        if is_held:
            assert (await scene.get(scene.file)).status == 200
            await scene.settled()
        answer = await scene.get(scene.file, Range="bytes=100-199", If_Range=condition)
        assert answer.status == status, condition
        assert answer.body == (scene.data if status == 200 else scene.data[100:200])


async def test_download_that_a_client_takes_up_again_is_one_file(scene: Scene) -> None:
    """E13: cut off, resumed with the tag it was given."""
    await scene.start()
    await scene.warm()
    scene.origin.script(scene.file_path, *(Fault(reset_at=100_000, ignore_range=True),) * 3)
    first = await scene.get(scene.file)
    assert not first.is_complete
    got = len(first.body)
    second = await scene.get(scene.file, Range=f"bytes={got}-", If_Range=first.headers["etag"])
    assert second.status == 206
    assert first.body + second.body == scene.data


async def test_open_range_of_a_cold_file_joins_the_fetch(scene: Scene) -> None:
    """E13: it is what a resumed download asks for, and it ends only when the digest is right (contract, section 3)."""
    await scene.start()
    await scene.warm()
    answer = await scene.get(scene.file, Range="bytes=1000-")
    assert (answer.status, answer.body) == (206, scene.data[1000:])
    await scene.settled()
    assert scene.holds_wheel
    (asked,) = scene.origin.received(scene.file_path)
    assert "range" not in asked.headers


async def test_resumption_across_versions_is_not_completed(scene: Scene) -> None:
    """E13: the file was replaced under its name meanwhile; nobody gets the second half of another."""
    await scene.start()
    await scene.warm()
    scene.origin.script(scene.file_path, *(Fault(reset_at=100_000, ignore_range=True),) * 3)
    first = await scene.get(scene.file)
    assert not first.is_complete
    other = wheel("demo", "1.0", payload=len(scene.data), files={"demo/other.py": b"x"})
    scene.origin.add(scene.file_path, other.data, etag='"other"')
    second = await scene.get(scene.file, Range=f"bytes={len(first.body)}-", If_Range=first.headers["etag"])
    assert not (second.is_complete and second.status in (200, 206))
    scene.origin.remove(scene.file_path)


@pytest.mark.parametrize("state", ["cold", "held", "unproven"])
async def test_head_has_the_fields_of_get(scene: Scene, state: str) -> None:
    """E13: files, side files and pages; and it costs no fetch."""
    await scene.start()
    await scene.warm()
    if state != "cold":
        assert (await scene.get(scene.file)).status == 200
        await scene.settled()
    if state == "unproven":
        await scene.restart()
        await scene.warm()
    for path in (scene.file, f"{scene.file}.metadata", scene.page, scene.api):
        head = await scene.get(path, "HEAD")
        get = await scene.get(path)
        assert head.body == b""
        assert {k: v for k, v in head.headers.items() if k not in _OWN} == {
            k: v for k, v in get.headers.items() if k not in _OWN
        }
    assert scene.origin.hits(scene.file_path, method="GET") == 1
