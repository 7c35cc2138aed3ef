"""Our shards: deterministic, kept for those who hold an older index, verified by nobody but their name (sheet, 8)."""

import hashlib

import pytest

from tests.conda_feed.readback import shard_digests, unpacked
from tests.conda_feed.stand import Stand
from tests.support.channel import FULL, SHARD_INDEX
from tests.support.conda_packages import bare

DAY_S = 86400.0


async def digests(stand: Stand) -> dict[str, str]:
    return shard_digests(await stand.get(f"linux-64/{SHARD_INDEX}"))


async def shard(stand: Stand, digest: str) -> tuple[int, bytes]:
    got = await stand.get(f"linux-64/{digest}.msgpack.zst")
    return got.status, got.body


async def test_a_shard_has_both_sections_and_raw_hashes(stand: Stand) -> None:
    stand.channel.add(bare("a"), bare("a", "2.0", extension=".tar.bz2"))
    await stand.start()
    found = unpacked((await shard(stand, (await digests(stand))["a"]))[1])
    assert found.keys() == {"packages", "packages.conda", "removed"}
    assert list(found["packages"]) == ["a-2.0-0.tar.bz2"]
    record = found["packages.conda"]["a-1.0-0.conda"]
    wanted = stand.channel.record("linux-64", "a-1.0-0.conda")
    assert (record["md5"].hex(), record["sha256"].hex()) == (wanted["md5"], wanted["sha256"])


async def test_an_empty_section_is_there(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    found = unpacked((await shard(stand, (await digests(stand))["a"]))[1])
    assert found["packages"] == {}


async def test_shards_and_their_index_are_the_same_after_a_restart(stand: Stand) -> None:
    stand.channel.add(bare("a"), bare("b"))
    await stand.start()
    index = await stand.get(f"linux-64/{SHARD_INDEX}")
    shards = [await shard(stand, digest) for digest in shard_digests(index).values()]
    await stand.restart()
    again = await stand.get(f"linux-64/{SHARD_INDEX}")
    assert (again.body, again.headers["etag"]) == (index.body, index.headers["etag"])
    assert [await shard(stand, digest) for digest in shard_digests(again).values()] == shards


async def test_shards_are_the_same_when_they_are_made_anew(stand: Stand) -> None:
    """Their URLs must not change with the cache: clients keep them for ever."""
    stand.channel.add(bare("a"), bare("b"))
    await stand.start()
    before = await digests(stand)
    await stand.gateway.restart_without_cache()
    assert await digests(stand) == before


@pytest.mark.parametrize("sharded", [True, False])
async def test_an_old_shard_is_served_and_the_new_index_has_another(stand: Stand, sharded: bool) -> None:
    if not sharded:
        stand.channel.shape = FULL
    stand.channel.add(bare("a"), bare("b"))
    await stand.start()
    before = await digests(stand)
    old = await shard(stand, before["a"])
    stand.channel.patch("linux-64", "a-1.0-0.conda", depends=["b"])
    await stand.refresh()
    after = await digests(stand)
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]
    assert await shard(stand, before["a"]) == old
    assert unpacked((await shard(stand, after["a"]))[1])["packages.conda"]["a-1.0-0.conda"]["depends"] == [
        "b"
    ]


async def test_the_shard_of_a_name_that_is_gone_is_served_and_its_package_is_not(stand: Stand) -> None:
    stand.channel.add(bare("a"), bare("b"))
    await stand.start()
    before = await digests(stand)
    stand.channel.remove("linux-64", "a-1.0-0.conda")
    await stand.refresh()
    assert "a" not in await digests(stand)
    status, body = await shard(stand, before["a"])
    assert (status, hashlib.sha256(body).hexdigest()) == (200, before["a"])
    assert (await stand.get("linux-64/a-1.0-0.conda")).status == 404


async def test_old_shards_are_served_after_a_restart_and_several_changes(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    seen = [(await digests(stand))["a"]]
    for version in ("1.1", "1.2"):
        stand.channel.add(bare("a", version))
        await stand.refresh()
        seen.append((await digests(stand))["a"])
    await stand.restart()
    assert len(set(seen)) == 3
    for digest in seen:
        status, body = await shard(stand, digest)
        assert (status, hashlib.sha256(body).hexdigest()) == (200, digest)


async def test_old_shards_are_kept_for_a_week_and_not_for_ever(stand: Stand) -> None:
    """libmamba uses an index for a day without asking; CEP 16 suggests a week."""
    stand.channel.add(bare("a"), bare("b"))
    await stand.start()
    old = (await digests(stand))["a"]
    stand.channel.add(bare("a", "1.1"))
    await stand.refresh()
    stand.clock.advance(7 * DAY_S)
    stand.channel.add(bare("b", "1.1"))
    await stand.refresh()
    assert (await shard(stand, old))[0] == 200
    stand.clock.advance(1.1 * DAY_S)
    stand.channel.add(bare("b", "1.2"))
    await stand.refresh()
    assert (await shard(stand, old))[0] == 404


async def test_a_shard_is_immutable_and_named_by_its_bytes(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    digest = (await digests(stand))["a"]
    got = await stand.get(f"linux-64/{digest}.msgpack.zst")
    assert got.headers["etag"] == f'"{digest}"'
    assert "immutable" in got.headers["cache-control"]
    assert hashlib.sha256(got.body).hexdigest() == digest


async def test_a_shard_of_another_subdir_is_not_served_here(stand: Stand) -> None:
    stand.channel.add(bare("a"), bare("b", subdir="noarch"))
    await stand.start()
    digest = (await digests(stand))["a"]
    assert (await stand.get(f"noarch/{digest}.msgpack.zst")).status == 404


async def test_the_digest_is_lower_case(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    digest = (await digests(stand))["a"]
    assert (await stand.get(f"linux-64/{digest.upper()}.msgpack.zst")).status == 404
