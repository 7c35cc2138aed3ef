"""A09: how often a failing source is asked, and who is asked instead."""

import asyncio
import contextlib

import pytest

from proxy.upstream.breaker import FIRST_STEP_S, LONGEST_ASKED_S, LONGEST_STEP_S, THRESHOLD, Breaker
from proxy.upstream.errors import (
    AuthRefused,
    BadAnswer,
    BreakerOpen,
    Overloaded,
    Resting,
    Truncated,
    Unreachable,
    UpstreamError,
)
from proxy.upstream.remote import Remote
from proxy.upstream.sources import Sources
from tests.support.clock import FakeClock
from tests.support.faults import HONEST, Fault
from tests.support.origin import Origin
from tests.upstream.conftest import Dial


async def fail(remote: Remote, times: int = 1) -> UpstreamError:
    for _ in range(times):
        with pytest.raises(UpstreamError) as failed:
            await remote.document("f", accept="*/*")
    return failed.value


async def test_source_is_left_alone_after_five_failures_in_a_row(dial: Dial) -> None:
    clock = FakeClock()
    async with Origin() as origin:
        origin.always("*", Fault(status=500))
        remote = dial(origin.url, clock=clock)
        await fail(remote, THRESHOLD)
        assert origin.hits() == THRESHOLD
        left_alone = await fail(remote, 20)
        assert isinstance(left_alone, BreakerOpen)
        assert "500" in left_alone.detail
        assert origin.hits() == THRESHOLD
        assert remote.health.breakers == {f"{origin.url}/": "open"}


async def test_success_in_between_starts_the_count_anew(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", b"x", faults=[*[Fault(status=500)] * 4, HONEST, *[Fault(status=500)] * 4])
        remote = dial(origin.url)
        await fail(remote, 4)
        await remote.document("f", accept="*/*")
        await fail(remote, 4)
        await remote.document("f", accept="*/*")


async def test_one_probe_goes_out_per_step_and_the_steps_grow(dial: Dial) -> None:
    clock = FakeClock()
    async with Origin() as origin:
        origin.always("*", Fault(status=503))
        remote = dial(origin.url, clock=clock, retries=2)
        await fail(remote, THRESHOLD)
        asked = origin.hits()
        assert asked == THRESHOLD
        step = FIRST_STEP_S
        for _ in range(8):
            clock.advance(step * 0.9)
            await fail(remote, 2)
            assert origin.hits() == asked
            clock.advance(step * 0.2)
            await fail(remote, 3)
            asked += 1
            assert origin.hits() == asked
            step = min(LONGEST_STEP_S, step * 2)
        origin.heal()
        origin.add("/f", b"x")
        clock.advance(LONGEST_STEP_S)
        assert (await remote.document("f", accept="*/*")).body == b"x"
        assert remote.health.breakers == {}


async def test_many_requests_at_once_make_one_probe(dial: Dial) -> None:
    clock = FakeClock()
    async with Origin() as origin:
        origin.always("*", Fault(status=503))
        remote = dial(origin.url, clock=clock)
        await fail(remote, THRESHOLD)
        clock.advance(FIRST_STEP_S + 1)
        origin.always("*", Fault(status=503, delay_s=0.1))
        origin.forget()
        asks = [remote.document("f", accept="*/*") for _ in range(20)]
        results = await asyncio.gather(*asks, return_exceptions=True)
        assert origin.hits() == 1
        assert sum(isinstance(result, Overloaded) for result in results) == 1
        assert sum(isinstance(result, BreakerOpen) for result in results) == 19


async def test_cancelled_probe_makes_room_for_the_next(dial: Dial) -> None:
    clock = FakeClock()
    async with Origin() as origin:
        origin.always("*", Fault(status=503))
        remote = dial(origin.url, clock=clock)
        await fail(remote, THRESHOLD)
        clock.advance(FIRST_STEP_S + 1)
        origin.always("*", Fault(silent=True))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await remote.document("f", accept="*/*")
        origin.heal()
        origin.add("/f", b"x")
        assert (await remote.document("f", accept="*/*")).body == b"x"


async def test_origin_that_asks_to_be_left_alone_is_left_alone_that_long(dial: Dial) -> None:
    clock = FakeClock()
    async with Origin() as origin:
        origin.add("/f", b"x", faults=[Fault(status=429, retry_after="30"), HONEST])
        remote = dial(origin.url, clock=clock)
        assert isinstance(await fail(remote), Overloaded)
        clock.advance(20)
        left_alone = await fail(remote)
        assert (type(left_alone), left_alone.retry_after_s) == (BreakerOpen, 10)
        clock.advance(11)
        assert (await remote.document("f", accept="*/*")).body == b"x"
        assert origin.hits() == 2


async def test_origin_cannot_close_itself_for_long() -> None:
    clock = FakeClock()
    breaker = Breaker(clock)
    breaker.failed("x", 86400)
    assert breaker.wait_s() == LONGEST_ASKED_S


async def test_failures_under_way_when_it_opened_do_not_lengthen_the_step() -> None:
    clock = FakeClock()
    breaker = Breaker(clock)
    for _ in range(40):
        breaker.failed("x")
    assert breaker.wait_s() == FIRST_STEP_S


async def test_body_that_breaks_counts_although_the_header_came(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", b"x" * 1000, faults=Fault(truncate_at=10))
        remote = dial(origin.url)
        for _ in range(THRESHOLD):
            with pytest.raises(Truncated):
                async with await remote.open("f") as stream:
                    async for _chunk in stream.chunks():
                        pass
        remote.patience_s = 0.0
        with pytest.raises(BreakerOpen):
            await remote.open("f")
        assert origin.hits() == THRESHOLD


async def test_what_no_retry_cures_does_not_open_it(dial: Dial) -> None:
    async with Origin() as origin:
        origin.always("*", Fault(status=418))
        remote = dial(origin.url)
        assert isinstance(await fail(remote, THRESHOLD * 2), BadAnswer)
        assert origin.hits() == THRESHOLD * 2


# -- mirrors


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500), Fault(status=429, retry_after="60"), Fault(silent=True), Fault(reset_at=1),
        Fault(refuse=True), Fault(status=418),
    ],
    ids=["500", "429", "silent", "reset", "refuse", "418"],
)  # fmt: skip
async def test_next_mirror_is_asked_when_the_first_fails(dial: Dial, fault: Fault) -> None:
    async with Origin() as first, Origin() as second:
        first.add("/x/a/f", b"from the first", faults=fault)
        second.add("/m/a/f", b"from the second")
        remote = dial(f"{first.url}/x", f"{second.url}/m/", read_timeout_s=0.3)
        assert (await remote.document("a/f", accept="*/*")).body == b"from the second"
        # An absolute URL below one mirror stands for the same thing below the others.
        assert (await remote.document(f"{first.url}/x/a/f", accept="*/*")).body == b"from the second"
    assert first.hits() <= 2


