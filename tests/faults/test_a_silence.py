"""A01, A02: an origin that says nothing, or next to nothing."""

import asyncio

from proxy.config.settings import Rate
from tests.faults.scene import IMPATIENT, WHEEL, Scene
from tests.support.faults import HONEST, SILENT, Fault
from tests.support.index import HTML, JSON


async def test_silent_origin_gives_a_503_that_names_it_and_a_time_to_come_again(scene: Scene) -> None:
    """A01: an artifact that is not held; one try, since another would only wait as long again."""
    await scene.start(retries=2, **IMPATIENT)
    await scene.warm()
    scene.origin.always(scene.file_path, SILENT)
    answer = await scene.get(scene.file)
    assert answer.told == (503, "origin-unavailable")
    assert answer.retry_after_s >= 1
    assert scene.origin.url in answer.detail
    assert "/packages/" not in answer.detail
    assert scene.origin.hits(scene.file_path) == 1
    assert answer.took_s >= 0.4
    assert "read timeout" in scene.log.text
    assert not scene.holds_wheel


async def test_silence_is_not_remembered_as_absence(scene: Scene) -> None:
    """A01: once the origin speaks again, so do we."""
    await scene.start(**IMPATIENT)
    scene.origin.script(scene.page_path, SILENT)
    assert (await scene.get(scene.page)).told == (503, "origin-unavailable")
    assert (await scene.get(scene.page)).status == 200
    scene.origin.script(scene.file_path, SILENT)
    assert (await scene.get(scene.file)).status == 503
    got = await scene.get(scene.file)
    assert (got.status, got.body) == (200, scene.data)


async def test_stored_page_is_served_at_once_while_the_origin_is_silent(scene: Scene) -> None:
    """A01: a stale page does not wait for the read timeout; it says that it is stale and how old it is."""
    await scene.start(read_timeout_s=2.0, min_rate=Rate(0.0, 0.0))
    page = await scene.warm()
    scene.origin.always("*", SILENT)
    await scene.later()
    stale = await scene.get(scene.page, Accept=JSON)
    assert (stale.status, stale.body) == (200, page.body)
    assert stale.cache == "feedgate; hit; fwd=stale"
    assert 1000 <= stale.age_s < 1100
    assert stale.head_s < 1.0
    assert (await scene.get(scene.page, Accept=HTML)).status == 200
    # One refresh is under way, whoever asks.
    assert scene.origin.hits(scene.page_path) == 2


async def test_dripping_body_is_ended_by_the_minimum_rate(scene: Scene) -> None:
    """A02: bytes that come one by one keep every idle timeout quiet."""
    await scene.start(**IMPATIENT)
    await scene.warm()
    scene.origin.always(scene.file_path, Fault(drip=(1, 0.02)))
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*(scene.get(scene.file) for _ in range(3)))
    assert not any(answer.is_complete and answer.status == 200 for answer in answers)
    # The fetch and its two resumptions, for all three clients.
    assert scene.origin.hits(scene.file_path) <= 3
    assert not scene.holds_wheel


async def test_drip_that_ends_in_an_honest_answer_is_resumed_unseen(scene: Scene) -> None:
    """A02: what came is kept, the rest is asked for, every waiter gets the whole."""
    await scene.start(**IMPATIENT)
    await scene.warm()
    scene.origin.script(scene.file_path, Fault(stall_at=100_000), HONEST)
    answers = await asyncio.gather(*(scene.get(scene.file) for _ in range(3)))
    assert [answer.body == scene.data for answer in answers] == [True] * 3
    first, second = scene.origin.received(scene.file_path)
    assert "range" not in first.headers
    assert second.headers["range"] == "bytes=100000-"
    await scene.settled()
    assert scene.holds_wheel


async def test_dripping_page_leaves_the_stored_one(scene: Scene) -> None:
    """A02: an index is no faster to wait for."""
    await scene.start(**IMPATIENT)
    page = await scene.warm()
    scene.origin.always(scene.page_path, Fault(drip=(1, 0.02)))
    await scene.later()
    scene.index.add(scene.index.file(WHEEL).built, yanked="withdrawn")
    stale = await scene.get(scene.page, Accept=JSON)
    assert (stale.body, stale.cache) == (page.body, "feedgate; hit; fwd=stale")
