"""C09: many cold things at once: an upstream is asked for so many at a time, pages first, and nobody waits for ever."""

import asyncio
from collections import Counter

import pytest

from proxy.feeds.keeper import ArtifactRef
from proxy.model.digest import Sha256
from proxy.upstream import slots
from tests.faults.scene import Scene
from tests.support.faults import Fault
from tests.support.wheels import wheel

FILES = 40
LIMIT = 4
#: What two slots and their queue take, and more than that.
WAITING = 1024 + 2
ALL = 1150


async def test_many_cold_files_are_fetched_a_few_at_a_time_and_a_page_does_not_wait_for_them(
    scene: Scene,
) -> None:
    """C09: at most `concurrency` requests at once; a resolver's page overtakes the files that wait."""
    names = [f"many-{number}.0-py3-none-any.whl" for number in range(1, FILES + 1)]
    scene.index.add(*(wheel("many", f"{number}.0") for number in range(1, FILES + 1)))
    await scene.start(concurrency=LIMIT, read_timeout_s=20.0)
    await scene.get("/pypi/pypi/simple/many/")
    for name in names:
        scene.origin.always(scene.index.file_path(name), Fault(delay_s=0.1))
    files = [asyncio.create_task(scene.get(scene.path(name))) for name in names]
    while scene.origin.active() < LIMIT - 1:
        await asyncio.sleep(0.005)
    page = await scene.get("/pypi/pypi/simple/demo/")
    assert page.status == 200
    done = sum(task.done() for task in files)
    answers = await asyncio.gather(*files)
    assert {answer.status for answer in answers} == {200}
    assert scene.origin.peak() <= LIMIT
    assert done < FILES / 2
    assert Counter(request.path for request in scene.origin.requests).most_common(1)[0][1] <= 3
    await scene.settled()


async def test_people_come_before_what_is_fetched_for_nobody_yet(scene: Scene) -> None:
    """C09: what the server fetches of itself takes half of the slots at most; a person's file overtakes it."""
    names = [f"many-{number}.0-py3-none-any.whl" for number in range(1, 9)]
    scene.index.add(*(wheel("many", f"{number}.0") for number in range(1, 9)))
    await scene.start(concurrency=2, read_timeout_s=20.0)
    await scene.warm()
    await scene.get("/pypi/pypi/simple/many/")
    files = [scene.index.file(name) for name in names]
    for file in files:
        scene.origin.always(file.path, Fault(delay_s=0.3))
    refs = [
        ArtifactRef(
            "pypi", "many", "origin", scene.index.file_url(file.filename), file.filename,
            Sha256(file.built.sha256), len(file.built.data),
        )
        for file in files
    ]  # fmt: skip
    keeper = scene.gateway.app.site.keeper
    work = [asyncio.create_task(keeper.arrived(ref, background=True)) for ref in refs]
    while not scene.origin.active():
        await asyncio.sleep(0.005)
    person = await scene.get(scene.file)
    assert (person.status, sum(task.done() for task in work) <= 2) == (200, True)
    await asyncio.gather(*work)
    paths = {file.path for file in files}
    assert scene.origin.peak() <= 2
    assert all(scene.origin.peak(path) == 1 for path in paths)


async def test_more_than_can_wait_are_told_to_come_again_and_the_others_are_served(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C09: the queue is bounded: 503 with Retry-After for who finds it full; whoever stands in it gets an answer."""
    # This machine may need longer for all of them than a client waits.
    monkeypatch.setattr(slots, "LONGEST_PATIENCE_S", 60.0)
    await scene.start(concurrency=2, read_timeout_s=60.0)
    scene.origin.always("*", Fault(silent=True))
    asks = []
    for number in range(ALL):
        asks.append(asyncio.create_task(scene.get(f"/pypi/pypi/simple/name-{number}/")))
        if number % 20 == 0:
            await asyncio.sleep(0.01)  # the clients are in this process too
    scene.origin.heal()
    await scene.origin.drop_connections()
    answers = await asyncio.gather(*asks)
    told = Counter(answer.told for answer in answers)
    assert set(told) <= {(503, "busy"), (503, "origin-unavailable"), (404, "unknown")}
    assert told[503, "busy"] >= ALL - WAITING
    assert told[404, "unknown"] >= ALL // 4
    assert all(1 <= answer.retry_after_s <= 5 for answer in answers if answer.status == 503)
    assert scene.origin.peak() == 2
