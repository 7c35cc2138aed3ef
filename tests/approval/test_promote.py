"""Promotion over HTTP: what a spec means, what a client of the curated feed finds, and every refusal (contract, 5)."""

import pytest

from tests.approval.desk import KEY, Desk, curated
from tests.support.clock import FakeClock
from tests.support.gateway import until
from tests.support.wheels import wheel

DEMO1 = "demo-1.0-py3-none-any.whl"
DEMO2 = "demo-2.0-py3-none-any.whl"


async def test_a_client_of_a_curated_feed_finds_nothing_and_learns_why(desk: Desk) -> None:
    await desk.start()
    got = await desk.page("demo")
    assert (got.status, got.json()["type"]) == (404, "urn:feedgate:not-approved")
    got = await desk.file(DEMO1)
    assert (got.status, got.json()["type"]) == (404, "urn:feedgate:not-approved")
    assert "promote" in got.json()["detail"]
    assert desk.origin.hits() == 0


async def test_a_promoted_version_is_there_and_no_other(desk: Desk) -> None:
    await desk.start()
    document = await desk.promote("demo ==1.0", comment="as asked in #12")
    told = {item["artifact"]: item for item in document["artifacts"]}
    assert set(told) == {DEMO1, "demo-1.0.tar.gz"}
    wheel = told[DEMO1]
    built = desk.index.file(DEMO1).built
    assert (wheel["sha256"], wheel["size"]) == (built.sha256, len(built.data))
    assert (wheel["name"], wheel["version"], wheel["why"]) == ("demo", "1.0", "requested")
    assert (wheel["state"], wheel["bytes"]) == ("new", "pending")
    assert (document["target"], document["from"], document["comment"]) == (
        "approved",
        "open",
        "as asked in #12",
    )
    assert await desk.listed("demo") == [DEMO1, "demo-1.0.tar.gz"]
    got = await desk.file(DEMO1)
    assert (got.status, got.body) == (200, built.data)
    assert (await desk.file(DEMO2)).status == 404


async def test_a_spec_means_its_newest_version(desk: Desk) -> None:
    await desk.start()
    document = await desk.promote("demo")
    assert {item["version"] for item in document["artifacts"]} == {"2.0"}


async def test_all_versions_are_promoted_where_all_are_asked_for(desk: Desk) -> None:
    await desk.start()
    document = await desk.promote("demo", versions="all")
    assert {item["version"] for item in document["artifacts"]} == {"1.0", "2.0"}


