"""First sight: what is new is stamped, what changed under its name is held (issue 3; contract, section 4)."""

import hashlib
from typing import Any

import pytest

from tests.conda_feed.readback import FORMS, Form
from tests.conda_feed.stand import Stand
from tests.support.channel import FULL
from tests.support.conda_packages import bare, replaced
from tests.support.gateway import Got

FILE = "a-1.0-0.conda"
OTHER = b"other bytes" * 20


async def stamps(stand: Stand, form: Form = Form.SHARDS) -> dict[str, int]:
    """Return the files that say when they were indexed."""
    found = await stand.indexed("linux-64", form)
    records = found["packages"] | found["packages.conda"]
    return {
        file: record["indexed_timestamp"] for file, record in records.items() if "indexed_timestamp" in record
    }


async def fetch(stand: Stand) -> None:
    """Have somebody download the file, so that its digest binds."""
    assert (await stand.get(f"linux-64/{FILE}")).status == 200


def assert_held(got: Got) -> None:
    assert got.status == 403, got.body
    problem = got.json()
    assert problem["type"] == "urn:feedgate:held"
    assert (problem["artifact"], problem["rule"]) == (f"linux-64/{FILE}", "drift")
    assert "changed" in problem["detail"]
    assert len(got.body) < 600


# -- indexed_timestamp -----------------------------------------------------------------------------------------


async def test_records_of_the_first_snapshot_are_not_stamped(stand: Stand) -> None:
    stand.channel.add(bare("a"), bare("b", extension=".tar.bz2"))
    await stand.start()
    for form in FORMS:
        assert await stamps(stand, form) == {}


@pytest.mark.parametrize("sharded", [True, False])
async def test_a_record_that_appears_later_is_stamped_in_every_form(stand: Stand, sharded: bool) -> None:
    if not sharded:
        stand.channel.shape = FULL
    stand.channel.add(bare("a"))
    await stand.start()
    await stand.files()
    stand.channel.add(bare("a", "1.1"), bare("b", extension=".tar.bz2"))
    await stand.refresh()
    told = await stamps(stand)
    now_ms = stand.clock.now().timestamp() * 1000
    assert told.keys() == {"a-1.1-0.conda", "b-1.0-0.tar.bz2"}
    assert all(now_ms - 60_000 < stamp <= now_ms for stamp in told.values())
    for form in FORMS:
        assert await stamps(stand, form) == told


