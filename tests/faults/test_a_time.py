"""A19, A20: an origin that goes back in time, and one that is gone for a week."""

import pytest

from tests.faults.agreement import Agreement
from tests.faults.scene import SDIST, Scene
from tests.support.answers import Received, Resource
from tests.support.index import HTML, JSON
from tests.support.wheels import wheel

DAY_S = 86_400.0


def snapshot(scene: Scene, accept: str = JSON) -> Resource:
    """Return the page as the origin has it now."""
    return scene.origin.resource(Received("GET", scene.page_path, {"accept": accept}, 0.0))


def listed(answer_json: dict[str, list[dict[str, str]]]) -> set[str]:
    return {file["filename"] for file in answer_json["files"]}


async def test_alternating_nodes_never_take_the_page_back(scene: Scene) -> None:
    """A19: the serial only rises; the rollback is counted and told; both forms show the same."""
    await scene.start(ttl_s=0.0)
    await scene.warm()
    old = snapshot(scene)
    scene.index.add(wheel("demo", "1.1"))
    new = snapshot(scene)
    scene.origin.alternate(scene.page_path, old, new)
    seen = [set[str]()]
    for _ in range(8):
        as_json = listed((await scene.get(scene.page, Accept=JSON)).json())
        assert seen[-1] <= as_json
        seen.append(as_json)
        assert (await scene.get(scene.page, Accept=HTML)).body.count(b"<a ") >= len(as_json)
    assert len(seen[-1]) == 3
    assert scene.counted("index_rollbacks", "origin") > 0
    assert "older page" in scene.log.text
    assert await Agreement(scene, scene.auditor.indexes).complaints(downloads=False) == []
    scene.origin.remove(scene.page_path)


async def test_rollback_of_the_origin_is_seen_after_a_restart_too(scene: Scene) -> None:
    """A19: what was taken back at the origin without a new serial is an older node's answer."""
    await scene.start(ttl_s=0.0)
    old = snapshot(scene)
    scene.index.add(wheel("demo", "1.1"))
    await scene.warm()
    await scene.restart()
    scene.origin.alternate(scene.page_path, old)
    page = await scene.get(scene.page, Accept=JSON)
    assert len(page.json()["files"]) == 3
    assert scene.counted("index_rollbacks", "origin") == 1
    scene.origin.remove(scene.page_path)


@pytest.mark.parametrize("is_restarted", [False, True], ids=["running", "restarted"])
async def test_all_that_is_held_is_served_for_a_week_without_the_origin(
    scene: Scene, is_restarted: bool
) -> None:
    """A20: pages, files and side files; ready all the time; the origin is tried now and then, not by everybody."""
    await scene.start()
    paths = [scene.page, scene.file, scene.path(SDIST), f"{scene.file}.metadata", scene.api]
    before = [await scene.get(path) for path in paths]
    assert [answer.status for answer in before] == [200] * len(paths)
    await scene.settled()
    await scene.origin.off()
    if is_restarted:
        await scene.restart()
    for hours in range(0, 7 * 24, 12):
        answers = [await scene.get(path) for path in paths]
        assert [(a.status, a.body) for a in answers] == [(200, b.body) for b in before], hours
        assert (await scene.get("/readyz")).status == 200
        scene.clock.advance(12 * 3600)
    stale = await scene.get(scene.page)
    assert stale.cache == "feedgate; hit; fwd=stale"
    assert stale.age_s >= 7 * DAY_S
    assert b'feedgate_origin_failures{upstream="origin"}' in (await scene.get("/metrics")).body
    origin, page = (await scene.get("/readyz")).json()["degraded"]
    assert "fails and is left alone for a moment" in origin
    assert page.startswith("the page of demo stays as it was, for it cannot be refreshed")
    assert b"fails and is left alone for a moment" in (await scene.get("/")).body


async def test_page_older_than_stale_if_error_is_not_served(scene: Scene) -> None:
    """A20: a week by default; the file goes with it, since nobody can say that it is still offered."""
    scene.clock.freeze()
    await scene.start()
    await scene.warm()
    assert (await scene.get(scene.file)).status == 200
    await scene.origin.off()
    scene.clock.advance(7 * DAY_S + 700)
    assert (await scene.get(scene.page)).told == (503, "origin-unavailable")
    assert (await scene.get(scene.file)).told == (503, "origin-unavailable")


async def test_absent_origin_costs_one_probe_per_interval(scene: Scene) -> None:
    """A20: however many clients ask."""
    scene.clock.freeze()
    await scene.start(json_api=None)
    await scene.warm()
    attempts = 0
    await scene.origin.off()
    await scene.later()
    for _ in range(50):
        assert (await scene.get(scene.page)).status == 200
    attempts = scene.log.text.count("refreshing a name failed")
    # Once in each form of the log.
    assert attempts == 2
