"""A changed policy: the gate follows at once, no index of the former one is served any more (contract, section 3)."""

import asyncio
from dataclasses import replace

import pytest

from proxy.feeds.conda.composer import Composer
from proxy.policy.judge import Judge
from tests.conda_feed.readback import shard_digests
from tests.policies_conda.judged import Ruled, files, refused
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare


def catalog(ruled: Ruled) -> None:
    ruled.channel.add(bare("tk"), bare("zlib"), bare("tk", subdir="noarch"))


class Held:
    """While the block lasts no generation is composed."""

    def __init__(self, ruled: Ruled, subdir: str = "linux-64", feed: str = "chan") -> None:
        base = ruled.stand.gateway.app.base
        self._lock = base.conda_locks.of(base.conda_folder / f"feed-{feed}" / subdir)

    async def __aenter__(self) -> None:
        await self._lock.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self._lock.__aexit__(None, None, None)


async def test_the_gate_follows_while_the_index_is_being_made(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["nothing-else"])
    assert len(await ruled.shown()) == 3
    async with Held(ruled):
        await ruled.change(block=["tk"], settle=False)
        refused(await ruled.stand.get("linux-64/tk-1.0-0.conda"), "block")
        assert (await ruled.stand.get("linux-64/zlib-1.0-0.conda")).status == 200
        waiting = [
            asyncio.create_task(ruled.stand.get(f"linux-64/{file}"))
            for file in (SHARD_INDEX, "repodata.json", "repodata.json.zst")
        ]
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in waiting), "an index of the former policy was served"
    answers = await asyncio.gather(*waiting)
    assert [got.status for got in answers] == [200, 200, 200]
    assert shard_digests(answers[0]).keys() == {"zlib"}
    assert await ruled.shown() == {"linux-64/zlib-1.0-0.conda"}