async def test_a_single_file_is_promoted_by_its_name(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    assert await desk.listed("demo") == [DEMO1]


async def test_every_field_of_the_record_is_that_of_the_source(desk: Desk) -> None:
    desk.index.yank(DEMO1, "broken")
    desk.index.file(DEMO1).requires_python = ">=3.8"
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    theirs = {file["filename"]: file for file in (await desk.page("demo", "open")).json()["files"]}
    ours = {file["filename"]: file for file in (await desk.page("demo")).json()["files"]}
    assert ours == {DEMO1: theirs[DEMO1]}
    assert ours[DEMO1]["yanked"] == "broken" and ours[DEMO1]["requires-python"] == ">=3.8"
    assert ours[DEMO1]["upload-time"] and ours[DEMO1]["core-metadata"]
    legacy = (await desk.gateway.get("/pypi/approved/pypi/demo/json")).json()
    assert [file["filename"] for file in legacy["releases"]["1.0"]] == [DEMO1]


async def test_the_list_of_names_is_that_of_the_approvals(desk: Desk) -> None:
    await desk.start()
    assert (await desk.gateway.get("/pypi/approved/simple/", Accept="text/html")).body.count(b"<a ") == 0
    await desk.promote("leaf")
    got = await desk.gateway.get("/pypi/approved/simple/", Accept="text/html")
    assert b'href="leaf/"' in got.body and b"demo" not in got.body


async def test_a_dry_run_tells_the_same_and_changes_nothing(desk: Desk) -> None:
    await desk.start()
    got = await desk.order("demo", dry_run=True)
    assert got.status == 200
    assert got.json()["id"] is None and got.json()["dry_run"] is True
    assert len(got.json()["artifacts"]) == 2
    assert await desk.approvals() == {}
    assert (await desk.page("demo")).status == 404
    assert "promotion.create" not in await desk.audited()


async def test_a_file_promoted_again_is_already_there_with_one_approval(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    document = await desk.promote("demo ==1.0")
    states = {item["artifact"]: item["state"] for item in document["artifacts"]}
    assert states == {DEMO1: "already", "demo-1.0.tar.gz": "new"}
    assert len(await desk.approvals()) == 2


async def test_the_same_key_has_one_effect_and_one_answer_over_a_restart(desk: Desk) -> None:
    """B02, F04: a client that repeats after a timeout."""
    await desk.start()
    first = await desk.order("demo", idempotency="k-1")
    assert first.status == 201
    await desk.gateway.restart()
    again = await desk.order("demo", idempotency="k-1")
    assert (again.status, again.body) == (first.status, first.body)
    other = await desk.order("leaf", idempotency="k-1")
    assert (other.status, other.json()["type"]) == (422, "urn:feedgate:unprocessable")
    listed = (await desk.send("GET", "/feeds/approved/promotions")).json()["items"]
    assert [item["id"] for item in listed] == [first.json()["id"]]


async def test_a_promotion_is_told_in_the_history(desk: Desk) -> None:
    await desk.start()
    first = await desk.promote("leaf", comment="one")
    second = await desk.promote("demo", comment="two")
    page = (await desk.send("GET", "/feeds/approved/promotions?limit=1")).json()
    assert [item["id"] for item in page["items"]] == [second["id"]]
    assert page["items"][0]["artifacts"] == 2
    page = (await desk.send("GET", f"/feeds/approved/promotions?limit=1&cursor={page['next']}")).json()
    assert [item["comment"] for item in page["items"]] == ["one"] and page["next"] is None
    assert (await desk.send("GET", f"/feeds/approved/promotions/{first['id']}")).json() == first
    assert (await desk.send("GET", "/feeds/approved/promotions/p-none")).status == 404


async def test_a_promotion_tells_one_moment_everywhere(desk: Desk) -> None:
    """Every millisecond ends somewhere: neither place may round another way."""
    clock = FakeClock()
    clock.set(clock.now().replace(microsecond=123_987))
    await desk.start(clock=clock)
    made = await desk.promote("leaf")
    (listed,) = (await desk.send("GET", "/feeds/approved/promotions")).json()["items"]
    (approval, *_) = (await desk.approvals()).values()
    assert (listed["at"], approval["at"]) == (made["at"], made["at"])


async def test_a_spec_that_matches_nothing_is_told(desk: Desk) -> None:
    await desk.start()
    got = await desk.order("demo ==9", "nothere", "leaf")
    assert (got.status, got.json()["type"]) == (404, "urn:feedgate:unknown")
    assert [item["spec"] for item in got.json()["artifacts"]] == ["demo ==9", "nothere"]
    assert await desk.approvals() == {}


async def test_a_digest_that_differs_from_the_one_seen_stops_it(desk: Desk) -> None:
    """D08: swapped between show and approve."""
    await desk.start()
    seen = {DEMO1: "0" * 64}
    got = await desk.order(artifacts=[DEMO1], digests=seen)
    assert (got.status, got.json()["type"]) == (412, "urn:feedgate:precondition-failed")
    assert got.json()["artifacts"][0]["artifact"] == DEMO1
    assert await desk.approvals() == {}
    right = {DEMO1: desk.index.file(DEMO1).built.sha256.upper()}
    assert (await desk.order(artifacts=[DEMO1], digests=right)).status == 201


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "specs"),
        ({"specs": ["not a spec!"]}, "specs[0]"),
        ({"specs": ["demo @ http://x.test/demo.whl"]}, "specs[0]"),
        ({"specs": ["demo"], "platforms": ["linux"]}, "platforms[0]"),
        ({"specs": ["demo"], "python_versions": ["3"]}, "python_versions[0]"),
        ({"specs": ["demo"], "include_dependencies": True}, "platforms"),
        ({"specs": ["demo"], "digests": {"demo": "x"}}, "digests.demo"),
        ({"specs": ["demo" + " " * 500]}, "specs[0]"),
        ({"specs": ["demo"], "platforms": ["linux-64"] * 9, "python_versions": ["3.12"] * 9}, "platforms"),
        ({"specs": ["demo"], "platforms": ["linux-64"] * 65}, "platforms"),
        ({"specs": ["demo"], "python_versions": ["3.12"] * 65}, "platforms"),
        ({"specs": ["demo"] * 1001}, "specs"),
        ({"specs": ["demo"], "from": "approved"}, "from"),
        ({"specs": ["demo"], "versions": "some"}, "versions"),
        ({"specs": ["demo"], "unknown": 1}, ""),
    ],
)
async def test_a_malformed_order_is_refused_with_its_faults(
    desk: Desk, body: dict[str, object], place: str
) -> None:
    await desk.start()
    got = await desk.send("POST", "/feeds/approved/promotions", {"from": "open", **body})
    assert got.status == 422, got.body
    assert place in [fault["key"] for fault in got.json()["faults"]]
    assert await desk.approvals() == {}


