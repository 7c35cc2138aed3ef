"""What an honest origin says, and what is sent to it."""

from datetime import UTC, datetime

import pytest

from proxy.model import via
from proxy.upstream.errors import BadAnswer, Looped
from proxy.upstream.headers import retry_after_s
from proxy.upstream.remote import Validators
from tests.support.faults import HONEST, Fault
from tests.support.origin import Origin
from tests.upstream.conftest import Dial

PAGE = b"<html>" + b"page " * 1000


async def test_document_is_whole_and_names_where_it_came_from(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/simple/a/", PAGE, content_type="text/html", etag='"1"', headers={"Set-Cookie": "a=b"})
        answer = await dial(f"{origin.url}/simple/").document("a/", accept="text/html")
    assert (answer.status, answer.body, answer.url) == (200, PAGE, f"{origin.url}/simple/a/")
    assert answer.headers["etag"] == '"1"'
    assert "set-cookie" not in answer.headers


async def test_request_says_who_asks_and_what_for(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a/", PAGE)
        await dial(origin.url, contact="ops@example.com").document("a/", accept="text/html;q=0.2")
    sent = origin.requests[0].headers
    assert sent["user-agent"].startswith("feedgate/")
    assert sent["user-agent"].endswith(" (ops@example.com)")
    assert sent["via"] == "1.1 feedgate-test"
    assert sent["accept"] == "text/html;q=0.2"
    assert sent["accept-encoding"] == "gzip, deflate, zstd"
    assert "cookie" not in sent


async def test_request_names_the_servers_through_which_its_cause_came(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a/", PAGE)
        remote = dial(origin.url)
        via.came(["1.1 feedgate-aa, 1.1 secret.corp.example", "1.1 feedgate-bb (x), 1.0 feedgate-\r\nevil"])
        await remote.document("a/", accept="*/*")
        via.came([])
        await remote.document("a/", accept="*/*")
    sent = [request.headers["via"] for request in origin.requests]
    assert sent == ["1.1 feedgate-aa, 1.1 feedgate-bb, 1.1 feedgate-test", "1.1 feedgate-test"]


async def test_an_answer_that_says_loop_is_one_and_is_not_asked_for_again(dial: Dial) -> None:
    async with Origin() as origin:
        origin.always("*", Fault(status=508))
        with pytest.raises(Looped):
            await dial(origin.url, retries=2).document("a/", accept="*/*")
        assert len(origin.requests) == 1


async def test_cookies_are_not_sent_back(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a/", PAGE, headers={"Set-Cookie": "session=1; Path=/"})
        remote = dial(origin.url)
        await remote.document("a/", accept="*/*")
        await remote.document("a/", accept="*/*")
    assert all("cookie" not in request.headers for request in origin.requests)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
async def test_document_is_decoded(dial: Dial, coding: str) -> None:
    async with Origin() as origin:
        origin.add("/a/", PAGE, faults=Fault(encoding=coding))
        answer = await dial(origin.url).document("a/", accept="*/*")
    assert answer.body == PAGE


async def test_validators_make_a_304(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a/", PAGE, etag='"1"')
        answer = await dial(origin.url).document("a/", accept="*/*", validators=Validators('"1"', None))
    assert (answer.status, answer.body) == (304, b"")
    assert origin.requests[0].headers["if-none-match"] == '"1"'


@pytest.mark.parametrize("status", [404, 410])
async def test_missing_is_an_answer(dial: Dial, status: int) -> None:
    async with Origin() as origin:
        origin.always("*", Fault(status=status))
        remote = dial(origin.url)
        assert (await remote.document("a/", accept="*/*")).status == status
        assert (await remote.head("a")).status == status
        async with await remote.open("a") as stream:
            assert stream.status == status
            assert [chunk async for chunk in stream.chunks()] == []
    assert origin.hits() == 3


async def test_stream_gives_the_stored_bytes_and_their_facts(dial: Dial) -> None:
    body = bytes(range(256)) * 4000
    async with Origin() as origin:
        url = origin.add("/f.whl", body, etag='"strong"', last_modified="Mon, 02 Nov 2026 09:00:00 GMT")
        async with await dial(f"{origin.url}/simple/").open(url) as stream:
            got = b"".join([chunk async for chunk in stream.chunks()])
            facts = (stream.status, stream.total, stream.start, stream.etag, stream.asked)
    assert got == body
    assert facts == (200, len(body), 0, '"strong"', url)
    assert origin.requests[0].headers["accept-encoding"] == "identity"


async def test_weak_etag_is_not_handed_on_for_joining(dial: Dial) -> None:
    async with Origin() as origin:
        url = origin.add("/f.whl", b"x", etag='W/"1"')
        async with await dial(origin.url).open(url) as stream:
            assert stream.etag is None


@pytest.mark.parametrize(
    ("start", "stop", "expected", "field"),
    [(2, None, b"23456789", "bytes=2-"), (2, 5, b"234", "bytes=2-4"), (-3, None, b"789", "bytes=-3")],
)
async def test_range_gives_that_part(
    dial: Dial, start: int, stop: int | None, expected: bytes, field: str
) -> None:
    async with Origin() as origin:
        origin.add("/f", b"0123456789", etag='"1"')
        async with await dial(origin.url).open("f", start=start, stop=stop, if_range='"1"') as stream:
            assert (stream.status, stream.total) == (206, 10)
            assert b"".join([chunk async for chunk in stream.chunks()]) == expected
    assert origin.requests[0].headers["range"] == field
    assert origin.requests[0].headers["if-range"] == '"1"'


async def test_range_beyond_the_end_tells_the_size(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", b"0123456789")
        async with await dial(origin.url).open("f", start=10) as stream:
            assert (stream.status, stream.total) == (416, 10)


async def test_head_tells_the_length_of_the_stored_file(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", b"0123456789", etag='"1"')
        answer = await dial(origin.url).head("f")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "10", b"")


async def test_query_and_escapes_of_a_link_arrive_as_they_were_written(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a%2Bb+c.whl", b"x")
        async with await dial(origin.url).open(f"{origin.url}/a%2Bb+c.whl?sig=%2B+%2f#sha256=0") as stream:
            assert stream.status == 200
    assert origin.requests[0].target == "/a%2Bb+c.whl?sig=%2B+%2f"


async def test_document_larger_than_the_limit_is_refused(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a/", PAGE)
        origin.add("/b/", PAGE, faults=Fault(chunked=True))
        remote = dial(origin.url, max_index_size_bytes=1000)
        for url in ("a/", "b/"):
            with pytest.raises(BadAnswer, match="more than 1000 bytes"):
                await remote.document(url, accept="*/*")


async def test_validators_make_a_stream_a_304_as_well(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/a", PAGE, etag='"1"')
        async with await dial(origin.url).open("a", validators=Validators('"1"', None)) as stream:
            assert stream.status == 304
            assert [piece async for piece in stream.chunks()] == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7), ("9" * 19, 86400), ("Mon, 01 Jan 2024 00:01:00 GMT", 60), ("soon", None), ("9" * 20, None),
        (f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", None), (f"Mon, 01 Jan 2024 00:00:00 +{'9' * 20}", None),
    ],
)  # fmt: skip
def test_retry_after_that_means_no_time_is_as_good_as_none(text: str, seconds: int | None) -> None:
    assert retry_after_s({"retry-after": text}, datetime(2024, 1, 1, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("status", [404, 410])
async def test_a_listed_file_is_missing_when_it_was_said_twice(dial: Dial, status: int) -> None:
    async with Origin() as origin:
        origin.add("/f", b"x", faults=[Fault(status=status), HONEST])
        remote = dial(origin.url)
        async with await remote.open("f", is_listed=True) as stream:
            assert (stream.status, [chunk async for chunk in stream.chunks()]) == (200, [b"x"])
        origin.always("/f", Fault(status=status))
        origin.forget()
        for is_listed, hits in ((True, 2), (False, 3)):
            async with await remote.open("f", is_listed=is_listed) as stream:
                assert (stream.status, origin.hits()) == (status, hits)


async def test_a_file_that_one_mirror_lacks_is_asked_of_the_next(dial: Dial) -> None:
    async with Origin() as first, Origin() as second:
        second.add("/f", b"x")
        remote = dial(first.url, second.url)
        async with await remote.open("f", is_listed=True) as stream:
            assert (stream.status, stream.asked) == (200, f"{second.url}/f")
        assert (first.hits(), second.hits()) == (1, 1)
