"""The door: one remote per upstream, what it knows of them, and how it ends."""

import asyncio

import pytest

from proxy.config.settings import Upstream
from proxy.model.clock import SystemClock
from proxy.model.redact import SecretUrl
from proxy.upstream.door import Door
from proxy.upstream.errors import (
    AuthRefused,
    BreakerOpen,
    Busy,
    Overloaded,
    ProxyAuthRefused,
    Resting,
    TlsFailed,
    Truncated,
    Unreachable,
    UpstreamError,
    problem_for,
)
from tests.support.faults import Fault
from tests.support.origin import Origin
from tests.upstream.conftest import Dial


async def test_one_upstream_has_one_remote_until_its_settings_change() -> None:
    door = Door(SystemClock())
    first = door.remote(Upstream("a", (SecretUrl("http://h"),)))
    assert door.remote(Upstream("a", (SecretUrl("http://h"),))) is first
    assert door.remote(Upstream("b", (SecretUrl("http://h"),))) is not first
    assert door.remote(Upstream("a", (SecretUrl("http://h"),), ttl_s=1.0)) is not first
    assert set(door.health()) == {"a", "b"}
    await door.close()


async def test_doors_of_two_servers_have_different_tokens() -> None:
    assert Door(SystemClock()).via_token != Door(SystemClock()).via_token
    assert Door(SystemClock(), instance="x").via == "1.1 feedgate-x"


async def test_health_counts_what_happened(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", b"12345", faults=[Fault(status=500), Fault()])
        remote = dial(origin.url)
        with pytest.raises(Overloaded):
            await remote.document("f", accept="*/*")
        await remote.document("f", accept="*/*")
        health = remote.health
    assert (health.successes, health.failures, health.errors) == (1, 1, {"Overloaded": 1})
    assert (health.received_bytes, health.in_flight) == (5, 0)
    assert health.last_error == f"{origin.url}: the origin answered 500"
    assert health.latency_s is not None
    assert sum(health.latency_counts) == 1


async def test_closed_remote_refuses_and_running_streams_end(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", b"x" * 1000, faults=Fault(stall_at=10))
        remote = dial(origin.url)
        stream = await remote.open("f")
        reading = asyncio.ensure_future(anext(aiter(stream.chunks())))
        await reading
        await remote.close()
        with pytest.raises(UpstreamError):
            async for _ in stream.chunks():
                pass
        await stream.close()
        with pytest.raises(Unreachable):
            await remote.document("f", accept="*/*")


async def test_stream_left_early_frees_its_slot_and_shuts_its_connection(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", b"x" * 100_000_000)
        remote = dial(origin.url, concurrency=1)
        for _ in range(3):
            async with await remote.open("f") as stream:
                await anext(aiter(stream.chunks()))
        assert remote.health.in_flight == 0
        assert len({request.connection for request in origin.requests}) == 3


async def test_cancelled_request_frees_its_slot(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/slow", b"x", faults=Fault(silent=True))
        origin.add("/f", b"x")
        remote = dial(origin.url, concurrency=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await remote.document("slow", accept="*/*")
        assert (await remote.document("f", accept="*/*")).body == b"x"
        assert remote.health.failures == 0


@pytest.mark.parametrize(
    ("error", "word", "retry_after_s"),
    [
        (Unreachable("tcp", "x"), "origin-unavailable", 5),
        (Overloaded("origin", "x", retry_after_s=3600), "origin-unavailable", 5),
        (Overloaded("origin", "x", retry_after_s=0), "origin-unavailable", 1),
        (BreakerOpen("guard", "x", retry_after_s=3), "origin-unavailable", 3),
        (Resting("guard", "x"), "digest-mismatch", None),
        (Truncated("origin", "x"), "origin-unavailable", 5),
        (Busy("guard", "x"), "busy", 5),
        (AuthRefused("origin", "x"), "upstream-auth", None),
        (ProxyAuthRefused("proxy", "x"), "proxy-auth", None),
        (TlsFailed("tls", "x"), "tls", None),
    ],
)
def test_failure_becomes_the_contracts_problem(
    error: UpstreamError, word: str, retry_after_s: int | None
) -> None:
    problem = problem_for(error, "feed")
    assert (problem.word, problem.retry_after_s, problem.feed) == (word, retry_after_s, "feed")
    assert problem.status == (502 if retry_after_s is None else 503)