async def test_nothing_is_promoted_into_an_open_feed(desk: Desk) -> None:
    await desk.start()
    assert (await desk.order("demo", to="open")).status == 422
    assert (await desk.order("demo", to="nowhere")).status == 404


async def test_who_may_not_promote_is_refused(desk: Desk) -> None:
    """D14."""
    await desk.start()
    for key, status in ((None, 401), ("wrong-key-000000", 401)):
        got = await desk.order("demo", key=key)
        assert got.status == status, got.body
    assert await desk.approvals() == {}
    assert KEY not in str(await desk.send("GET", "/audit"))


async def test_two_sources_with_other_bytes_under_one_name_are_a_conflict(
    desk: Desk, tmp_path: object
) -> None:
    from tests.support.index import FakeIndex
    from tests.support.origin import Origin
    from tests.support.wheels import wheel

    async with Origin() as other:
        rival = FakeIndex(other)
        rival.add(wheel("demo", "1.0", payload=10))
        from tests.support.gateway import feed, upstream

        await desk.start(
            desk.open(),
            feed(upstream(rival.url, "rival"), name="rival"),
            curated("approved", "open", "rival"),
        )
        await desk.promote(artifacts=[DEMO1])
        got = await desk.order(artifacts=[DEMO1], source="rival")
        assert (got.status, got.json()["type"]) == (409, "urn:feedgate:conflict")
        assert got.json()["artifacts"][0]["outcome"] == "conflict"


async def test_promotion_goes_on_from_test_to_production(desk: Desk) -> None:
    await desk.start(desk.open(), curated("test"), curated("production", "test"))
    assert (await desk.order("demo", source="test", to="production")).status == 404
    await desk.promote("demo ==1.0", to="test")
    await desk.promote("demo", to="production", source="test")
    assert await desk.listed("demo", "production") == [DEMO1, "demo-1.0.tar.gz"]
    assert (await desk.file(DEMO1, "production")).body == desk.index.file(DEMO1).built.data
    await desk.revoke(DEMO1, feed="test")
    assert (await desk.file(DEMO1, "test")).status == 403
    assert (await desk.file(DEMO1, "production")).status == 200


async def test_a_file_without_a_digest_is_fetched_and_hashed_first(desk: Desk) -> None:
    desk.index.file(DEMO1).hashed = False
    desk.index.reshape(forms=("text/html",), json_api=False, plain=True)
    await desk.start()
    document = await desk.promote(artifacts=[DEMO1])
    built = desk.index.file(DEMO1).built
    assert document["artifacts"][0]["sha256"] == built.sha256
    page = (await desk.page("demo")).json()["files"]
    assert page[0]["hashes"]["sha256"] == built.sha256
    held = await desk.held()
    assert held[DEMO1]["bytes"] == "held"


async def test_bytes_come_after_the_answer_into_the_vault(desk: Desk) -> None:
    await desk.start()
    await desk.promote("leaf", versions="all")
    held = await desk.held()
    assert {item["bytes"] for item in held.values()} == {"held"}
    vault = desk.gateway.app.base.vault
    assert all(vault.holds(item["sha256"]) for item in held.values())
    got = await desk.send("GET", "/feeds/approved/approvals?state=pending")
    assert got.json()["items"] == []


async def test_the_reviewer_sees_what_is_approved(desk: Desk) -> None:
    await desk.start()
    promoted = await desk.promote("leaf", versions="all")
    page = (await desk.send("GET", "/feeds/approved/approvals?limit=1")).json()
    assert page["items"][0]["promotion"] == promoted["id"] and page["next"]
    page = (await desk.send("GET", f"/feeds/approved/approvals?cursor={page['next']}")).json()
    assert len(page["items"]) == 1 and page["next"] is None
    found = await desk.approvals(q="leaf-2")
    assert list(found) == ["leaf-2.0-py3-none-any.whl"]
    one = found["leaf-2.0-py3-none-any.whl"]
    got = await desk.send("GET", f"/feeds/approved/approvals/{one['id']}")
    assert got.json()["artifact"] == "leaf-2.0-py3-none-any.whl"
    assert await until_listed(desk)


async def until_listed(desk: Desk) -> bool:
    got = await until(lambda: desk.page("leaf"), lambda got: got.status == 200)
    return len(got.json()["files"]) == 2


async def test_approvals_are_found_by_the_name_of_the_package(desk: Desk) -> None:
    desk.index.add(wheel("tiny-lib", "1.0"))
    await desk.start()
    await desk.promote("tiny-lib", "leaf")
    for q in ("tiny-lib", "Tiny.Lib", "tiny_lib-1", "ny-l"):
        assert list(await desk.approvals(q=q)) == ["tiny_lib-1.0-py3-none-any.whl"], q
    assert await desk.approvals(q="tiny-lob") == {}
