"""What an origin does wrong (A01-A05, A09, A14): the class of the error, and how often it was asked."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime

import pytest

from proxy.config.settings import Rate
from proxy.upstream.errors import (
    BadAnswer,
    Overloaded,
    Silent,
    Truncated,
    Unreachable,
    UpstreamError,
)
from proxy.upstream.remote import Remote
from tests.support.answers import Pattern
from tests.support.clock import FakeClock
from tests.support.faults import HONEST, Fault
from tests.support.origin import Origin
from tests.upstream.conftest import Dial

BODY = Pattern(300_000)[:]


async def read(remote: Remote, url: str = "f", start: int = 0, stop: int | None = None) -> bytes:
    async with await remote.open(url, start=start, stop=stop) as stream:
        return b"".join([chunk async for chunk in stream.chunks()])


# -- A01, A02: silence and dripping


async def test_silent_origin_fails_at_the_read_timeout_and_is_asked_once(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(silent=True))
        with pytest.raises(Silent):
            await dial(origin.url, retries=2, read_timeout_s=0.3).document("f", accept="*/*")
        assert origin.hits() == 1


async def test_header_that_drips_fails_at_the_deadline(dial: Dial) -> None:
    left = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        left.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        remote = dial(
            f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
            read_timeout_s=0.3,
            connect_timeout_s=0.2,
        )
        with pytest.raises(Silent):
            await remote.document("f", accept="*/*")
        await left.wait()


async def test_body_that_drips_is_ended_by_the_minimum_rate(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(drip=(1, 0.02)))
        with pytest.raises(Silent, match="minimum rate"):
            await read(dial(origin.url, min_rate=Rate(1000.0, 0.4)))


async def test_body_that_stalls_is_ended_by_the_read_timeout(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(stall_at=1000))
        with pytest.raises(Silent):
            await read(dial(origin.url, read_timeout_s=0.3))


async def test_reader_that_pauses_is_not_the_origins_fault(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(drip=(30_000, 0.01)))
        got = b""
        async with await dial(origin.url, min_rate=Rate(1000.0, 0.2)).open("f") as stream:
            async for chunk in stream.chunks():
                got += chunk
                await asyncio.sleep(0.06)
    assert got == BODY


# -- A03, A04: resets and truncation


@pytest.mark.parametrize("at", [0, 1, 150_000, 299_999])
async def test_reset_never_looks_like_a_whole_body(dial: Dial, at: int) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(reset_at=at))
        remote = dial(origin.url)
        with pytest.raises((Truncated, Unreachable)):
            await read(remote)
        origin.heal()
        assert await read(remote) == BODY


async def test_reset_page_is_asked_again_at_most_as_often_as_configured(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=[Fault(reset_at=10), Fault(reset_at=10), HONEST])
        assert (await dial(origin.url, retries=2).document("f", accept="*/*")).body == BODY
        assert origin.hits() == 3
        origin.always("/f", Fault(reset_at=10))
        origin.forget()
        with pytest.raises(Truncated):
            await dial(origin.url, retries=2).document("f", accept="*/*")
        assert origin.hits() == 3


async def test_connection_closed_without_an_answer_is_not_repeated_behind_our_back(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(refuse=True))
        with pytest.raises(Unreachable):
            await read(dial(origin.url))
        assert origin.hits() == 1


async def test_pooled_connection_that_the_origin_closed_costs_nothing(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY)
        remote = dial(origin.url)
        assert await read(remote) == BODY
        await origin.drop_connections()
        assert await read(remote) == BODY
        assert remote.health.failures == 0


async def test_body_cut_before_its_length_is_truncated(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(truncate_at=1000))
        origin.add("/c", BODY, faults=Fault(truncate_at=1000, chunked=True))
        for url in ("f", "c"):
            with pytest.raises(Truncated):
                await read(dial(origin.url), url)


async def test_body_without_any_length_is_told_as_unframed(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(close_delimited=True, truncate_at=1000))
        answer = await dial(origin.url).document("f", accept="*/*")
        async with await dial(origin.url).open("f") as stream:
            total = stream.total
    assert (len(answer.body), answer.is_framed, total) == (1000, False, None)


async def test_origin_that_is_off_is_unreachable(dial: Dial) -> None:
    async with Origin() as origin:
        remote = dial(origin.url)
        await origin.off()
        with pytest.raises(Unreachable, match="Connection refused") as failed:
            await remote.document("f", accept="*/*")
    assert failed.value.hop == "tcp"


# -- A05: lengths that lie


@pytest.mark.parametrize(
    "fault",
    [
        Fault(length="-5"),
        Fault(length="abc"),
        Fault(second_length="7"),
        Fault(length="100"),
        Fault(length="400000", close=True),
        Fault(length_and_chunked=True),
        Fault(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nxx\r\n"),
        Fault(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
        Fault(raw=b"SSH-2.0-nonsense\r\n"),
        Fault(raw=b"HTTP/1.1 999999 Odd\r\n\r\n"),
    ],
    ids=lambda fault: str(fault)[6:60],
)
async def test_answer_whose_framing_lies_is_refused_and_its_connection_dropped(
    dial: Dial, fault: Fault
) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=[fault, HONEST])
        remote = dial(origin.url)
        with pytest.raises((BadAnswer, Truncated)):
            await read(remote)
        assert await read(remote) == BODY
        assert origin.requests[0].connection != origin.requests[1].connection


async def test_chunks_without_end_are_bounded(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(endless=True))
        with pytest.raises(BadAnswer, match="more than"):
            await dial(origin.url, max_index_size_bytes=1 << 20).document("f", accept="*/*")
        async with await dial(origin.url).open("f", max_bytes=1 << 20) as stream:
            with pytest.raises(BadAnswer, match="more than"):
                async for _ in stream.chunks():
                    pass


# -- A14: answers to other questions


async def test_artifact_with_a_content_encoding_keeps_its_stored_bytes(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f.tar.gz", BODY, headers={"Content-Encoding": "gzip"})
        assert await read(dial(origin.url), "f.tar.gz") == BODY


async def test_unasked_part_is_refused(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(unasked_206=True))
        with pytest.raises(BadAnswer):
            await read(dial(origin.url))
        with pytest.raises(BadAnswer):
            await dial(origin.url).document("f", accept="*/*")


async def test_other_part_than_asked_is_refused(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(shift_range=7))
        with pytest.raises(BadAnswer):
            await read(dial(origin.url), start=100)


async def test_everything_in_answer_to_a_range_begins_at_zero(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(ignore_range=True))
        async with await dial(origin.url).open("f", start=100) as stream:
            assert (stream.status, stream.start, stream.total) == (200, 0, len(BODY))


async def test_unasked_304_is_asked_again_once_without_conditions(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=[Fault(unasked_304=True), HONEST])
        remote = dial(origin.url)
        assert (await remote.document("f", accept="*/*")).body == BODY
        assert origin.requests[1].headers["cache-control"] == "no-cache"
        origin.always("/f", Fault(unasked_304=True))
        origin.forget()
        with pytest.raises(BadAnswer, match="304"):
            await remote.document("f", accept="*/*")
        with pytest.raises(BadAnswer, match="304"):
            await read(remote)
        assert origin.hits() == 4


# -- A09: statuses


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
async def test_overloaded_origin_is_curable_and_tried_again(dial: Dial, status: int) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=[Fault(status=status), HONEST])
        assert (await dial(origin.url, retries=1).document("f", accept="*/*")).body == BODY
        assert origin.hits() == 2


async def test_retry_after_is_read_in_both_forms_and_ends_the_tries(dial: Dial) -> None:
    clock = FakeClock()
    date = format_datetime(clock.now() + timedelta(seconds=90), usegmt=True)
    async with Origin() as origin:
        origin.add("/s", BODY, faults=Fault(status=429, retry_after="7"))
        origin.add("/d", BODY, faults=Fault(status=503, retry_after=date))
        for url, wait in (("s", 7), ("d", 90)):
            remote = dial(origin.url, retries=2, clock=clock)
            with pytest.raises(Overloaded) as failed:
                await remote.document(url, accept="*/*")
            assert failed.value.retry_after_s == wait
        assert origin.hits() == 2


@pytest.mark.parametrize("status", [201, 204, 205, 300, 400, 406, 418, 451])
async def test_status_without_a_meaning_here_is_refused(dial: Dial, status: int) -> None:
    async with Origin() as origin:
        origin.always("*", Fault(status=status))
        asks: list[Callable[[Remote], Awaitable[object]]] = [
            lambda remote: remote.document("f", accept="*/*"),
            lambda remote: remote.head("f"),
            lambda remote: remote.open("f"),
        ]
        for ask in asks:
            with pytest.raises(BadAnswer):
                await ask(dial(origin.url))


async def test_failures_carry_no_chain_that_could_leak(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", BODY, faults=Fault(reset_at=10))
        with pytest.raises(UpstreamError) as failed:
            await read(dial(origin.url))
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None
