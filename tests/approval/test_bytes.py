"""Approved bytes: brought in the background, never lost, served without the origin (C11, F08; design, law 7)."""

import asyncio

import pytest

from proxy.config.settings import Cache
from proxy.feeds.vaulting import GRACE
from proxy.model.digest import Sha256
from tests.approval.desk import Desk, curated
from tests.support.clock import FakeClock
from tests.support.faults import Fault
from tests.support.gateway import Got, feed, until, upstream
from tests.support.wheels import wheel

DEMO1 = "demo-1.0-py3-none-any.whl"
LEAF = "leaf-1.0-py3-none-any.whl"
BULK = "bulk-1.0-py3-none-any.whl"


async def test_the_approved_feed_serves_without_origin_and_without_cache(desk: Desk) -> None:
    await desk.start()
    await desk.promote("demo ==1.0")
    await desk.held()
    side = (await desk.file(DEMO1, suffix=".metadata")).body
    await desk.origin.off()
    await desk.gateway.restart_without_cache()
    assert await desk.listed("demo") == [DEMO1, "demo-1.0.tar.gz"]
    for form in ("text/html", "application/vnd.pypi.simple.v1+json"):
        assert (await desk.gateway.get("/pypi/approved/simple/demo/", Accept=form)).status == 200
    assert (await desk.gateway.get("/pypi/approved/pypi/demo/json")).status == 200
    got = await desk.file(DEMO1)
    assert (got.status, got.body) == (200, desk.index.file(DEMO1).built.data)
    assert (await desk.file(DEMO1, suffix=".metadata")).body == side
    part = await desk.gateway.get(desk.path(DEMO1), Range="bytes=0-3")
    assert (part.status, part.body) == (206, got.body[:4])


