"""Files of generations that were damaged on disk: no damaged byte is served, and what can be made anew is."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from proxy.feeds.conda import feed
from proxy.model.digest import Sha256
from tests.conda_feed.readback import FORMS, Form
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare


def held(stand: Stand, suffix: str) -> list[Path]:
    """Return the files of linux-64 that end so."""
    found = sorted(stand.cache.glob(f"conda/*/linux-64/*{suffix}"))
    assert found
    return found


def flip(paths: Iterable[Path], places: Iterable[int]) -> None:
    for path in paths:
        data = bytearray(path.read_bytes())
        for place in places:
            data[place] ^= 1
        path.write_bytes(data)


@pytest.mark.parametrize("part", [0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 0.99])
async def test_a_damaged_shard_index_is_never_served(stand: Stand, part: float) -> None:
    stand.channel.add(*(bare(f"n{number}") for number in range(5)))
    await stand.start()
    good = await stand.get(f"linux-64/{SHARD_INDEX}")
    (path,) = held(stand, ".index")
    damaged = bytearray(good.body)
    damaged[int(len(damaged) * part)] ^= 1
    flip([path], [int(len(good.body) * part)])
    await stand.restart()
    got = await stand.get(f"linux-64/{SHARD_INDEX}")
    assert (got.status, got.body != bytes(damaged)) == (200, True)
    assert len(await stand.files()) == 5


async def test_a_lost_shard_index_is_made_anew(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    await stand.get(f"linux-64/{SHARD_INDEX}")
    for path in held(stand, ".index"):
        path.unlink()
    await stand.restart()
    assert await stand.files() == {"a-1.0-0.conda"}
    assert held(stand, ".index")


async def test_a_large_shard_index_is_sent_from_its_file_and_written_anew_when_that_is_gone(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_IN_MEMORY_BYTES", 0)
    stand.channel.add(bare("a"))
    await stand.start()
    first = await stand.get(f"linux-64/{SHARD_INDEX}")
    digest = Sha256(hashlib.sha256(first.body).hexdigest())
    assert digest in stand.blobs()
    for _ in range(2):
        await stand.gateway.app.base.store.remove(digest)
        assert (await stand.get(f"linux-64/{SHARD_INDEX}")).body == first.body


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".records", ".shards"])
async def test_a_damaged_generation_is_made_anew(stand: Stand, suffix: str, form: Form) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    await stand.get(f"linux-64/{SHARD_INDEX}")
    flip(held(stand, suffix), [30])
    await stand.restart()
    assert await stand.files("linux-64", form) == {"a-1.0-0.conda"}
    assert (await stand.get("linux-64/a-1.0-0.conda")).status == 200


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".records", ".shards"])
async def test_a_damaged_generation_of_several_upstreams_is_composed_anew(
    stand: Stand, suffix: str, form: Form
) -> None:
    stand.channel.add(bare("a"), bare("b"))
    await stand.start(except_=("b",))
    await stand.get(f"linux-64/{SHARD_INDEX}")
    flip((path for path in held(stand, suffix) if path.parts[-3] == "feed-chan"), [30])
    await stand.restart()
    assert await stand.files("linux-64", form) == {"a-1.0-0.conda"}
    assert (await stand.get("linux-64/a-1.0-0.conda")).status == 200


@pytest.mark.parametrize("suffix", [".records", ".shards"])
async def test_what_was_composed_is_made_anew_without_asking_its_upstreams(stand: Stand, suffix: str) -> None:
    stand.channel.add(bare("a", data=b"a" * 99), bare("b"))
    await stand.start(except_=("b",))
    assert (await stand.get("linux-64/a-1.0-0.conda")).status == 200
    await stand.settled()
    await stand.restart()
    await stand.origin.off()
    flip((path for path in held(stand, suffix) if path.parts[-3] == "feed-chan"), [30])
    assert (await stand.get("linux-64/a-1.0-0.conda")).body == b"a" * 99
    assert await stand.files() == {"a-1.0-0.conda"}


@pytest.mark.parametrize("suffix", [".records", ".shards"])
async def test_a_damaged_part_of_what_was_composed_is_fetched_anew(stand: Stand, suffix: str) -> None:
    stand.channel.add(bare("a"), bare("b"))
    await stand.start(except_=("b",))
    await stand.get(f"linux-64/{SHARD_INDEX}")
    flip(held(stand, suffix), [30])
    await stand.restart()
    assert await stand.files() == {"a-1.0-0.conda"}
    assert (await stand.get("linux-64/a-1.0-0.conda")).status == 200


@pytest.mark.parametrize("path", ["linux-64/run_exports.json", "channeldata.json"])
async def test_side_documents_of_a_damaged_generation_heal_as_well(stand: Stand, path: str) -> None:
    stand.channel.reshape(run_exports=True, channeldata=True)
    stand.channel.add(bare("a"))
    await stand.start(subdirs=("linux-64",))
    flip(held(stand, ".records"), [30])
    await stand.restart()
    statuses = [(await stand.get(path)).status for _ in range(3)]
    assert set(statuses) <= {200, 503}
    assert statuses[-1] == 200