async def test_who_waits_for_an_index_of_the_former_policy_is_told_to_ask_again(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["nothing-else"])
    async with Held(ruled):
        waiting = asyncio.create_task(ruled.stand.get(f"linux-64/{SHARD_INDEX}"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await ruled.change(block=["tk"], settle=False)
        got = await waiting
        assert (got.status, got.headers["retry-after"]) == (503, "2")
    assert shard_digests(await ruled.stand.get(f"linux-64/{SHARD_INDEX}")).keys() == {"zlib"}


async def test_the_gate_opens_while_the_index_is_being_made(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["tk"])
    assert await ruled.shown() == {"linux-64/zlib-1.0-0.conda"}
    async with Held(ruled):
        await ruled.change(block=["zlib"], settle=False)
        assert (await ruled.stand.get("linux-64/tk-1.0-0.conda")).status == 200
        refused(await ruled.stand.get("linux-64/zlib-1.0-0.conda"), "block")
    assert files(await ruled.shown()) == {"tk-1.0-0.conda"}


async def test_several_upstreams_wait_with_the_gate_too(ruled: Ruled) -> None:
    """Whose a name is, only the composed generation tells."""
    catalog(ruled)
    feed = ruled.feed(ruled.stand.upstream(name="a", except_=("zlib",)), ruled.stand.upstream(name="b"))
    await ruled.start(feed, block=["nothing-else"])
    assert len(await ruled.shown()) == 3
    async with Held(ruled):
        await ruled.change(block=["tk"], settle=False)
        asked = asyncio.create_task(ruled.stand.get("linux-64/tk-1.0-0.conda"))
        await asyncio.sleep(0.3)
        assert not asked.done()
    refused(await asked, "block")


async def test_what_is_needed_waits_with_the_gate_too(ruled: Ruled) -> None:
    """What a package list needs, only the composed generation tells."""
    ruled.channel.add(bare("app", depends=["lib"]), bare("lib"), bare("zlib"))
    await ruled.start(only=["app"], include_dependencies=True)
    assert files(await ruled.shown()) == {"app-1.0-0.conda", "lib-1.0-0.conda"}
    async with Held(ruled):
        await ruled.change(only=["app", "zlib"], include_dependencies=True, settle=False)
        asked = asyncio.create_task(ruled.stand.get("linux-64/lib-1.0-0.conda"))
        await asyncio.sleep(0.3)
        assert not asked.done()
    assert (await asked).status == 200


async def test_a_policy_is_taken_away_and_comes_back(ruled: Ruled) -> None:
    """Clients hold the indexes of the time before: their shards are served on, whatever is shown now."""
    ruled.channel.add(bare("tk"), bare("zlib"), bare("zlib", "2.0"))
    await ruled.start(block=["tk", "zlib >=2"])
    assert await ruled.shown() == {"linux-64/zlib-1.0-0.conda"}
    feed = ruled.stand.gateway.settings.feeds["chan"]
    old = shard_digests(await ruled.stand.get(f"linux-64/{SHARD_INDEX}"))
    ruled.stand.gateway.reload(replace(feed, policy=None))
    await ruled.stand.settled()
    assert len(await ruled.shown()) == 3
    new = shard_digests(await ruled.stand.get(f"linux-64/{SHARD_INDEX}"))
    for digest in {*old.values(), *new.values()}:
        assert (await ruled.stand.get(f"linux-64/{digest}.msgpack.zst")).status == 200
    await ruled.attach(block=["tk", "zlib >=2"])
    assert await ruled.shown() == {"linux-64/zlib-1.0-0.conda"}
    for digest in {*old.values(), *new.values()}:
        assert (await ruled.stand.get(f"linux-64/{digest}.msgpack.zst")).status == 200


async def test_shards_of_every_policy_before_are_served_on(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["nothing-else"])
    seen: set[str] = set()
    for name in ("tk", "zlib", "nothing-else"):
        seen |= set(shard_digests(await ruled.stand.get(f"linux-64/{SHARD_INDEX}")).values())
        await ruled.change(block=[name])
    for digest in seen:
        assert (await ruled.stand.get(f"linux-64/{digest}.msgpack.zst")).status == 200


async def test_another_policy_with_the_same_outcome_renders_the_same_bytes(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["tk"])
    before = [await ruled.stand.get(f"linux-64/{file}") for file in ("repodata.json", "repodata.json.zst")]
    assert '"tk" is on the list' in (await ruled.stand.get("linux-64/tk-1.0-0.conda")).json()["detail"]
    await ruled.change(block=["tk *"])
    after = [await ruled.stand.get(f"linux-64/{file}") for file in ("repodata.json", "repodata.json.zst")]
    assert [got.headers["etag"] for got in after] == [got.headers["etag"] for got in before]
    assert '"tk *" is on the list' in (await ruled.stand.get("linux-64/tk-1.0-0.conda")).json()["detail"]


async def test_a_restart_composes_nothing_anew(ruled: Ruled) -> None:
    catalog(ruled)
    await ruled.start(block=["tk"])
    await ruled.shown()
    await ruled.stand.restart()
    assert await ruled.shown() == {"linux-64/zlib-1.0-0.conda"}
    assert ruled.stand.counted("names_judged", "chan") == 0


async def test_a_policy_that_cannot_be_evaluated_hides(ruled: Ruled) -> None:
    """A version that no order knows, where a rule has to compare versions (D12)."""
    ruled.channel.add(bare("odd", "1.0*2"), bare("even", "1.0"), bare("odd", "2.0"))
    await ruled.start(block=["odd <1", "even <1"])
    assert await ruled.shown() == {"linux-64/even-1.0-0.conda", "linux-64/odd-2.0-0.conda"}
    refused(await ruled.stand.get("linux-64/odd-1.0%2A2-0.conda"), "error")


async def test_a_judge_that_fails_hides_everything(ruled: Ruled, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog(ruled)
    await ruled.start(block=["nothing-else"])
    assert len(await ruled.shown()) == 3

    def fails(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Judge, "judge", fails)
    monkeypatch.setattr(Composer, "_made", fails)
    await ruled.change(block=["tk"], settle=False)
    for file in ("zlib-1.0-0.conda", SHARD_INDEX, "repodata.json", "repodata.json.zst"):
        assert (await ruled.stand.get(f"linux-64/{file}")).status >= 500
    ruled.stand.log.crashes.clear()