async def test_the_open_feed_has_what_the_vault_has(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    await desk.held()
    desk.origin.forget()
    assert (await desk.file(DEMO1, "open")).status == 200
    assert desk.origin.hits(desk.index.file_path(DEMO1)) == 0


async def test_one_fetch_serves_the_vault_and_every_client(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    assert (await desk.file(DEMO1)).status == 200
    await desk.held()
    assert (await desk.file(DEMO1, "open")).status == 200
    assert desk.origin.hits(desk.index.file_path(DEMO1)) == 1


async def test_what_the_cache_holds_is_copied_and_not_fetched_again(desk: Desk) -> None:
    await desk.start()
    await desk.file(DEMO1, "open")
    await desk.origin.off()
    promoted = await desk.order(artifacts=[DEMO1])
    assert promoted.status == 201
    await desk.held()
    await desk.gateway.restart_without_cache()
    assert (await desk.file(DEMO1)).status == 200


async def test_an_approved_file_is_not_evicted_before_the_vault_has_it(desk: Desk) -> None:
    """C11: the cache is full, and new files push the old ones out while a promotion waits for its bytes."""
    sizes = 60_000
    built = wheel("bulk", "1.0", payload=sizes)
    desk.index.add(built, *(wheel(f"other{n}", "1.0", payload=sizes) for n in range(6)))
    await desk.start(cache=Cache(max_size_bytes=3 * sizes))
    await desk.file(BULK, "open")
    base, vaulting = desk.gateway.app.base, desk.gateway.app.curating.vaulting
    await until(desk.ready, lambda _: base.store.holds(Sha256(built.sha256)))
    desk.origin.always(desk.index.file_path(BULK), Fault(status=404))
    # Nothing is copied while the cache is pressed.
    await vaulting.close()
    await desk.promote(artifacts=[BULK])
    for number in range(6):
        assert (await desk.file(f"other{number}-1.0-py3-none-any.whl", "open")).status == 200
    await base.store.purge(lambda _: True)
    await base.store.prune(0)
    digest = Sha256(built.sha256)
    assert base.store.holds(digest) and not base.vault.holds(digest)
    await desk.gateway.restart()
    assert (await desk.held())[BULK]["bytes"] == "held"
    await desk.gateway.app.base.store.purge(lambda _: True)
    assert not desk.gateway.app.base.store.holds(digest)
    assert (await desk.file(BULK)).body == built.data


async def test_a_failure_is_shown_with_its_reason_and_cured_later(desk: Desk) -> None:
    await desk.start()
    desk.gateway.app.curating.vaulting._retry_s = 0.05
    path = desk.index.file_path(DEMO1)
    desk.origin.always(path, Fault(status=500))
    await desk.promote(artifacts=[DEMO1])

    async def asked() -> Got:
        return await desk.send("GET", "/feeds/approved/approvals?state=pending")

    got = await until(asked, lambda got: [item["bytes"] for item in got.json()["items"]] == ["failed"])
    assert "500" in got.json()["items"][0]["failure"]
    desk.origin.heal()
    assert (await desk.held())[DEMO1]["failure"] == ""


async def test_what_was_pending_is_fetched_after_a_restart(desk: Desk) -> None:
    await desk.start()
    desk.origin.always(desk.index.file_path(DEMO1), Fault(status=500))
    await desk.promote(artifacts=[DEMO1])
    await desk.gateway.stop()
    desk.origin.heal()
    await desk.gateway.start()
    assert (await desk.held())[DEMO1]["bytes"] == "held"
    assert desk.gateway.app.base.vault.holds(Sha256(desk.index.file(DEMO1).built.sha256))


async def test_what_rots_in_the_vault_is_fetched_again_by_its_pin(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    await desk.held()
    vault = desk.gateway.app.base.vault
    built = desk.index.file(DEMO1).built
    vault.path_of(Sha256(built.sha256)).write_bytes(b"rotten")
    await desk.gateway.restart_without_cache()
    got = await until(lambda: desk.file(DEMO1), lambda got: got.status == 200)
    assert got.body == built.data
    report = await desk.gateway.app.base.vault.verify_all()
    assert report.damaged == ()
    assert (await desk.held())[DEMO1]["bytes"] == "held"


async def test_a_lazy_feed_fetches_on_the_first_download_into_the_vault(desk: Desk) -> None:
    await desk.start(desk.open(), curated(fetch="lazy"))
    await desk.promote(artifacts=[DEMO1])
    await desk.gateway.app.curating.vaulting.settled()
    path = desk.index.file_path(DEMO1)
    assert desk.origin.hits(path) == 0
    assert (await desk.approvals())[DEMO1]["bytes"] == "pending"
    assert (await desk.file(DEMO1)).status == 200
    assert (await desk.held())[DEMO1]["bytes"] == "held"
    await desk.origin.off()
    await desk.gateway.restart_without_cache()
    assert (await desk.file(DEMO1)).status == 200


async def test_bytes_come_from_the_upstream_that_took_the_place_of_the_former(desk: Desk) -> None:
    """An upstream whose address was edited has another id; the pinned digest is what counts."""
    await desk.start(desk.open(), curated(fetch="lazy"))
    await desk.promote(artifacts=[DEMO1])
    desk.gateway.reload(feed(upstream(desk.index.url, "edited"), name="open"), curated(fetch="lazy"))
    got = await desk.file(DEMO1)
    assert (got.status, got.body) == (200, desk.index.file(DEMO1).built.data)


async def test_revoked_bytes_are_kept_for_their_grace_and_live_ones_for_good(desk: Desk) -> None:
    """F08."""
    clock = FakeClock()
    await desk.start(desk.open(), curated(), curated("second"), clock=clock)
    await desk.promote("demo ==1.0")
    await desk.promote(artifacts=[DEMO1], to="second")
    await desk.held()
    await desk.revoke(DEMO1)
    await desk.revoke("demo-1.0.tar.gz")
    base, vaulting = desk.gateway.app.base, desk.gateway.app.curating.vaulting
    shared = Sha256(desk.index.file(DEMO1).built.sha256)
    alone = Sha256(desk.index.file("demo-1.0.tar.gz").built.sha256)
    await vaulting._collect()
    assert base.vault.holds(shared) and base.vault.holds(alone)
    clock.advance(GRACE.total_seconds() + 60)
    await vaulting._collect()
    assert base.vault.holds(shared) and not base.vault.holds(alone)
    assert (await desk.file(DEMO1, "second")).status == 200


async def test_a_collection_that_was_killed_is_finished_by_the_next_start(desk: Desk) -> None:
    """F08: between two removals nothing is half done, and nothing that is approved is taken for what was left."""
    clock = FakeClock()
    await desk.start(clock=clock)
    await desk.promote("demo ==1.0")
    await desk.held()
    await desk.revoke(DEMO1)
    clock.advance(GRACE.total_seconds() + 60)
    approvals = desk.gateway.app.base.approvals

    async def killed(_: Sha256) -> None:
        raise asyncio.CancelledError

    revoked = Sha256(desk.index.file(DEMO1).built.sha256)
    with pytest.raises(asyncio.CancelledError):
        await approvals.let_go(revoked, killed)
    assert desk.gateway.app.base.vault.holds(revoked)
    await desk.stop()
    await desk.start(clock=clock)
    vault = desk.gateway.app.base.vault
    async with asyncio.timeout(10):
        await vault.scanned()
        while vault.holds(revoked):
            await asyncio.sleep(0.01)
    assert vault.holds(Sha256(desk.index.file("demo-1.0.tar.gz").built.sha256))
    assert (await desk.file("demo-1.0.tar.gz")).status == 200


async def test_an_approval_while_its_bytes_are_collected_waits_and_fetches_them_again(desk: Desk) -> None:
    """F08: what is approved has its bytes, whoever comes first."""
    clock = FakeClock()
    await desk.start(clock=clock)
    await desk.promote(artifacts=[DEMO1])
    await desk.held()
    await desk.revoke(DEMO1)
    clock.advance(GRACE.total_seconds() + 60)
    collecting = asyncio.create_task(desk.gateway.app.curating.vaulting._collect())
    await desk.promote(artifacts=[DEMO1])
    await collecting
    assert (await desk.held())[DEMO1]["bytes"] == "held"
    assert (await desk.file(DEMO1)).status == 200


async def test_another_feeds_approval_brings_the_bytes_where_the_first_feed_is_gone(desk: Desk) -> None:
    await desk.start(desk.open(), curated(), curated("second"))
    desk.gateway.app.curating.vaulting._retry_s = 0.05
    desk.origin.always(desk.index.file_path(DEMO1), Fault(status=500))
    await desk.promote(artifacts=[DEMO1])
    await desk.promote(artifacts=[DEMO1], to="second")

    async def asked() -> Got:
        return await desk.send("GET", "/feeds/second/approvals?state=pending")

    await until(asked, lambda got: [item["bytes"] for item in got.json()["items"]] == ["failed"])
    desk.gateway.reload(desk.open(), curated("second"))
    desk.origin.heal()
    assert (await desk.held("second"))[DEMO1]["bytes"] == "held"


async def test_the_vault_is_told_apart_from_the_cache(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    await desk.held()
    metrics = (await desk.gateway.get("/metrics")).body.decode()
    size = len(desk.index.file(DEMO1).built.data)
    assert f"feedgate_vault_bytes {float(size)}" in metrics or f"feedgate_vault_bytes {size}" in metrics
    assert "feedgate_vault_files 1" in metrics


async def test_how_much_has_come_of_pending_bytes_is_told(desk: Desk) -> None:
    desk.origin.always(desk.index.file_path(LEAF), Fault(stall_at=100))
    await desk.start()
    await desk.promote(artifacts=[LEAF])
    got = await until(
        lambda: desk.send("GET", "/feeds/approved/approvals?state=pending"),
        lambda got: got.json()["items"][0]["arrived_bytes"] > 0,
    )
    (item,) = got.json()["items"]
    assert (item["bytes"], item["arrived_bytes"]) == ("pending", 100)
    desk.origin.heal()
