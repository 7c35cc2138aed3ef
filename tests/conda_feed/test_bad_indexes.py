"""What is no index, or too little of one, never replaces the last good generation (A04, A06, A13, A15, A19)."""

import bz2
import json
from collections.abc import Mapping

import msgspec
import pytest

from tests.conda_feed.readback import FORMS
from tests.conda_feed.stand import Stand
from tests.support.answers import Resource
from tests.support.channel import FULL, SHARD_INDEX
from tests.support.conda_index import zst
from tests.support.conda_packages import bare
from tests.support.faults import Fault

GOOD = json.dumps(
    {
        "info": {"subdir": "linux-64"},
        "packages": {},
        "packages.conda": {"x-1.0-0.conda": dict(bare("x").record)},
    }
).encode()
PACKINGS = ("repodata.json.zst", "repodata.json.bz2", "repodata.json")
#: What may stand in the place of a repodata.json, whatever it is packed in.
DAMAGED: Mapping[str, bytes] = {
    "nothing": b"",
    "a login page": b"<!DOCTYPE html><html><body>Please log in</body></html>",
    "half": GOOD[: len(GOOD) // 2],
    "all but the last byte": GOOD[:-1],
    "something after it": GOOD + b"{}",
    "UTF-16": GOOD.decode().encode("utf-16"),
    "bad UTF-8": GOOD.replace(b"MIT", b"\xff\xfe"),
    "a list": b"[]",
    "null": b"null",
    "a string": b'"repodata"',
    "another document": b'{"error":"not authorised","code":401}',
    "a list of packages": b'{"packages":[1,2],"packages.conda":{}}',
    "a number of packages": b'{"packages":3}',
    "a key twice": GOOD[:-1] + b',"packages.conda":{}}',
    "a bracket that closes another": GOOD.replace(b'"depends": []', b'"depends": [}'),
    "too deep": b'{"packages":' * 100_000 + b"{}" + b"}" * 100_000,
    "a text without an end": GOOD.replace(b'"MIT"', b'"MIT'),
    "empty sections": b'{"info":{"subdir":"linux-64"},"packages":{},"packages.conda":{}}',
    "an empty object": b"{}",
}
MIB = 1024**2


def answered(stand: Stand, body: bytes) -> None:
    """Have a document answered in every packing."""
    packed = {"repodata.json.zst": zst(body), "repodata.json.bz2": bz2.compress(body), "repodata.json": body}
    for file, data in packed.items():
        stand.origin.always(stand.channel.path("linux-64", file), Fault(status=200, body=data))


def replied(stand: Stand, file: str, fault: Fault) -> None:
    """Have one packing misbehave, and the others be missing."""
    for each in PACKINGS:
        stand.origin.always(stand.channel.path("linux-64", each), Fault(status=404))
    stand.origin.always(stand.channel.path("linux-64", file), fault)


async def held(stand: Stand) -> dict[str, bytes]:
    """Take the channel in, and return what is served of it."""
    stand.channel.shape = FULL
    stand.channel.add(bare("a"), bare("b", extension=".tar.bz2"))
    await stand.start(max_index_size_bytes=4 * MIB, read_timeout_s=0.5)
    return await served(stand)


async def served(stand: Stand) -> dict[str, bytes]:
    found = {}
    for form in FORMS:
        got = await stand.get(f"linux-64/{form}")
        assert got.status == 200
        found[str(form)] = got.body
    return found


async def assert_kept(stand: Stand, before: Mapping[str, bytes]) -> None:
    """Assert that a refresh fails, leaves what was, says so, and that the channel's own index heals it."""
    await stand.refresh()
    assert await served(stand) == before
    got = await stand.get(f"linux-64/{SHARD_INDEX}")
    assert "fwd=stale" in got.cache
    assert int(got.headers["age"]) >= 1000
    assert any("refreshing linux-64" in line for line in stand.log.of("WARNING"))
    assert stand.leftovers() == []
    stand.origin.heal()
    stand.channel.add(bare("c"))
    await stand.refresh()
    assert len(await stand.files()) == 3


async def assert_each_is_refused(stand: Stand, faults: Mapping[str, tuple[str, Fault]]) -> None:
    """Assert that none of these, each as (packing, fault), changes what is served."""
    before = await held(stand)
    stand.channel.add(bare("late"))
    for kind, (file, fault) in faults.items():
        replied(stand, file, fault)
        stand.log.lines.clear()
        stand.clock.advance(3600)  # a form in trouble is left alone for so long
        await stand.refresh()
        assert await served(stand) == before, kind
        assert any("refreshing linux-64" in line for line in stand.log.of("WARNING")), kind
    assert stand.leftovers() == []
    stand.origin.heal()
    await stand.refresh()
    assert len(await stand.files()) == 3


@pytest.mark.parametrize("batch", range(4))
async def test_damaged_indexes_leave_the_last_good_one(stand: Stand, batch: int) -> None:
    kinds = tuple(DAMAGED)[batch::4]
    faults = {kind: ("repodata.json", Fault(status=200, body=DAMAGED[kind])) for kind in kinds}
    await assert_each_is_refused(stand, faults)


async def test_the_last_good_index_is_marked_stale_and_the_next_good_one_taken(stand: Stand) -> None:
    before = await held(stand)
    answered(stand, DAMAGED["a login page"])
    await assert_kept(stand, before)


WIRE = {
    "cut off": Fault(truncate_at=60),
    "cut off without a length": Fault(truncate_at=60, close_delimited=True),
    "reset": Fault(reset_at=60),
    "never ending": Fault(stall_at=60),
    "refused": Fault(status=403),
    "an error page": Fault(status=500, body=b"<html>oops</html>"),
    "too large": Fault(status=200, body=b'{"packages":{}}' + b" " * (5 * MIB)),
    "not zstd": Fault(status=200, body=GOOD),
    "half a frame": Fault(status=200, body=zst(GOOD)[:-4]),
    "two bytes after the frame": Fault(status=200, body=zst(GOOD) + b"xx"),
    "a bomb": Fault(status=200, body=zst(b"\0" * (64 * MIB))),
    "a bomb in many frames": Fault(status=200, body=zst(b" " * MIB) * 64),
    "not there": Fault(status=404),
    "gone": Fault(status=410),
}


@pytest.mark.parametrize("batch", range(4))
async def test_trouble_on_the_way_leaves_the_last_good_index(stand: Stand, batch: int) -> None:
    await assert_each_is_refused(
        stand, {kind: ("repodata.json.zst", WIRE[kind]) for kind in tuple(WIRE)[batch::4]}
    )


async def test_bombs_and_halves_in_other_packings_leave_the_last_good_index(stand: Stand) -> None:
    bodies = {
        "a bomb": ("repodata.json.bz2", bz2.compress(b"\0" * (64 * MIB), 1)),
        "half": ("repodata.json.bz2", bz2.compress(GOOD)[:-3]),
        "not bz2": ("repodata.json.bz2", GOOD),
        "a tower": ("repodata.json", b'{"packages":{"a":' + b"[" * MIB + b"]" * MIB + b"}}"),
    }
    faults = {kind: (file, Fault(status=200, body=body)) for kind, (file, body) in bodies.items()}
    await assert_each_is_refused(stand, faults)


@pytest.mark.parametrize("kind", ["a login page", "half"])
async def test_a_damaged_index_and_nothing_held_is_502_and_never_an_empty_channel(
    stand: Stand, kind: str
) -> None:
    stand.channel.shape = FULL
    stand.channel.add(bare("a"))
    await stand.start()
    answered(stand, DAMAGED[kind])
    for form in FORMS:
        got = await stand.get(f"linux-64/{form}")
        assert got.status == 502, form
        assert got.headers["content-type"] == "application/problem+json"
    stand.origin.heal()
    stand.clock.advance(400)
    assert await stand.files() == {"a-1.0-0.conda"}


async def test_a_subdir_that_stays_empty_is_believed_in_the_end(stand: Stand) -> None:
    """An index that became empty is not believed while the former may be used: `stale_if_error`."""
    before = await held(stand)
    answered(stand, b"{}")
    stand.clock.advance(6 * 86400)
    await stand.refresh()
    assert await served(stand) == before
    stand.clock.advance(2 * 86400)
    await stand.get("linux-64/repodata.json")
    await stand.settled()
    assert await stand.files() == set()


async def test_a_subdir_that_vanished_is_believed_in_the_end(stand: Stand) -> None:
    before = await held(stand)
    stand.channel.drop("linux-64")
    await stand.refresh()
    assert await served(stand) == before
    stand.clock.advance(8 * 86400)
    assert (await stand.get("linux-64/repodata.json")).status == 404


# -- shards ----------------------------------------------------------------------------------------------------


async def held_by_shards(stand: Stand) -> dict[str, bytes]:
    stand.channel.add(bare("a"), bare("b"))
    await stand.start()
    return await served(stand)


SHARD_INDEXES: Mapping[str, bytes] = {
    "nothing": b"",
    "a login page": b"<html>login</html>",
    "not msgpack": zst(b"\xc1\xc1"),
    "another document": zst(msgspec.msgpack.encode({"hello": 1})),
    "another version": zst(msgspec.msgpack.encode({"version": 9, "info": {}, "shards": {}})),
    "digests that are none": zst(msgspec.msgpack.encode({"version": 1, "info": {}, "shards": {"a": b"x"}})),
    "a bomb": zst(b"\0" * (200 * MIB)),
}


async def test_damaged_shard_indexes_leave_the_last_good_generation(stand: Stand) -> None:
    """The full file says that nothing has changed."""
    before = await held_by_shards(stand)
    for kind, body in SHARD_INDEXES.items():
        stand.clock.advance(86400)  # after one that is none, shards are asked for again the next day
        stand.origin.forget()
        stand.origin.always(stand.channel.path("linux-64", SHARD_INDEX), Fault(status=200, body=body))
        await stand.refresh()
        assert await served(stand) == before, kind
        assert f"GET linux-64/{SHARD_INDEX}" in stand.channel.asked(), kind


async def test_an_empty_shard_index_leaves_the_last_good_generation(stand: Stand) -> None:
    before = await held_by_shards(stand)
    empty = zst(msgspec.msgpack.encode({"version": 1, "info": {"base_url": ""}, "shards": {}}))
    stand.origin.always("*", Fault(status=200, body=empty))
    await stand.refresh()
    assert await served(stand) == before


async def test_a_shard_of_another_name_does_not_give_its_records_away(stand: Stand) -> None:
    """The digest is right, and the records are somebody else's."""
    stand.channel.add(bare("a"), bare("b"))
    await stand.start()
    await stand.files()
    stand.channel.put_record("linux-64", "a-2.0-0.conda", dict(bare("b", "2.0").record))
    await stand.refresh()
    assert await stand.files() == {"a-1.0-0.conda", "b-1.0-0.conda"}


# -- two hosts with different content --------------------------------------------------------------------------


async def test_an_origin_that_alternates_never_mixes_the_forms(stand: Stand) -> None:
    """A19: two nodes of a CDN, one of them behind. Whatever is shown is one generation in every form."""
    stand.channel.shape = FULL
    stand.channel.add(bare("a"))
    await stand.start()
    old = await stand.indexed()
    stand.channel.add(bare("a", "2.0"))
    await stand.refresh()
    new = await stand.indexed()
    resources = []
    for document in (old, new):
        body = zst(json.dumps({"info": {"subdir": "linux-64"}, **document}).encode())
        resources.append(Resource(body, "application/json", f'"{len(body)}"', ranges=False))
    stand.origin.alternate(stand.channel.path("linux-64", "repodata.json.zst"), *resources)
    for _ in range(3):
        await stand.refresh()
        found = [await stand.indexed("linux-64", form) for form in FORMS]
        assert found[0] == found[1] == found[2]
        assert found[0] in (old, new)
    assert stand.counted("rollbacks", "origin") >= 1
    assert any("went back" in line for line in stand.log.of("WARNING"))


async def test_what_was_listed_before_a_rollback_keeps_its_first_sight(stand: Stand) -> None:
    stand.channel.shape = FULL
    stand.channel.add(bare("a"))
    await stand.start()
    await stand.files()
    stand.channel.add(bare("a", "2.0"))
    await stand.refresh()
    new = await stand.indexed()
    stand.channel.remove("linux-64", "a-2.0-0.conda")
    await stand.refresh()
    assert await stand.files() == {"a-1.0-0.conda"}
    stand.channel.add(bare("a", "2.0"))
    await stand.refresh()
    assert await stand.indexed() == new


async def test_bytes_after_an_answer_reach_nobody(stand: Stand) -> None:
    """A06: what an origin sends on an idle connection is nobody's answer."""
    marker = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nMARKER"
    stand.channel.shape = FULL
    stand.channel.add(bare("a"), bare("b"))
    index = stand.channel.path("linux-64", "repodata.json.zst")
    stand.origin.always(index, Fault(trailing=marker, trailing_after_s=0.1))
    await stand.start()
    assert await stand.files() == {"a-1.0-0.conda", "b-1.0-0.conda"}
    for name in ("a", "b"):
        got = await stand.get(f"linux-64/{name}-1.0-0.conda")
        assert (got.status, got.body) == (200, bare(name).data)
    stand.origin.always(index, Fault(trailing=marker))
    await stand.refresh()
    for body in (await served(stand)).values():
        assert b"MARKER" not in body
