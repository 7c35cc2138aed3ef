"""What the origin does to an approved conda file is marked for the reviewer, and the curated feed does not notice."""

import json

import pytest
from msgspec.structs import replace

from proxy.model.actor import SYSTEM
from proxy.model.approval import Drift
from proxy.model.audit_entry import AuditEntry
from tests.approval_conda.desk import CURATED, Desk
from tests.support.channel import FULL
from tests.support.conda_packages import bare, replaced

LINUX = "linux-64"
A = bare("a", depends=["b"])
PATH = f"{LINUX}/{A.file}"
CHANGED = replaced(A, b"other bytes" * 99)


async def approved(desk: Desk) -> None:
    desk.channel.add(A, bare("b"))
    await desk.begin()
    await desk.approve(PATH)
    assert (await desk.seen(PATH)).body == A.data
    await desk.settled()
    assert await desk.look() == 0


def drift_of(desk: Desk, feed: str = CURATED) -> Drift:
    drift = desk.approval(PATH, feed=feed).drift
    assert drift is not None
    return drift


async def test_a_hot_fix_is_told_and_not_followed(desk: Desk) -> None:
    await approved(desk)
    desk.channel.patch(LINUX, A.file, depends=["b", "c"], license="BSD")
    await desk.refresh()
    assert await desk.look() == 1
    drift = drift_of(desk)
    assert (drift.kind, drift.sha256) == ("drifted", A.sha256)
    assert "depends, license" in drift.reason
    assert drift.record is not None
    assert json.loads(drift.record)["depends"] == ["b", "c"]
    assert (await desk.indexed(LINUX, feed=CURATED))["packages.conda"][A.file]["depends"] == ["b"]


@pytest.mark.parametrize("is_kept", [True, False], ids=["with the first record", "without"])
async def test_other_bytes_are_told_with_their_digest_and_not_followed(desk: Desk, is_kept: bool) -> None:
    """A08: the origin replaces the file and what its index says of it."""
    desk.channel.shape = FULL
    await approved(desk)
    desk.channel.add(CHANGED)
    if is_kept:
        await desk.refresh()
    else:
        await desk.gateway.restart_without_cache()
        await desk.files()
    assert await desk.look() == 1
    drift = drift_of(desk)
    assert (drift.kind, drift.sha256, drift.size) == ("drifted", CHANGED.sha256, len(CHANGED.data))
    assert CHANGED.sha256 in drift.reason
    assert (await desk.seen(PATH)).body == A.data
    assert await desk.listed() == {PATH}


async def test_a_file_that_leaves_the_index_is_withdrawn_and_stays_here(desk: Desk) -> None:
    await approved(desk)
    desk.channel.remove(LINUX, A.file, bytes_too=True)
    await desk.refresh()
    assert await desk.look() == 1
    assert (drift_of(desk).kind, drift_of(desk).record) == ("withdrawn", None)
    assert (await desk.seen(PATH)).body == A.data


async def test_a_file_that_a_hot_fix_takes_out_is_withdrawn(desk: Desk) -> None:
    await approved(desk)
    desk.channel.add(bare("a", "2.0"))
    desk.channel.take_out(LINUX, A.file)
    await desk.refresh()
    assert await desk.look() == 1
    assert drift_of(desk).kind == "withdrawn"
    assert "taken it out" in drift_of(desk).reason
    assert await desk.listed() == {PATH}


async def test_what_comes_back_is_no_longer_marked(desk: Desk) -> None:
    await approved(desk)
    desk.channel.remove(LINUX, A.file)
    await desk.refresh()
    await desk.look()
    desk.channel.add(A)
    await desk.refresh()
    assert await desk.look() == 1
    assert desk.approval(PATH).drift is None


async def test_nothing_is_marked_twice_and_a_restart_changes_nothing(desk: Desk) -> None:
    await approved(desk)
    desk.channel.patch(LINUX, A.file, license="BSD")
    await desk.refresh()
    assert [await desk.look(), await desk.look()] == [1, 0]
    await desk.restart()
    assert await desk.look() == 0
    assert drift_of(desk).kind == "drifted"


async def test_an_origin_that_does_not_answer_has_withdrawn_nothing(desk: Desk) -> None:
    await approved(desk)
    await desk.origin.off()
    await desk.gateway.restart_without_cache()
    assert await desk.look() == 0
    assert desk.approval(PATH).drift is None


async def test_what_a_source_hides_is_not_withdrawn(desk: Desk) -> None:
    await approved(desk)
    desk.gateway.reload(desk.feed(except_=("a",)), desk.curated())
    assert await desk.look() == 0


async def test_an_accepted_record_is_the_one_to_compare_with(desk: Desk) -> None:
    await approved(desk)
    desk.channel.add(CHANGED)
    await desk.refresh()
    await desk.look()
    before, drift = desk.approval(PATH), drift_of(desk)
    assert drift.record is not None
    assert drift.sha256 is not None
    after = replace(before, record=drift.record, sha256=drift.sha256, size=drift.size, drift=None)
    entry = AuditEntry(SYSTEM, "approval.accept", before.id, feed=CURATED)
    await desk.gateway.app.base.approvals.change(before, after, entry)
    assert await desk.look() == 0
    assert (await desk.seen(PATH)).body == CHANGED.data
    (record,) = (await desk.indexed(LINUX, feed=CURATED))["packages.conda"].values()
    assert record["sha256"] == CHANGED.sha256


async def test_a_chain_of_curated_feeds_tells_drift_along_it(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin(desk.curated(), desk.curated("production", CURATED))
    await desk.approve(PATH)
    await desk.approve(PATH, feed="production", source=CURATED)
    assert await desk.look() == 0
    await desk.revoke(PATH)
    assert await desk.look() == 1
    drift = drift_of(desk, "production")
    # Its readers may not know of the feed behind it.
    assert drift.kind == "withdrawn" and not drift.reason.startswith(CURATED)
    assert await desk.listed(feed="production") == {PATH}
    assert (await desk.seen(PATH, feed="production")).body == A.data


async def test_a_subdir_that_is_gone_is_withdrawn_whole(desk: Desk) -> None:
    tool = bare("tool", subdir="noarch", noarch="generic")
    desk.channel.add(A, tool)
    await desk.begin()
    await desk.approve(PATH, f"noarch/{tool.file}")
    assert (await desk.seen(f"noarch/{tool.file}")).status == 200
    await desk.settled()
    desk.channel.drop("noarch")
    await desk.gateway.restart_without_cache()
    assert await desk.look() == 1
    drift = desk.approval(f"noarch/{tool.file}").drift
    assert drift is not None
    assert drift.kind == "withdrawn"
    assert await desk.listed() == {PATH, f"noarch/{tool.file}"}
    assert (await desk.seen(f"noarch/{tool.file}")).body == tool.data
