"""What changes with time changes in the index and at the gate at the same tick (contract, section 4; D11, B13)."""

from datetime import UTC, datetime, timedelta

import pytest

from proxy.feeds.conda import full_index
from tests.conda_feed.readback import shard_digests
from tests.policies_conda.judged import TICK_S, Ruled, refused
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare
from tests.support.gateway import Got

DAY_S = 86_400.0


def now_ms(ruled: Ruled) -> int:
    return int(ruled.stand.clock.now().timestamp() * 1000)


def to_tick(ruled: Ruled, seconds: float = 0.0) -> None:
    """Let time stand, so many seconds after a tick."""
    ruled.stand.clock.freeze()
    since = now_ms(ruled) / 1000 % TICK_S
    ruled.stand.clock.advance(TICK_S - since + seconds)


def held_until(got: Got) -> datetime:
    refused(got, "min_age", "held")
    return datetime.fromisoformat(got.json()["until"])


async def test_a_hold_ends_in_index_and_gate_at_the_same_tick(ruled: Ruled) -> None:
    to_tick(ruled, 400.0)
    built_ms = now_ms(ruled) - 23 * 3600 * 1000
    ruled.channel.add(bare("young", timestamp=built_ms), bare("old"))
    await ruled.start(min_age=DAY_S)
    assert await ruled.shown() == {"linux-64/old-1.0-0.conda"}
    until = held_until(await ruled.stand.get("linux-64/young-1.0-0.conda"))
    assert until.timestamp() % TICK_S == 0
    assert until - timedelta(seconds=TICK_S) < datetime.fromtimestamp(built_ms / 1000 + DAY_S, UTC) <= until
    ruled.stand.clock.advance(until.timestamp() - now_ms(ruled) / 1000 - 1)
    assert await ruled.shown() == {"linux-64/old-1.0-0.conda"}
    held_until(await ruled.stand.get("linux-64/young-1.0-0.conda"))
    ruled.stand.clock.advance(1)
    assert await ruled.shown() == {"linux-64/old-1.0-0.conda", "linux-64/young-1.0-0.conda"}


async def test_the_gate_opens_at_the_tick_before_anybody_has_asked_for_an_index(ruled: Ruled) -> None:
    to_tick(ruled)
    ruled.channel.add(bare("young", timestamp=now_ms(ruled) - 1000))
    await ruled.start(min_age=3600.0)
    assert await ruled.shown() == set()
    ruled.stand.clock.advance(4 * TICK_S)
    assert (await ruled.stand.get("linux-64/young-1.0-0.conda")).status == 200
    assert await ruled.shown() == {"linux-64/young-1.0-0.conda"}


async def test_an_exemption_ends_in_index_and_gate_with_its_day(ruled: Ruled) -> None:
    ruled.channel.add(bare("tk"), bare("old"))
    today = ruled.stand.clock.now().date()
    exemption = {"spec": "tk", "rules": ["block"], "expires": today, "reason": "for now"}
    await ruled.start(block=["tk"], exemptions=[exemption])
    assert await ruled.shown() == {"linux-64/tk-1.0-0.conda", "linux-64/old-1.0-0.conda"}
    index = await ruled.stand.get(f"linux-64/{SHARD_INDEX}")
    midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), UTC)
    ruled.stand.clock.freeze()
    ruled.stand.clock.advance((midnight - ruled.stand.clock.now()).total_seconds())
    # Whatever is asked first sees the change: no former document stands in.
    assert (await ruled.stand.get("linux-64/repodata.json")).json()["packages.conda"].keys() == {
        "old-1.0-0.conda"
    }
    refused(await ruled.stand.get("linux-64/tk-1.0-0.conda"), "block")
    assert await ruled.shown() == {"linux-64/old-1.0-0.conda"}
    assert (
        shard_digests(await ruled.stand.get(f"linux-64/{SHARD_INDEX}")).keys() < shard_digests(index).keys()
    )


async def test_no_former_document_of_a_large_index_stands_in_after_the_tick(
    ruled: Ruled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_index, "_LARGE_BYTES", 0)
    ruled.channel.add(bare("tk"), bare("old"))
    today = ruled.stand.clock.now().date()
    await ruled.start(block=["tk"], exemptions=[{"spec": "tk", "rules": ["block"], "expires": today}])
    assert len((await ruled.stand.get("linux-64/repodata.json")).json()["packages.conda"]) == 2
    ruled.stand.clock.freeze()
    midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), UTC)
    ruled.stand.clock.advance((midnight - ruled.stand.clock.now()).total_seconds())
    assert len((await ruled.stand.get("linux-64/repodata.json")).json()["packages.conda"]) == 1


async def test_what_was_decided_a_moment_ago_is_not_repeated_after_the_tick(ruled: Ruled) -> None:
    ruled.channel.add(bare("tk"))
    today = ruled.stand.clock.now().date()
    await ruled.start(block=["tk"], exemptions=[{"spec": "tk", "rules": ["block"], "expires": today}])
    await ruled.shown()
    ruled.stand.clock.freeze()
    midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), UTC)
    ruled.stand.clock.advance((midnight - ruled.stand.clock.now()).total_seconds() - 0.2)
    await ruled.stand.settled()
    await ruled.shown()
    assert (await ruled.stand.get("linux-64/tk-1.0-0.conda")).status == 200
    ruled.stand.clock.advance(0.2)
    refused(await ruled.stand.get("linux-64/tk-1.0-0.conda"), "block")


