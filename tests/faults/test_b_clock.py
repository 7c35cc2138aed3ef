"""B13: the wall clock jumps, in either direction."""

import time
from pathlib import Path

import pytest

from tests.faults.scene import Scene
from tests.faults.stage import PAGE, WHEEL, Stage
from tests.support.faults import Fault
from tests.support.index import JSON

DAY_S = 86_400.0
JUMPS = {
    "two days on": 2 * DAY_S,
    "three days back": -3 * DAY_S,
    "an hour back": -3600.0,
    "an hour on": 3600.0,
}
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.mark.parametrize("jump_s", JUMPS.values(), ids=JUMPS)
async def test_jump_costs_at_most_one_refetch_and_no_age_is_negative(scene: Scene, jump_s: float) -> None:
    """B13: what was fresh is asked for once, then it is fresh again; files do not notice."""
    await scene.start(json_api=None)
    await scene.warm()
    assert (await scene.get(scene.file)).status == 200
    await scene.settled()
    scene.origin.forget()
    scene.clock.jump(jump_s)
    answers = [await scene.get(scene.page, Accept=JSON) for _ in range(10)]
    assert {answer.status for answer in answers} == {200}
    assert all(answer.age_s >= 0 for answer in answers)
    assert scene.origin.hits(scene.page_path) <= 1
    assert (await scene.get(scene.file)).status == 200
    assert scene.origin.hits(scene.file_path) == 0
    # Back to the right time: no more than one again.
    scene.clock.jump(-jump_s)
    answers = [await scene.get(scene.page, Accept=JSON) for _ in range(10)]
    assert all(answer.age_s >= 0 for answer in answers)
    assert scene.origin.hits(scene.page_path) <= 2


@pytest.mark.parametrize("jump_s", JUMPS.values(), ids=JUMPS)
async def test_jump_while_the_origin_is_down_leaves_the_stored_page(scene: Scene, jump_s: float) -> None:
    """B13: a clock that is wrong does not throw away what is held; the origin is not asked by everybody."""
    await scene.start(json_api=None)
    page = await scene.warm()
    await scene.later()
    scene.origin.always("*", Fault(status=503))
    assert (await scene.get(scene.page, Accept=JSON)).cache == "feedgate; hit; fwd=stale"
    scene.clock.jump(jump_s)
    scene.origin.forget()
    answers = [await scene.get(scene.page, Accept=JSON) for _ in range(20)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, page.body)}
    assert all(answer.age_s >= 0 for answer in answers)
    assert scene.origin.hits(scene.page_path) <= 1


async def test_jump_does_not_make_an_absent_name_absent_for_days(scene: Scene) -> None:
    """B13: the negative answer of a clock that was ahead is no answer."""
    await scene.start()
    scene.clock.jump(3 * DAY_S)
    assert (await scene.get("/pypi/pypi/simple/late/")).status == 404
    scene.clock.jump(-3 * DAY_S)
    assert (await scene.get("/pypi/pypi/simple/late/")).status == 404
    assert scene.origin.hits(scene.index.page_path("late")) == 2


async def test_first_sight_and_digests_survive_a_clock_that_went_back(scene: Scene) -> None:
    """B13: over a restart too."""
    await scene.start()
    await scene.warm()
    scene.clock.jump(-3 * DAY_S)
    await scene.restart()
    assert (await scene.get(scene.page)).status == 200
    assert (await scene.get(scene.file)).status == 200
    assert "drift" not in scene.log.text


@pytest.mark.long
@pytest.mark.skipif(LIBRARY is None, reason="not installed: libfaketime")
async def test_wall_clock_of_the_process_jumps_under_the_running_loop(stage: Stage) -> None:
    """B13: the real clock, with the monotonic one left alone. (Long: imports take seconds under libfaketime.)"""
    at = stage.folder / "now"

    def set_to(moment: float) -> None:
        at.write_text(time.strftime("@%Y-%m-%d %H:%M:%S", time.localtime(moment)))

    now = time.time()
    set_to(now)
    environ = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(at),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    async with stage.served(environ=environ, config="json_api = ''") as served:
        assert (await served.get(PAGE)).status == 200
        await stage.downloads(served, WHEEL)
        for jump_s in (2 * DAY_S, -3 * DAY_S, 0.0):
            set_to(now + jump_s)
            stage.origin.forget()
            answers = [await served.get(PAGE) for _ in range(10)]
            assert {answer.status for answer in answers} == {200}
            assert all(answer.age_s >= 0 for answer in answers)
            assert stage.origin.hits(stage.index.page_path("demo")) <= 1
            await stage.downloads(served, WHEEL)
        assert stage.origin.hits(stage.index.file_path(WHEEL)) == 0
        assert await served.stop() == 0
