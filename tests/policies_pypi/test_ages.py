"""Ages: index and gate change at one tick; dates that are forged, missing or ahead make nothing older (case D11)."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from proxy.config.settings import Upstream
from proxy.policy.settings import Exemption, Policy
from tests.policies_pypi.roads import agreed, by_html, by_json, place, refreshed
from tests.support.clock import FakeClock
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import HTML, HTML_ONLY, JSON, PLAIN, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

WEEK = Policy("p", min_age_s=7 * 86400)
ONE, TWO = "demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"


async def test_index_and_gate_change_at_the_same_tick_and_never_before(
    tmp_path: Path, index: FakeIndex
) -> None:
    clock = FakeClock(datetime(2026, 11, 2, 9, 0, 30, tzinfo=UTC))
    index.add(wheel("demo", "1.0"), uploaded_at=clock.now() - timedelta(days=7, seconds=-90))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[WEEK], clock=clock) as gateway:
        tags = set()
        # Ripe at 9:02:00; ticks are minutes.
        for _ in range(90):
            assert await by_json(gateway, "demo") == set()
            held = await gateway.get(place(index, ONE))
            assert (held.status, held.json()["until"]) == (403, "2026-11-02T09:02:00Z")
            tags.add((await gateway.get("/pypi/pypi/simple/demo/")).status)
            clock.advance(1)
        assert (await gateway.get(place(index, ONE))).status == 200
        assert await agreed(gateway, index, "demo") == {ONE}
        assert tags == {404}, "a project that is held whole has no page"


async def test_a_page_that_a_client_keeps_changes_its_tag_with_the_tick(
    tmp_path: Path, index: FakeIndex
) -> None:
    clock = FakeClock()
    index.add(wheel("demo", "1.0"))
    index.add(wheel("demo", "2.0"), uploaded_at=clock.now() - timedelta(days=7, minutes=-5))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[WEEK], clock=clock) as gateway:
        page = "/pypi/pypi/simple/demo/"
        tag = (await gateway.get(page, Accept=JSON)).headers["etag"]
        for _ in range(4):
            clock.advance(60)
            assert (await gateway.get(page, Accept=JSON, If_None_Match=tag)).status == 304
        clock.advance(60)
        got = await gateway.get(page, Accept=JSON, If_None_Match=tag)
        assert [each["filename"] for each in got.json()["files"]] == [ONE, TWO]


@pytest.mark.parametrize(
    "told",
    [None, datetime(2020, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)],
    ids=["none", "old", "ahead"],
)
async def test_a_file_that_appears_later_is_as_old_as_its_first_sight_at_most(
    tmp_path: Path, index: FakeIndex, told: datetime | None
) -> None:
    clock = FakeClock()
    index.add(wheel("demo", "1.0"))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[WEEK], clock=clock) as gateway:
        assert len(await by_json(gateway, "demo")) == 1
        index.add(wheel("demo", "2.0"), uploaded_at=told)
        clock.advance(3600)
        await refreshed(gateway, "demo")
        assert len(await by_json(gateway, "demo")) == 1
        assert (await gateway.get(place(index, TWO))).json()["rule"] == "min_age"
        await gateway.restart_without_cache()
        assert len(await by_json(gateway, "demo")) == 1
        clock.advance(7 * 86400 - 60)
        assert len(await by_json(gateway, "demo")) == 1
        clock.advance(60)
        assert len(await by_json(gateway, "demo")) == (1 if told is not None and told > clock.now() else 2)


async def test_a_file_that_was_there_first_is_as_old_as_the_origin_says(
    tmp_path: Path, index: FakeIndex
) -> None:
    clock = FakeClock()
    index.add(wheel("demo", "1.0"), uploaded_at=clock.now() - timedelta(days=8))
    index.add(wheel("demo", "2.0"), uploaded_at=clock.now() - timedelta(days=6))
    index.add(wheel("demo", "3.0"), uploaded_at=clock.now() + timedelta(days=2))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[WEEK], clock=clock) as gateway:
        assert await agreed(gateway, index, "demo") == {ONE}
        clock.advance(2 * 86400)
        assert await agreed(gateway, index, "demo") == {ONE, TWO}


async def test_where_the_dates_did_not_come_nobody_knows_the_age(origin: Origin, tmp_path: Path) -> None:
    clock = FakeClock()
    index = FakeIndex(origin, HTML_ONLY)
    index.add(wheel("demo", "1.0"))
    origin.always(index.api_path("demo"), Fault(status=500))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[WEEK], clock=clock) as gateway:
        assert await by_html(gateway, "demo") == set()
        assert (await gateway.get(place(index, ONE))).json()["rule"] == "unknown_age"
        gateway.reload(policies=[Policy("p", min_age_s=86400, unknown_age="allow")])
        assert len(await by_html(gateway, "demo")) == 1
        gateway.reload(policies=[WEEK])
        origin.heal()
        clock.advance(3600)
        await refreshed(gateway, "demo")
        assert len(await by_html(gateway, "demo")) == 1
        assert (await gateway.get(place(index, ONE))).status == 200


async def test_a_client_that_reads_no_dates_gets_what_one_gets_that_does(
    origin: Origin, tmp_path: Path
) -> None:
    clock = FakeClock()
    index = FakeIndex(origin, PLAIN)
    index.add(wheel("demo", "1.0"))
    index.add(wheel("demo", "2.0"), uploaded_at=clock.now())
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[WEEK], clock=clock) as gateway:
        html = await gateway.get("/pypi/pypi/simple/demo/", Accept=HTML)
        assert TWO.encode() not in html.body
        assert ONE.encode() in html.body
        assert await agreed(gateway, index, "demo") == {ONE}


async def test_an_exemption_ends_for_index_and_gate_at_one_tick(tmp_path: Path, index: FakeIndex) -> None:
    clock = FakeClock(datetime(2026, 11, 2, 23, 58, 30, tzinfo=UTC))
    index.add(wheel("demo", "1.0"), wheel("demo", "2.0"), wheel("evil", "1.0"), uploaded_at=clock.now())
    exemptions = (
        Exemption("demo ==2.0", ("min_age",), date(2026, 11, 2), "a fix"),
        Exemption("evil", ("block",), date(2026, 11, 2)),
    )
    policies = [
        Policy("p", min_age_s=7 * 86400, exemptions=exemptions[:1]),
        Policy("q", block=("evil",), exemptions=exemptions[1:]),
    ]
    feeds = [feed(upstream(index.url, name), name=name, policy=name) for name in ("p", "q")]
    async with Gateway(tmp_path, *feeds, policies=policies, clock=clock) as gateway:
        for _ in range(90):
            assert {path.rpartition("/")[2] for path in await by_json(gateway, "demo", "p")} == {TWO}
            assert (await gateway.get(place(index, TWO, "p"))).status == 200
            assert len(await by_json(gateway, "evil", "q")) == 1
            clock.advance(1)
        assert (await gateway.get(place(index, TWO, "p"))).status == 403
        assert await agreed(gateway, index, "demo", "p") == set()
        assert (await gateway.get(place(index, "evil-1.0-py3-none-any.whl", "q"))).status == 403
        assert await agreed(gateway, index, "evil", "q") == set()


async def test_a_clock_that_is_set_back_shows_nothing_early(tmp_path: Path, index: FakeIndex) -> None:
    clock = FakeClock()
    index.add(wheel("demo", "1.0"), uploaded_at=clock.now() - timedelta(days=6))
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[WEEK], clock=clock) as gateway:
        right = clock.now()
        clock.set(right + timedelta(days=30))
        assert (await gateway.get(place(index, ONE))).status == 200
        clock.set(right)
        clock.advance(1)
        assert await by_json(gateway, "demo") == set()
        assert (await gateway.get(place(index, ONE))).status == 403


@pytest.mark.parametrize("name", ["pypi", "outer"])
async def test_what_was_answered_just_before_a_tick_is_not_repeated_after_it(
    tmp_path: Path, index: FakeIndex, name: str
) -> None:
    clock = FakeClock(datetime(2026, 11, 2, 23, 59, 59, 700000, tzinfo=UTC))
    index.add(wheel("demo", "1.0"), wheel("demo", "2.0"))
    index.add(wheel("demo", "3.0"), uploaded_at=clock.now() - timedelta(days=7) + timedelta(seconds=0.3))
    exemption = Exemption("demo ==2.0", ("block",), date(2026, 11, 2))
    policy = Policy("p", min_age_s=7 * 86400, block=("demo ==2.0",), exemptions=(exemption,))
    feeds = feed(upstream(index.url), policy="p"), feed(Upstream("of-pypi", feed="pypi"), name="outer")
    async with Gateway(tmp_path, *feeds, policies=[policy], clock=clock) as gateway:
        page = f"/pypi/{name}/simple/demo/"
        for form in (JSON, HTML):
            got = await gateway.get(page, Accept=form)
            assert (TWO.encode() in got.body, b"demo-3.0" in got.body) == (True, False)
        assert (await gateway.get(place(index, TWO, name))).status == 200
        clock.advance(0.3)
        assert (await gateway.get(place(index, TWO, name))).status == 403
        assert (await gateway.get(place(index, "demo-3.0-py3-none-any.whl", name))).status == 200
        for form in (JSON, HTML):
            got = await gateway.get(page, Accept=form)
            assert (TWO.encode() in got.body, b"demo-3.0" in got.body) == (False, True)
