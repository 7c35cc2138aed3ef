"""A kill at any moment of an ingest leaves the former generation served (issue 3, "It must hold")."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.conda_feed.readback import FORMS, Form, shard_digests
from tests.conda_feed.served import Served, children, ended, moment
from tests.conda_feed.stand import LATER_S, Stand
from tests.support.channel import FULL, SHARD_INDEX, FakeChannel
from tests.support.conda_packages import bare
from tests.support.faults import Fault

#: So many names that an ingest takes a while: it is killed in the midst of it.
MANY = 2500
#: When to kill, as what must be seen in the subdir's folder.
MOMENTS: dict[str, Callable[[Path], bool]] = {
    "when the child has started": lambda folder: True,
    "while records are written": lambda folder: any(folder.rglob(".*.records")),
    "while shards are written": lambda folder: any(path.stat().st_size for path in folder.rglob(".*.shards")),
}


def grow(channel: FakeChannel, version: str) -> None:
    """Change every name."""
    listed = channel.subdir("linux-64")
    template = dict(bare("x").record)
    for number in range(MANY):
        file = f"n{number}-{version}-0.conda"
        listed.records[file] = template | {"name": f"n{number}", "version": version}


async def body(stand: Stand, form: Form) -> bytes:
    got = await stand.get(f"linux-64/{form}")
    assert got.status == 200
    return got.body


@pytest.mark.parametrize("when", MOMENTS)
async def test_a_killed_ingest_leaves_the_former_generation(stand: Stand, when: str) -> None:
    stand.channel.shape = FULL
    stand.channel.add(bare("a"))
    await stand.start()
    before = {form: await body(stand, form) for form in FORMS}
    grow(stand.channel, "1.0")
    stand.clock.advance(LATER_S)
    await stand.get(f"linux-64/{SHARD_INDEX}")
    folder = stand.cache / "conda" / "origin" / "linux-64"
    await moment(lambda: bool(children(os.getpid(), "ingest_job")) and MOMENTS[when](folder))
    (child,) = children(os.getpid(), "ingest_job")
    os.kill(child, signal.SIGKILL)
    await stand.settled()
    assert stand.leftovers() == []
    assert {form: await body(stand, form) for form in FORMS} == before
    assert any("refreshing linux-64" in line for line in stand.log.of("WARNING"))
    await stand.refresh()
    assert len(shard_digests(await stand.get(f"linux-64/{SHARD_INDEX}"))) == MANY + 1
    assert stand.leftovers() == []


async def test_the_first_ingest_killed_is_a_502_and_the_next_ask_takes_it_in(stand: Stand) -> None:
    stand.channel.shape = FULL
    grow(stand.channel, "1.0")
    await stand.start()
    asking = asyncio.create_task(stand.get(f"linux-64/{SHARD_INDEX}"))
    await moment(lambda: bool(children(os.getpid(), "ingest_job")))
    os.kill(children(os.getpid(), "ingest_job")[0], signal.SIGKILL)
    assert (await asking).status in (502, 503)
    assert (await stand.get(f"linux-64/{SHARD_INDEX}")).status == 200


async def test_a_killed_renderer_is_told_and_started_again(stand: Stand) -> None:
    grow(stand.channel, "1.0")
    await stand.start()
    await stand.get(f"linux-64/{SHARD_INDEX}")
    asking = asyncio.create_task(stand.get("linux-64/repodata.json"))
    await moment(lambda: bool(children(os.getpid(), "render_job")))
    os.kill(children(os.getpid(), "render_job")[0], signal.SIGKILL)
    got = await asking
    assert (got.status, "retry-after" in got.headers) == (503, True)
    assert (await stand.get("linux-64/repodata.json")).status == 200
    assert list((stand.cache / "blobs" / "tmp").glob("*")) == []


async def test_a_killed_composition_is_told_and_started_again(stand: Stand) -> None:
    grow(stand.channel, "1.0")
    await stand.start(except_=("n1",))
    asking = asyncio.create_task(stand.get(f"linux-64/{SHARD_INDEX}"))
    await moment(lambda: bool(children(os.getpid(), "compose_job")))
    os.kill(children(os.getpid(), "compose_job")[0], signal.SIGKILL)
    assert (await asking).status == 503
    assert stand.leftovers() == []
    assert len(shard_digests(await stand.get(f"linux-64/{SHARD_INDEX}"))) == MANY - 1


# -- the server itself -----------------------------------------------------------------------------------------


@pytest.fixture
async def served(stand: Stand, tmp_path: Path) -> AsyncIterator[Served]:
    stand.channel.shape = FULL
    stand.channel.add(bare("a"), bare("b", extension=".tar.bz2"))
    made = Served(tmp_path, stand.channel.url)
    await made.start()
    try:
        yield made
    finally:
        await made.kill()


@pytest.mark.parametrize("when", ["while the index comes", *MOMENTS])
async def test_a_killed_server_serves_the_former_generation_after_its_start(
    stand: Stand, served: Served, when: str
) -> None:
    before = {form: await served.indexed(form) for form in FORMS}
    grow(stand.channel, "1.0")
    slowly = Fault(drip=(2000, 0.05)) if when == "while the index comes" else Fault()
    stand.origin.always(stand.channel.path("linux-64", "repodata.json.zst"), slowly)
    child = None
    folder = served.data / "cache" / "conda"
    if when == "while the index comes":
        await served.until_at(lambda: any(folder.rglob("repodata.json.zst")))
    else:
        await served.until_at(lambda: bool(children(served.pid, "ingest_job")) and MOMENTS[when](folder))
        child = next(iter(children(served.pid, "ingest_job")), None)
    await served.kill()
    if child is not None:
        await ended(child)
    await stand.origin.off()
    await served.start()
    for form in FORMS:
        assert await served.indexed(form) == before[form]
    assert served.leftovers() == []
    stand.origin.heal()
    await stand.origin.on()
