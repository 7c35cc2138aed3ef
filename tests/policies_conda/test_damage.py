"""Files of judged generations that were damaged on disk: nothing hidden gets out, and what can be made anew is."""

import pytest

from tests.conda_feed.test_damage import flip, held
from tests.policies_conda.judged import Ruled, refused
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare


@pytest.mark.parametrize("suffix", [".records", ".shards"])
@pytest.mark.parametrize("whose", ["feed-chan", "origin"])
async def test_a_damaged_generation_heals_and_lets_nothing_through(
    ruled: Ruled, whose: str, suffix: str
) -> None:
    ruled.channel.add(bare("a"), bare("tk"), bare("a", "2.0"))
    await ruled.start(block=["tk", "a >=2"])
    await ruled.stand.get(f"linux-64/{SHARD_INDEX}")
    flip((path for path in held(ruled.stand, suffix) if path.parts[-3] == whose), [30])
    await ruled.stand.restart()
    assert (await ruled.stand.get("linux-64/tk-1.0-0.conda")).status in (403, 503)
    assert await ruled.shown() == {"linux-64/a-1.0-0.conda"}
    refused(await ruled.stand.get("linux-64/tk-1.0-0.conda"), "block")


async def test_the_gate_that_judges_ahead_heals_what_it_reads(ruled: Ruled) -> None:
    ruled.channel.add(bare("a"), bare("tk"))
    await ruled.start(block=["nothing-else"])
    await ruled.stand.get(f"linux-64/{SHARD_INDEX}")
    flip((path for path in held(ruled.stand, ".records") if path.parts[-3] == "origin"), [30])
    await ruled.change(block=["tk"])
    statuses = [(await ruled.stand.get("linux-64/a-1.0-0.conda")).status for _ in range(3)]
    assert set(statuses) <= {200, 503}
    assert await ruled.shown() == {"linux-64/a-1.0-0.conda"}
