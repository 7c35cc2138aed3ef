"""An edition that no child can make: the one before stays, and nothing that is hidden by now leaks (S2; law 4).

The child dies for real: it is given no memory.
"""

from datetime import UTC, datetime, time, timedelta

import pytest

from proxy.feeds.conda import composer
from tests.conda_feed.readback import FORMS
from tests.policies_conda.judged import Ruled, refused
from tests.policies_conda.test_sources import feed_of
from tests.policies_conda.test_ticks import DAY_S, now_ms, to_tick
from tests.support.channel import FULL
from tests.support.conda_packages import bare

A = "linux-64/a-1.0-0.conda"
#: Longer than the first rest of a composition that failed.
REST_S = 60.0


def die(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have children that compose die from now on, until it is undone."""
    monkeypatch.setattr(composer, "_CHILD_BYTES", 2**20)


async def indexes(ruled: Ruled) -> list[int]:
    return [(await ruled.stand.get(f"linux-64/{form}")).status for form in FORMS]


async def notes(ruled: Ruled) -> list[str]:
    told = (await ruled.stand.gateway.get("/api/v1/feeds/chan")).json()["notes"]
    ready = (await ruled.stand.gateway.get("/readyz")).json()["degraded"]
    assert set(told) <= set(ready)
    return list(told)


async def test_the_last_good_edition_stays_and_says_so(ruled: Ruled, monkeypatch: pytest.MonkeyPatch) -> None:
    ruled.channel.shape = FULL
    ruled.channel.add(bare("a"), bare("tk"))
    await ruled.start(block=["tk"])
    assert await ruled.names() == {"a"}
    assert await notes(ruled) == []
    die(monkeypatch)
    ruled.channel.add(bare("b"))
    await ruled.stand.refresh()
    for _ in range(3):
        assert await ruled.shown() == {A}
    got = await ruled.stand.get("linux-64/repodata.json")
    assert "fwd=stale" in got.cache
    refused(await ruled.stand.get("linux-64/tk-1.0-0.conda"), "block")
    assert (await ruled.stand.get("linux-64/b-1.0-0.conda")).status == 404
    (note,) = await notes(ruled)
    assert note.startswith("linux-64 goes on as it was since ")
    assert ruled.stand.counted("compositions_failed", "chan") == 1
    assert sum("cannot be made" in line for line in ruled.stand.log.of("ERROR")) == 1
    monkeypatch.undo()
    ruled.stand.clock.advance(REST_S)
    assert await ruled.names("linux-64") == {"a", "b"}
    assert await notes(ruled) == []


async def test_it_stays_over_a_restart(ruled: Ruled, monkeypatch: pytest.MonkeyPatch) -> None:
    ruled.channel.shape = FULL
    ruled.channel.add(bare("a"), bare("tk"))
    await ruled.start(block=["tk"])
    assert await ruled.names() == {"a"}
    die(monkeypatch)
    ruled.channel.add(bare("b"))
    ruled.stand.clock.advance(1000)
    await ruled.stand.restart()
    await ruled.stand.refresh()
    assert await ruled.shown() == {A}


async def test_a_composition_that_failed_rests(ruled: Ruled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request would start a child that dies."""
    ruled.channel.shape = FULL
    ruled.channel.add(bare("a"))
    await ruled.start(block=["tk"])
    assert await ruled.names() == {"a"}
    die(monkeypatch)
    ruled.stand.clock.freeze()
    ruled.channel.add(bare("b"))
    await ruled.stand.refresh()
    for _ in range(5):
        await indexes(ruled)
    assert ruled.stand.counted("compositions_failed", "chan") == 1
    for _ in range(3):
        ruled.stand.clock.advance(REST_S)
        await indexes(ruled)
    assert ruled.stand.counted("compositions_failed", "chan") == 3


async def test_what_is_hidden_by_now_does_not_download(ruled: Ruled, monkeypatch: pytest.MonkeyPatch) -> None:
    ruled.channel.shape = FULL
    ruled.channel.add(bare("a"), bare("c"))
    await ruled.start(yanked="hide")
    assert await ruled.names() == {"a", "c"}
    die(monkeypatch)
    ruled.channel.patch("linux-64", "a-1.0-0.conda", revoked=True)
    await ruled.stand.refresh()
    assert (await ruled.stand.get("linux-64/repodata.json")).status == 200
    refused(await ruled.stand.get(A), "yanked")
    assert (await ruled.stand.get("linux-64/c-1.0-0.conda")).status == 200


async def test_another_policy_is_not_that_of_before(ruled: Ruled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permission fails closed: an edition of the former policy would list what is blocked now."""
    ruled.channel.shape = FULL
    ruled.channel.add(bare("a"), bare("tk"))
    await ruled.start(block=["nothing"])
    assert await ruled.names() == {"a", "tk"}
    die(monkeypatch)
    await ruled.change(block=["tk"])
    assert await indexes(ruled) == [503, 503, 503]
    refused(await ruled.stand.get("linux-64/tk-1.0-0.conda"), "block")
    assert (await ruled.stand.get(A)).status == 200
    (note,) = await notes(ruled)
    assert note.startswith("linux-64 is not served since ")
    monkeypatch.undo()
    ruled.stand.clock.advance(REST_S)
    assert await ruled.names("linux-64") == {"a"}


async def test_an_exemption_that_ended_is_not_prolonged(
    ruled: Ruled, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_tick(ruled)
    ruled.channel.shape = FULL
    ruled.channel.add(bare("a"), bare("tk"))
    today = ruled.stand.clock.now().date()
    await ruled.start(block=["tk"], exemptions=[{"spec": "tk", "rules": ["block"], "expires": today}])
    assert await ruled.names() == {"a", "tk"}
    die(monkeypatch)
    end = datetime.combine(today + timedelta(days=1), time(), UTC)
    ruled.stand.clock.advance((end - ruled.stand.clock.now()).total_seconds() + 1000)
    await ruled.stand.get("linux-64/repodata.json")
    await ruled.stand.settled()
    assert await indexes(ruled) == [503, 503, 503]
    refused(await ruled.stand.get("linux-64/tk-1.0-0.conda"), "block")


async def test_a_hold_that_ended_goes_on_while_nothing_can_be_made(
    ruled: Ruled, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_tick(ruled, 400.0)
    built_ms = now_ms(ruled) - 23 * 3600 * 1000
    ruled.channel.add(bare("young", timestamp=built_ms), bare("old"))
    await ruled.start(min_age=DAY_S)
    assert await ruled.names() == {"old"}
    die(monkeypatch)
    ruled.stand.clock.advance(2 * 3600)
    await ruled.stand.get("linux-64/repodata.json")
    await ruled.stand.settled()
    assert await ruled.names() == {"old"}


async def test_what_another_feed_hides_by_now_is_not_shown(
    ruled: Ruled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inner feed's edition is made already; the outer one cannot follow it."""
    ruled.channel.shape = FULL
    ruled.channel.add(bare("a"), bare("c"))
    inner, outer = ruled.feed(name="inner"), ruled.feed(feed_of("inner"))
    await ruled.start(inner, outer, yanked="hide")
    assert await ruled.names() == {"a", "c"}
    ruled.channel.patch("linux-64", "a-1.0-0.conda", revoked=True)
    ruled.stand.clock.advance(1000)
    await ruled.stand.get("linux-64/repodata.json", feed="inner")
    await ruled.stand.settled()
    assert await ruled.stand.files(feed="inner") == {"c-1.0-0.conda"}
    die(monkeypatch)
    assert await indexes(ruled) == [503, 503, 503]
    refused(await ruled.stand.get(A), "yanked")
