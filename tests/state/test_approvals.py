"""Approvals: on disk with their audit before they are seen, all or none, and the same after a restart."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from proxy.model.approval import Approval, Drift
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.state.approvals import KEY_MS, Approvals
from proxy.state.audit import read
from proxy.state.audit_trail import Wanted
from proxy.state.database import Database
from tests.approval.made import approval, digest, entry, promotion
from tests.support.clock import FakeClock

WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(tmp_path / "state", FakeClock())
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def approvals(database: Database) -> Approvals:
    made = Approvals(database)
    await made.load()
    return made


async def again(database: Database) -> Approvals:
    """Return what another start finds."""
    loaded = Approvals(database)
    await loaded.load()
    return loaded


async def audited(database: Database) -> list[str]:
    async with (await database.rows()).read() as connection:
        return [record.action for record in await read(connection, Wanted(limit=100))]


def revoked(one: Approval) -> Approval:
    return msgspec.structs.replace(one, state="revoked", reason="CVE", revoked_ms=2000)


async def test_what_was_approved_is_there_after_a_restart(database: Database, approvals: Approvals) -> None:
    drift = Drift("drifted", "other bytes", 5, digest("new"), 7, b"new record", "http://origin.test/new")
    made = [approval(), approval("leaf-2.0-py3-none-any.whl", drift=drift, size=None)]
    await approvals.promote(promotion(), made, entry())
    loaded = await again(database)
    assert loaded.all_of("approved") == made == approvals.all_of("approved")
    assert list(loaded.names("approved")) == ["demo", "leaf"]
    assert await loaded.promotion("approved", "p-1") == promotion()


async def test_each_change_has_its_audit(database: Database, approvals: Approvals) -> None:
    (one,) = [approval()]
    await approvals.promote(promotion(), [one], entry())
    await approvals.change(one, revoked(one), entry("approval.revoke"))
    assert await audited(database) == ["promotion.create", "approval.revoke"]


async def test_a_promotion_that_cannot_be_written_changes_nothing(
    database: Database, approvals: Approvals
) -> None:
    twice = [approval(), approval("leaf-2.0-py3-none-any.whl"), approval(id="a-other", sha256=digest("x"))]
    with pytest.raises(Problem):
        await approvals.promote(promotion(), twice, entry())
    assert approvals.all_of("approved") == [] == (await again(database)).all_of("approved")
    assert await audited(database) == []
    assert await approvals.promotion("approved", "p-1") is None


async def test_a_revoked_approval_is_history_and_may_be_approved_again(
    database: Database, approvals: Approvals
) -> None:
    one = approval()
    await approvals.promote(promotion(), [one], entry())
    gone = await approvals.change(one, revoked(one), entry("approval.revoke"))
    assert approvals.of("approved", "demo") == {}
    assert approvals.revoked("approved", "demo") == {WHEEL: gone}
    assert not approvals.pins(one.sha256)
    anew = approval(id="a-2", promotion_id="p-2", at_ms=3000)
    await approvals.promote(promotion("p-2"), [anew], entry())
    for known in (approvals, await again(database)):
        assert known.of("approved", "demo") == {WHEEL: anew}
        assert known.revoked("approved", "demo") == {}
        assert known.all_of("approved") == [gone, anew]


async def test_a_file_has_one_approval_however_often_it_is_promoted(approvals: Approvals) -> None:
    one = approval()
    await approvals.promote(promotion(), [one], entry())
    await approvals.promote(promotion("p-2"), [approval(id="a-2")], entry())
    assert approvals.all_of("approved") == [one]


async def test_another_digest_under_the_same_name_is_a_conflict(approvals: Approvals) -> None:
    await approvals.promote(promotion(), [approval()], entry())
    with pytest.raises(Problem) as caught:
        await approvals.promote(promotion("p-2"), [approval(id="a-2", sha256=digest("other"))], entry())
    assert caught.value.word == "conflict"


async def test_the_same_key_gives_the_same_promotion_for_seven_days(approvals: Approvals) -> None:
    first = promotion(key="k", asked_sha256="x")
    await approvals.promote(first, [approval()], entry())
    repeated = promotion("p-2", key="k", asked_sha256="x", at_ms=2000)
    assert await approvals.promote(repeated, [approval(id="a-2")], entry()) == first
    with pytest.raises(Problem) as caught:
        await approvals.promote(promotion("p-2", key="k", asked_sha256="y"), [], entry())
    assert caught.value.word == "unprocessable"
    later = promotion("p-3", key="k", asked_sha256="y", at_ms=1000 + KEY_MS + 1)
    assert await approvals.promote(later, [], entry()) == later
    assert [each.id for each in await approvals.promotions("approved", 10)] == ["p-3", "p-1"]


async def test_a_key_of_one_feed_says_nothing_about_another(approvals: Approvals) -> None:
    await approvals.promote(promotion(key="k", asked_sha256="x"), [approval()], entry())
    other = promotion("p-2", feed="production", key="k", asked_sha256="y")
    assert await approvals.promote(other, [], entry()) == other


async def test_promotions_are_read_in_pages_newest_first(approvals: Approvals) -> None:
    for number in range(5):
        await approvals.promote(promotion(f"p-{number}", at_ms=1000 + number // 2), [], entry())
    first = await approvals.promotions("approved", 2)
    second = await approvals.promotions("approved", 9, (first[-1].at_ms, first[-1].id))
    assert [each.id for each in [*first, *second]] == ["p-4", "p-3", "p-2", "p-1", "p-0"]


async def test_a_change_of_what_has_changed_meanwhile_is_refused(approvals: Approvals) -> None:
    one = approval()
    await approvals.promote(promotion(), [one], entry())
    await approvals.change(one, revoked(one), entry("approval.revoke"))
    with pytest.raises(Problem) as caught:
        await approvals.change(one, msgspec.structs.replace(one, record=b"new"), entry("approval.accept"))
    assert caught.value.word == "conflict"


async def test_listeners_hear_of_the_names_that_changed(approvals: Approvals) -> None:
    heard: list[tuple[str, frozenset[str]]] = []
    stop = approvals.on_change(lambda feed, names: heard.append((feed, names)))
    before = approvals.revision("approved")
    await approvals.promote(promotion(), [approval(), approval("leaf-2.0.tar.gz")], entry())
    assert heard == [("approved", frozenset({"demo", "leaf"}))]
    assert approvals.revision("approved") > before
    changed = approvals.revision("approved", "leaf")
    one = approvals.of("approved", "demo")[WHEEL]
    stop()
    await approvals.change(one, revoked(one), entry("approval.revoke"))
    assert len(heard) == 1
    assert approvals.revision("approved", "leaf") == changed


async def test_a_deleted_feed_leaves_nothing(database: Database, approvals: Approvals) -> None:
    await approvals.promote(promotion(), [approval(), approval("leaf-2.0.tar.gz")], entry())
    await approvals.forget("approved", entry("feed.delete"))
    assert approvals.names("approved") == () and not approvals.pins(approval().sha256)
    assert (await again(database)).active() == []
    assert await approvals.promotion("approved", "p-1") is None


async def test_for_which_feed_bytes_have_come_is_kept_until_the_feed_or_the_bytes_are_gone(
    database: Database, approvals: Approvals
) -> None:
    bytes_ = digest("bytes")
    for feed in ("approved", "other"):
        one = approval(feed=feed, sha256=bytes_)
        await approvals.promote(promotion(f"p-{feed}", feed=feed), [one], entry())
        await approvals.note_bytes(feed, "demo", bytes_, 5)
    loaded = await again(database)
    for each in (approvals, loaded):
        assert each.has_bytes("approved", bytes_) and each.has_bytes("other", bytes_)
        assert not each.has_bytes("third", bytes_) and not each.has_bytes("approved", digest("others"))
    await approvals.forget("other", entry("feed.delete", "other"))
    loaded = await again(database)
    assert [each.has_bytes("other", bytes_) for each in (approvals, loaded)] == [False, False]
    assert [each.has_bytes("approved", bytes_) for each in (approvals, loaded)] == [True, True]
    # A fetch that ends only now is of a feed that is gone; one with its name is another feed.
    await approvals.note_bytes("other", "demo", bytes_, 6)
    assert not (await again(database)).has_bytes("other", bytes_)
    active = approvals.of("approved", "demo")[WHEEL]
    await approvals.change(active, revoked(active), entry("approval.revoke"))

    async def removed(_: Sha256) -> None:
        """The vault's part."""

    assert await approvals.let_go(bytes_, removed)
    assert [each.has_bytes("approved", bytes_) for each in (approvals, await again(database))] == [
        False,
        False,
    ]