async def test_dead_mirror_is_not_asked_for_ever(dial: Dial) -> None:
    async with Origin() as first, Origin() as second:
        second.add("/f", b"x")
        first.always("*", Fault(status=500))
        remote = dial(first.url, second.url, retries=2, clock=FakeClock())
        for _ in range(THRESHOLD * 2):
            await remote.document("f", accept="*/*")
        assert first.hits() == THRESHOLD


async def test_missing_is_an_answer_and_no_reason_to_ask_the_next(dial: Dial) -> None:
    async with Origin() as first, Origin() as second:
        remote = dial(first.url, second.url)
        assert (await remote.document("f", accept="*/*")).status == 404
        assert second.hits() == 0


async def test_refused_credentials_are_tried_once(dial: Dial) -> None:
    async with Origin() as first, Origin() as second:
        first.always("*", Fault(status=401, headers=[("WWW-Authenticate", "Basic")]))
        with pytest.raises(AuthRefused):
            await dial(first.url, second.url, retries=2).document("f", accept="*/*")
        assert (first.hits(), second.hits()) == (1, 0)


async def test_mirror_that_sent_wrong_bytes_rests(dial: Dial) -> None:
    clock = FakeClock()
    async with Origin() as first, Origin() as second:
        first.add("/f", b"first")
        second.add("/f", b"second")
        remote = dial(first.url, second.url, clock=clock)
        async with await remote.open("f") as stream:
            assert stream.asked == f"{first.url}/f"
        remote.rest(stream.asked, 300)
        async with await remote.open("f") as stream:
            assert stream.asked == f"{second.url}/f"
        clock.advance(301)
        async with await remote.open("f") as stream:
            assert stream.asked == f"{first.url}/f"


async def test_only_source_gets_one_more_try_and_then_rests_for_that_url(dial: Dial) -> None:
    clock = FakeClock()
    async with Origin() as origin:
        url, other = origin.add("/f", b"x"), origin.add("/g", b"x")
        remote = dial(origin.url, clock=clock)
        remote.rest(url, 300)
        assert (await remote.head(url)).status == 200
        remote.rest(url, 300, "what was wrong")
        with pytest.raises(Resting) as failed:
            await remote.open(url)
        assert (failed.value.detail, failed.value.curable) == ("what was wrong", False)
        assert (await remote.head(other)).status == 200
        clock.advance(301)
        assert (await remote.head(url)).status == 200