async def test_a_stamp_never_changes(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    await stand.files()
    stand.channel.add(bare("a", "1.1"))
    await stand.refresh()
    first = await stamps(stand)
    stand.channel.patch("linux-64", "a-1.1-0.conda", depends=["b"])
    stand.channel.add(bare("b"))
    await stand.refresh()
    later = await stamps(stand)
    assert later["a-1.1-0.conda"] == first["a-1.1-0.conda"]
    assert later["b-1.0-0.conda"] > first["a-1.1-0.conda"]
    await stand.restart()
    assert await stamps(stand) == later
    await stand.gateway.restart_without_cache()
    assert await stamps(stand) == later


async def test_a_file_that_was_away_has_the_stamp_of_its_first_sight(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    await stand.files()
    stand.channel.add(bare("a", "1.1"))
    await stand.refresh()
    first = await stamps(stand)
    stand.channel.remove("linux-64", "a-1.1-0.conda")
    stand.channel.remove("linux-64", FILE)
    stand.channel.add(bare("b"))
    await stand.refresh()
    stand.channel.add(bare("a"), bare("a", "1.1"))
    await stand.refresh()
    again = await stamps(stand)
    assert again["a-1.1-0.conda"] == first["a-1.1-0.conda"]
    assert FILE not in again


async def test_the_origins_own_stamp_stays(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    await stand.files()
    stand.channel.add(bare("a", "1.1", indexed_timestamp=1_700_000_000_000))
    await stand.refresh()
    assert await stamps(stand) == {"a-1.1-0.conda": 1_700_000_000_000}


async def test_stamps_can_be_turned_off(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start(indexed_timestamp="off")
    await stand.files()
    stand.channel.add(bare("a", "1.1"))
    await stand.refresh()
    assert await stamps(stand) == {}
    assert await stand.files() == {FILE, "a-1.1-0.conda"}


async def test_subdirs_have_first_snapshots_of_their_own(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    await stand.files()
    stand.channel.add(bare("a", subdir="osx-64"))
    await stand.refresh("osx-64")
    found = await stand.indexed("osx-64")
    assert "indexed_timestamp" not in found["packages.conda"][FILE]


# -- drift -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sharded", [True, False])
async def test_a_file_that_changed_under_its_name_stays_as_it_was_first_seen(
    stand: Stand, sharded: bool
) -> None:
    if not sharded:
        stand.channel.shape = FULL
    old = bare("a")
    stand.channel.add(old, bare("a", "0.9"), bare("b"))
    await stand.start()
    first = await stand.indexed()
    assert (await stand.get(f"linux-64/{FILE}")).body == old.data
    stand.channel.add(replaced(old, OTHER))
    await stand.refresh()
    for form in FORMS:
        assert await stand.indexed("linux-64", form) == first
    assert (await stand.get(f"linux-64/{FILE}")).body == old.data


async def test_drift_is_logged_and_counted(stand: Stand) -> None:
    old = bare("a")
    stand.channel.add(old)
    await stand.start()
    await fetch(stand)
    stand.channel.add(replaced(old, OTHER))
    await stand.refresh()
    assert stand.counted("drift", "origin") == 1
    (line,) = stand.log.of("ERROR")
    assert "1 file" in line
    assert FILE in line
    metrics = (await stand.gateway.get("/metrics")).body.decode()
    assert "drift" in metrics


async def test_drift_is_told_once(stand: Stand) -> None:
    old = bare("a")
    stand.channel.add(old)
    await stand.start()
    await fetch(stand)
    stand.channel.add(replaced(old, OTHER))
    await stand.refresh()
    stand.channel.add(bare("a", "2.0"))
    await stand.refresh()
    assert await stand.files() == {FILE, "a-2.0-0.conda"}
    assert (stand.counted("drift", "origin"), len(stand.log.of("ERROR"))) == (1, 1)


@pytest.mark.parametrize("sharded", [True, False])
async def test_a_change_before_anybody_fetched_it_is_a_new_file(stand: Stand, sharded: bool) -> None:
    """A nightly build is replaced, or a wrong digest is corrected: nobody has the first bytes (C5)."""
    if not sharded:
        stand.channel.shape = FULL
    old = bare("a")
    stand.channel.add(old, bare("b"))
    await stand.start()
    await stand.files()
    new = replaced(old, OTHER)
    stand.channel.add(new)
    await stand.refresh()
    now_ms = stand.clock.now().timestamp() * 1000
    for form in FORMS:
        record = (await stand.indexed("linux-64", form))["packages.conda"][FILE]
        assert record["sha256"] == new.sha256
        assert now_ms - 60_000 < record["indexed_timestamp"] <= now_ms
    assert (await stand.get(f"linux-64/{FILE}")).body == OTHER
    assert (stand.counted("drift", "origin"), stand.log.of("ERROR")) == (0, [])
    await stand.gateway.restart_without_cache()
    assert (await stand.indexed())["packages.conda"][FILE] == record
    # From now on it binds.
    stand.channel.add(old)
    await stand.refresh()
    assert (await stand.indexed())["packages.conda"][FILE]["sha256"] == new.sha256


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64, "md5": "0" * 32}, {"size": 7}])
async def test_a_corrected_record_is_believed_at_once(stand: Stand, wrong: dict[str, Any]) -> None:
    """The source that did not keep the wrong promise need not rest from the right one (C5)."""
    old = bare("a")
    stand.channel.add(old)
    stand.channel.patch("linux-64", FILE, **wrong)
    await stand.start(ttl_s=5.0)
    for _ in range(3):
        assert (await stand.get(f"linux-64/{FILE}")).status == 502
    stand.channel.add(old)
    stand.clock.advance(10.0)
    await stand.files()
    await stand.settled()
    assert (await stand.indexed())["packages.conda"][FILE]["sha256"] == old.sha256
    assert (await stand.get(f"linux-64/{FILE}")).body == old.data


async def test_a_corrected_size_is_shown_at_once_and_is_no_new_sight(stand: Stand) -> None:
    old = bare("a")
    stand.channel.add(old)
    stand.channel.patch("linux-64", FILE, size=7)
    await stand.start()
    assert (await stand.get(f"linux-64/{FILE}")).status == 502
    stand.channel.patch("linux-64", FILE, size=len(old.data))
    await stand.refresh()
    record = (await stand.indexed())["packages.conda"][FILE]
    assert (record["size"], "indexed_timestamp" in record) == (len(old.data), False)
    assert (await stand.get(f"linux-64/{FILE}")).body == old.data


async def test_a_drifted_file_whose_first_record_is_lost_is_held(stand: Stand) -> None:
    old = bare("a")
    stand.channel.add(old, bare("a", "0.9"))
    await stand.start()
    await fetch(stand)
    stand.channel.add(replaced(old, OTHER))
    await stand.gateway.restart_without_cache()
    for form in FORMS:
        assert await stand.files("linux-64", form) == {"a-0.9-0.conda"}
    assert_held(await stand.get(f"linux-64/{FILE}"))
    head = await stand.get(f"linux-64/{FILE}", "HEAD")
    assert (head.status, head.body) == (403, b"")
    assert_held(await stand.get(f"linux-64/{FILE}", Range="bytes=0-9"))
    assert stand.origin.hits(stand.channel.path("linux-64", FILE)) == 1


async def test_the_answer_for_a_held_file_tells_neither_digest_nor_size(stand: Stand) -> None:
    old = bare("a")
    stand.channel.add(old)
    await stand.start()
    await fetch(stand)
    stand.channel.add(replaced(old, OTHER))
    await stand.gateway.restart_without_cache()
    got = await stand.get(f"linux-64/{FILE}")
    assert got.status == 403
    for secret in (old.sha256, hashlib.sha256(OTHER).hexdigest()):
        assert secret not in got.body.decode()
        assert secret not in str(got.headers)


async def test_the_twin_of_a_held_file_is_held_with_it(stand: Stand) -> None:
    old = bare("a")
    stand.channel.add(old, bare("a", extension=".tar.bz2"), bare("b"))
    await stand.start()
    await fetch(stand)
    stand.channel.add(replaced(old, OTHER))
    await stand.gateway.restart_without_cache()
    assert await stand.files() == {"b-1.0-0.conda"}
    assert (await stand.get("linux-64/a-1.0-0.tar.bz2")).status == 403


async def test_a_held_file_stays_held_when_other_names_change(stand: Stand) -> None:
    old = bare("a")
    stand.channel.add(old, bare("b"))
    await stand.start()
    await fetch(stand)
    stand.channel.add(replaced(old, OTHER))
    await stand.gateway.restart_without_cache()
    await stand.files()
    stand.channel.add(bare("b", "1.1"))
    await stand.refresh()
    assert await stand.files() == {"b-1.0-0.conda", "b-1.1-0.conda"}
    assert_held(await stand.get(f"linux-64/{FILE}"))
    await stand.restart()
    assert_held(await stand.get(f"linux-64/{FILE}"))


async def test_a_file_that_is_as_first_seen_again_is_served_again(stand: Stand) -> None:
    old = bare("a")
    stand.channel.add(old)
    await stand.start()
    await fetch(stand)
    stand.channel.add(replaced(old, OTHER))
    await stand.gateway.restart_without_cache()
    await stand.files()
    stand.channel.add(old)
    await stand.refresh()
    assert await stand.files() == {FILE}
    assert (await stand.get(f"linux-64/{FILE}")).body == old.data


async def test_notices_tell_how_much_is_hidden_and_where_to_ask(stand: Stand) -> None:
    old = bare("a")
    stand.channel.add(old, bare("b"))
    await stand.start()
    await fetch(stand)
    stand.channel.add(replaced(old, OTHER))
    await stand.gateway.restart_without_cache()
    await stand.files()
    (notice,) = (await stand.get("notices.json")).json()["notices"]
    assert "1 package is hidden" in notice["message"]
    assert "chan" in notice["message"]
    assert notice["level"] == "info"
    assert notice.keys() == {"id", "message", "level", "created_at", "expires_at"}
    again = (await stand.get("notices.json")).json()["notices"]
    assert again == [notice]


async def test_a_hot_fix_is_no_drift(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    await stand.files()
    stand.channel.patch("linux-64", FILE, depends=["b"], license="BSD-3-Clause")
    await stand.refresh()
    assert (await stand.indexed())["packages.conda"][FILE]["depends"] == ["b"]
    assert stand.counted("drift", "origin") == 0
    assert (await stand.get(f"linux-64/{FILE}")).status == 200


async def test_a_better_hash_is_no_drift(stand: Stand) -> None:
    """An index that told md5 begins to tell sha256: neither says anything about the other."""
    stand.channel.reshape(hashes=("md5",))
    stand.channel.add(bare("a"))
    await stand.start()
    await stand.files()
    stand.channel.reshape(hashes=("md5", "sha256"))
    stand.channel.subdir("linux-64")
    await stand.refresh()
    assert "sha256" in (await stand.indexed())["packages.conda"][FILE]
    assert stand.counted("drift", "origin") == 0
