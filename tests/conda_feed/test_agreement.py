"""The law: a package downloads if and only if every index form lists it, at every moment (design, 2; contract, 3)."""

import asyncio
import random

import pytest

from tests.conda_feed.readback import FORMS, shard_digests
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import Package, bare, replaced

NAMES = ("a", "a-b", "b", "c.d")
VERSIONS = ("1.0", "1!2.0", "3.0+x")


def possible() -> list[Package]:
    return [
        bare(name, version, extension=extension)
        for name in NAMES
        for version in VERSIONS
        for extension in (".conda", ".tar.bz2")
    ]


def change(stand: Stand, dice: random.Random) -> None:
    """Do one of the things that happen to channels."""
    channel = stand.channel
    listed = channel.subdir("linux-64").records
    each = dice.choice(possible())
    match dice.choice(("add", "add", "add", "remove", "take out", "patch", "replace", "defect")):
        case "add":
            channel.add(each)
        case "remove" if each.file in listed:
            channel.remove("linux-64", each.file)
        case "take out" if each.file in listed:
            channel.take_out("linux-64", each.file)
        case "patch" if each.file in listed:
            channel.patch("linux-64", each.file, depends=[dice.choice(NAMES)])
        case "replace" if each.file in listed:
            channel.add(replaced(each, dice.randbytes(200)))
        case "defect" if each.file in listed:
            channel.patch("linux-64", each.file, build_number="none")
        case _:
            channel.add(bare("always"))


async def assert_agreed(stand: Stand) -> None:
    """Assert that all forms list the same, and that this may be downloaded, and nothing else but what was taken out."""
    found = [await stand.indexed("linux-64", form) for form in FORMS]
    assert found[0] == found[1] == found[2]
    listed = {file for records in found[0].values() for file in records}
    taken_out = set(stand.channel.subdir("linux-64").removed)
    stand.clock.advance(1)  # decisions of a moment ago may be repeated for half a second
    for each in possible():
        head = await stand.get(f"linux-64/{each.file}", "HEAD")
        is_free = each.file in taken_out and each.file not in listed
        assert is_free or (head.status == 200) == (each.file in listed), each.file
        assert head.status in (200, 403, 404)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sharded", [True, False])
async def test_whatever_happens_to_a_channel_gate_and_index_agree(
    stand: Stand, seed: int, sharded: bool
) -> None:
    dice = random.Random(seed)
    stand.channel.reshape(shards=sharded)
    stand.channel.add(bare("always"), *possible()[::3])
    await stand.start()
    await assert_agreed(stand)
    for _ in range(3):
        for _ in range(dice.randint(1, 6)):
            change(stand, dice)
        await stand.refresh()
        await assert_agreed(stand)
    await stand.gateway.restart_without_cache()
    await assert_agreed(stand)


async def test_every_shard_and_package_of_an_index_is_there_while_the_channel_changes(stand: Stand) -> None:
    """Clients that read all the time: a shard that an index names is never missing, nor is a package that one lists."""
    stand.channel.add(*(bare(f"n{number}") for number in range(8)))
    await stand.start()
    await stand.files()
    rounds = 0
    is_over = asyncio.Event()

    async def client() -> None:
        nonlocal rounds
        while not is_over.is_set():
            digests = shard_digests(await stand.get(f"linux-64/{SHARD_INDEX}"))
            for digest in digests.values():
                assert (await stand.get(f"linux-64/{digest}.msgpack.zst")).status == 200
            for form in FORMS[:2]:
                assert (await stand.get(f"linux-64/{form}")).status == 200
            assert (await stand.get("linux-64/n0-1.0-0.conda")).status == 200
            rounds += 1

    clients = [asyncio.create_task(client()) for _ in range(3)]
    for number in range(4):
        stand.channel.add(bare(f"n{number}", f"2.{number}"))
        await stand.refresh()
    is_over.set()
    await asyncio.gather(*clients)
    assert rounds >= 3
    for form in FORMS:
        assert len(await stand.files("linux-64", form)) == 12