@pytest.mark.parametrize("first", ["simple/f/", "pypi/f/json"])
async def test_what_lies_beside_the_index_is_not_tried_on_a_host_that_cannot_be_reached(
    dial: Dial, first: str
) -> None:
    """The page and its JSON have breakers of their own, and the host's connections in common."""
    clock = FakeClock()
    async with Origin() as origin:
        remote = dial(f"{origin.url}/simple/", clock=clock)
        second = {"simple/f/": "pypi/f/json", "pypi/f/json": "simple/f/"}[first]
        await origin.off()
        for _ in range(THRESHOLD):
            with pytest.raises(Unreachable):
                await remote.document(f"{origin.url}/{first}", accept="*/*")
        with pytest.raises(BreakerOpen, match="no connection"):
            await remote.document(f"{origin.url}/{second}", accept="*/*")
        await origin.on()
        clock.advance(FIRST_STEP_S)
        origin.add(f"/{second}", b"x")
        assert (await remote.document(f"{origin.url}/{second}", accept="*/*")).body == b"x"
        origin.add(f"/{first}", b"x")
        assert (await remote.document(f"{origin.url}/{first}", accept="*/*")).body == b"x"
        assert remote.health.breakers == {}


async def test_json_that_always_fails_does_not_close_the_index_beside_it(dial: Dial) -> None:
    async with Origin() as origin:
        origin.always("/pypi/f/json", Fault(status=500))
        origin.add("/simple/f/", b"x")
        remote = dial(f"{origin.url}/simple/", clock=FakeClock())
        for _ in range(3 * THRESHOLD):
            with pytest.raises((Overloaded, BreakerOpen)):
                await remote.document(f"{origin.url}/pypi/f/json", accept="*/*")
            assert (await remote.document("f/", accept="*/*")).body == b"x"
        assert origin.hits("/pypi/f/json") == THRESHOLD


def test_tables_of_sources_are_bounded() -> None:
    """A10: a hundred thousand names or hosts make no memory."""
    sources = Sources((), FakeClock())
    for number in range(2000):
        url = f"http://host-{number}.example/f"
        sources.rest(url, 300)
        sources.rest(url, 300)
        sources.breaker(sources.of(url)[0].key).failed("x")
    assert len(sources.states()) <= 512
    assert sources.resting_s(sources.of("http://host-1999.example/f")[0]) > 0


# -- who comes while it is open


async def test_whoever_comes_while_it_is_open_is_served_by_an_origin_that_is_up_again(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", b"x", faults=[Fault(status=500)] * THRESHOLD)
        remote = dial(origin.url)
        await fail(remote, THRESHOLD)
        origin.forget()
        answers = await asyncio.gather(*(remote.document("f", accept="*/*") for _ in range(20)))
        assert {answer.body for answer in answers} == {b"x"}
        assert remote.health.breakers == {}


async def test_whoever_waits_for_a_probe_that_fails_is_refused_with_what_it_met(dial: Dial) -> None:
    async with Origin() as origin:
        origin.always("*", Fault(status=500))
        remote = dial(origin.url)
        await fail(remote, THRESHOLD)
        origin.forget()
        asks = [remote.document("f", accept="*/*") for _ in range(20)]
        failures = await asyncio.gather(*asks, return_exceptions=True)
        assert origin.hits() == 1
        assert sum(isinstance(failure, Overloaded) for failure in failures) == 1
        assert sum(isinstance(failure, BreakerOpen) for failure in failures) == 19
        assert all("500" in str(failure) for failure in failures)


async def test_what_is_fetched_for_nobody_does_not_wait_for_a_probe(dial: Dial) -> None:
    async with Origin() as origin:
        origin.always("*", Fault(status=500))
        remote = dial(origin.url)
        await fail(remote, THRESHOLD)
        with pytest.raises(BreakerOpen):
            await remote.document("f", accept="*/*", background=True)
        assert origin.hits() == THRESHOLD


async def test_a_mirror_that_is_up_is_asked_at_once_whoever_else_is_left_alone(dial: Dial) -> None:
    async with Origin() as first, Origin() as second:
        first.always("*", Fault(status=429, retry_after="60"))
        second.add("/f", b"x")
        remote = dial(first.url, second.url)
        for _ in range(3):
            assert (await remote.document("f", accept="*/*")).body == b"x"
        assert first.hits() == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410, 418, 501, 505])
async def test_an_answer_to_one_request_is_no_failure_of_the_origin(dial: Dial, status: int) -> None:
    clock = FakeClock()
    async with Origin() as origin:
        origin.always("/form", Fault(status=status))
        origin.always("/bad", Fault(status=500))
        origin.add("/f", b"x")
        remote = dial(origin.url, clock=clock, retries=2)
        for _ in range(THRESHOLD * 2):
            with contextlib.suppress(UpstreamError):
                await remote.document("form", accept="*/*")
        assert (origin.hits("/form"), remote.health.breakers) == (THRESHOLD * 2, {})
        # Whoever answers so is up, too, for a probe.
        for _ in range(THRESHOLD):
            with pytest.raises(UpstreamError):
                await remote.document("bad", accept="*/*")
        assert remote.health.breakers
        clock.advance(LONGEST_STEP_S)
        with contextlib.suppress(UpstreamError):
            await remote.document("form", accept="*/*")
        assert (await remote.document("f", accept="*/*")).body == b"x"