async def test_our_own_stamp_does_not_hide_a_builders_time_in_the_future(ruled: Ruled) -> None:
    """Age counts from the later of the origin's time and first sight; our stamp is the latter."""
    ruled.channel.add(bare("old"))
    await ruled.start(min_age=DAY_S)
    await ruled.shown()
    ahead = now_ms(ruled) + int(30 * DAY_S * 1000)
    ruled.channel.add(bare("ahead", timestamp=ahead))
    await ruled.stand.refresh()
    until = held_until(await ruled.stand.get("linux-64/ahead-1.0-0.conda"))
    assert (until - ruled.stand.clock.now()).days >= 30


async def test_what_appears_later_counts_from_first_sight(ruled: Ruled) -> None:
    """A forged date makes a new file no older (D11)."""
    ruled.channel.add(bare("old", timestamp=...), bare("seconds", timestamp=1_600_000_000))
    await ruled.start(min_age=7 * DAY_S)
    first = {"linux-64/old-1.0-0.conda", "linux-64/seconds-1.0-0.conda"}
    assert await ruled.shown() == first
    ruled.channel.add(bare("forged", timestamp=1_600_000_000_000), bare("none", timestamp=...))
    await ruled.stand.refresh()
    assert await ruled.shown() == first
    for name in ("forged", "none"):
        until = held_until(await ruled.stand.get(f"linux-64/{name}-1.0-0.conda"))
        assert 0 <= (until - ruled.stand.clock.now()).total_seconds() - 7 * DAY_S + 60 < 2 * TICK_S
    ruled.stand.clock.advance(7 * DAY_S + TICK_S)
    assert await ruled.shown() == first | {"linux-64/forged-1.0-0.conda", "linux-64/none-1.0-0.conda"}


async def test_first_sight_survives_the_loss_of_the_cache(ruled: Ruled) -> None:
    ruled.channel.add(bare("old"))
    await ruled.start(min_age=7 * DAY_S)
    await ruled.shown()
    ruled.channel.add(bare("later", timestamp=1_600_000_000_000))
    await ruled.stand.refresh()
    await ruled.shown()
    await ruled.stand.gateway.restart_without_cache()
    await ruled.stand.settled()
    assert await ruled.shown() == {"linux-64/old-1.0-0.conda"}


async def test_a_time_in_the_future_holds(ruled: Ruled) -> None:
    ahead = now_ms(ruled) + int(30 * DAY_S * 1000)
    ruled.channel.add(bare("ahead", timestamp=ahead))
    await ruled.start(min_age=DAY_S)
    until = held_until(await ruled.stand.get("linux-64/ahead-1.0-0.conda"))
    assert (until - ruled.stand.clock.now()).days >= 30
    assert await ruled.shown() == set()


async def test_the_origins_own_stamp_counts_before_the_builders(ruled: Ruled) -> None:
    stamp = now_ms(ruled) - 3600 * 1000
    ruled.channel.add(bare("stamped", indexed_timestamp=stamp), bare("unstamped"))
    await ruled.start(min_age=DAY_S)
    assert await ruled.shown() == {"linux-64/unstamped-1.0-0.conda"}


async def test_a_clock_that_goes_back_ends_no_hold_and_breaks_nothing(ruled: Ruled) -> None:
    to_tick(ruled)
    ruled.channel.add(bare("young", timestamp=now_ms(ruled) - 1000))
    await ruled.start(min_age=3600.0)
    ruled.stand.clock.advance(4 * TICK_S)
    assert await ruled.shown() == {"linux-64/young-1.0-0.conda"}
    ruled.stand.clock.jump(-2 * TICK_S)
    ruled.stand.clock.advance(1)  # what was decided a moment ago is repeated for half a second
    assert await ruled.shown() == set()
    ruled.stand.clock.jump(2 * TICK_S)
    assert await ruled.shown() == {"linux-64/young-1.0-0.conda"}


async def test_a_tick_costs_the_names_that_change(ruled: Ruled) -> None:
    to_tick(ruled)
    young = [bare(f"young{number}", timestamp=now_ms(ruled) - 1000) for number in range(3)]
    ruled.channel.add(*young, *(bare(f"old{number}") for number in range(20)))
    await ruled.start(min_age=3600.0)
    assert len(await ruled.shown("linux-64")) == 20
    before = ruled.stand.counted("names_judged", "chan")
    assert before >= 23
    ruled.stand.clock.advance(4 * TICK_S)
    assert len(await ruled.shown("linux-64")) == 23
    assert ruled.stand.counted("names_judged", "chan") - before == 3


async def test_a_change_at_the_origin_costs_the_names_that_changed(ruled: Ruled) -> None:
    ruled.channel.add(*(bare(f"a{number}") for number in range(20)), bare("tk"))
    await ruled.start(block=["tk"])
    await ruled.shown("linux-64")
    before = ruled.stand.counted("names_judged", "chan")
    ruled.channel.add(bare("a7", "2.0"), bare("tk", "2.0"))
    await ruled.stand.refresh()
    assert len(await ruled.shown("linux-64")) == 21
    assert ruled.stand.counted("names_judged", "chan") - before == 2
