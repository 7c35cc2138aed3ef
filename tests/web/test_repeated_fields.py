"""R10: a field that is repeated counts with all its lines (RFC 9110, 5.3)."""

import pytest
from multidict import CIMultiDict

from proxy.config.settings import Server
from proxy.upstream.decode import decode
from proxy.upstream.errors import BadAnswer
from proxy.upstream.headers import passed
from proxy.web.conditional import Outcome, evaluate
from proxy.web.trust import Trust
from tests.support.raw_http import Raw
from tests.web.stand import get, standing
from tests.web.test_documents import page

TAG = "abc"


def fields(*lines: str) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, _, value in (line.partition(": ") for line in lines))


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        (('If-None-Match: "x"', 'If-None-Match: "abc"'), Outcome.NOT_MODIFIED),
        (('If-None-Match: "abc"', 'If-None-Match: "x"'), Outcome.NOT_MODIFIED),
        (('If-None-Match: "x"', 'If-None-Match: "y"', 'If-None-Match: W/"abc"'), Outcome.NOT_MODIFIED),
        (('If-None-Match: "x"', 'If-None-Match: "y"'), Outcome.SEND),
        (('If-Match: "x"', 'If-Match: "abc"'), Outcome.SEND),
        (('If-Match: "x"', 'If-Match: "y"'), Outcome.FAILED),
        (("If-Match: ", 'If-Match: "abc"'), Outcome.SEND),
    ],
)
def test_every_line_of_a_precondition_counts(lines: tuple[str, ...], outcome: Outcome) -> None:
    assert evaluate(fields(*lines), TAG, None) is outcome


@pytest.mark.parametrize(
    ("lines", "url"),
    [
        (("X-Forwarded-Proto: http", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.example"), "https://a.example"),
        (("X-Forwarded-Proto: http, https", "X-Forwarded-Host: a.example"), "https://a.example"),
        (("X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "X-Forwarded-Host: a.example"), "https://a.example"),
        (("X-Forwarded-Proto: https", "X-Forwarded-Host: evil, a.example"), "https://a.example"),
    ],
)  # fmt: skip
def test_of_several_proxies_the_nearest_is_believed(lines: tuple[str, ...], url: str) -> None:
    trust = Trust(Server(trusted_proxies=("10.0.0.0/8",)))
    assert trust.judge("10.0.0.1", "http://own:1", fields(*lines)).base_url == url


async def test_every_line_counts_on_the_wire() -> None:
    async with standing(get("/doc", page())) as stand, Raw(stand.port) as raw:
        tag = (await raw.ask("GET", "/doc")).header("etag")
        assert (await raw.ask("GET", "/doc", 'If-None-Match: "x"', f"If-None-Match: {tag}")).status == 304
        for lines, coding in (
            (("Accept-Encoding: br", "Accept-Encoding: gzip"), "gzip"),
            (("Accept-Encoding: gzip;q=0", "Accept-Encoding: zstd"), "zstd"),
        ):
            assert (await raw.ask("GET", "/doc", *lines)).header("content-encoding") == coding
        # Range and If-Range are no lists: two of them are not one that can be answered.
        assert (await raw.ask("GET", "/doc", "Range: bytes=0-1")).status == 206
        assert (await raw.ask("GET", "/doc", "Range: bytes=0-1", "Range: bytes=4-5")).status == 200
        assert (await raw.ask("GET", "/doc", "Range: bytes=0-1", f"If-Range: {tag}")).status == 206
        conditions = ("Range: bytes=0-1", f"If-Range: {tag}", 'If-Range: "x"')
        assert (await raw.ask("GET", "/doc", *conditions)).status == 200


def test_every_line_of_a_list_that_an_origin_sends_counts() -> None:
    told = passed(
        fields("Cache-Control: no-store", "Cache-Control: private", 'ETag: "a"', 'ETag: "b"', "Content-Encoding: gzip")
    )  # fmt: skip
    assert told == {"cache-control": "no-store, private", "etag": '"a"', "content-encoding": "gzip"}


def test_codings_are_taken_off_in_their_order() -> None:
    import gzip
    import zlib

    twice = gzip.compress(zlib.compress(b"hello"))
    assert decode(twice, "deflate, gzip", max_bytes=100) == b"hello"
    assert decode(gzip.compress(b"hello"), "identity, gzip", max_bytes=100) == b"hello"
    with pytest.raises(BadAnswer):
        decode(twice, "gzip, deflate", max_bytes=100)
    with pytest.raises(BadAnswer):
        decode(b"", "gzip, gzip, gzip, gzip, gzip", max_bytes=100)
