"""Refusals on the wire (contract, section 3; RFC 9457)."""

import json

import pytest

from proxy.model.problem import TABLE, Problem
from proxy.web.inbound import Inbound
from proxy.web.outbound import Bytes, Outbound, Redirect
from proxy.web.routes import Route
from tests.support.raw_http import Raw, ask
from tests.web.stand import VIA_TOKEN, get, giving, standing

HELLO = Bytes(body=b"hello", content_type="text/plain")


@pytest.mark.parametrize("word", sorted(TABLE))
async def test_every_word_is_told_with_its_status_and_title(word: str) -> None:
    status, title = TABLE[word]
    async with standing(get("/f", Problem(word, "why", feed="main"))) as stand:
        reply = await ask(stand.port, "GET", "/f")
    assert (reply.status, reply.reason) == (status, title)
    assert reply.header("content-type") == "application/problem+json"
    assert reply.header("cache-control") == "no-store"
    assert reply.header("cache-status") == f"feedgate; detail={word}"
    assert json.loads(reply.body) == {
        "type": f"urn:feedgate:{word}", "title": title, "status": status, "detail": "why", "feed": "main",
    }  # fmt: skip


async def test_every_field_that_applies_is_in_the_document() -> None:
    problem = Problem(
        "held",
        "too new",
        feed="f",
        artifact="a",
        policy="p",
        rule="min_age",
        until="2026-11-09",
        explain="/x",
    )
    async with standing(get("/f", problem)) as stand:
        told = json.loads((await ask(stand.port, "GET", "/f")).body)
    assert {name: told[name] for name in ("artifact", "policy", "rule", "until", "explain")} == {
        "artifact": "a", "policy": "p", "rule": "min_age", "until": "2026-11-09", "explain": "/x",
    }  # fmt: skip


async def test_problem_to_head_has_no_body_and_the_same_length() -> None:
    async with standing(get("/f", Problem("unknown", "why"))) as stand, Raw(stand.port) as raw:
        head = await raw.ask("HEAD", "/f")
        got = await raw.ask("GET", "/f")
    assert head.header("content-length") == str(len(got.body))


async def test_unauthorized_asks_for_basic() -> None:
    async with standing(get("/f", Problem("unauthorized", "a key is needed"))) as stand:
        reply = await ask(stand.port, "GET", "/f")
    assert (reply.header("www-authenticate") or "").startswith('Basic realm="')


@pytest.mark.parametrize(
    ("problem", "seconds"),
    [
        (Problem("origin-unavailable", "x", retry_after_s=17), "5"),
        (Problem("preparing", "x", retry_after_s=3), "3"),
        (Problem("too-many-requests", "x", retry_after_s=17), "17"),
        (Problem("origin-unavailable", "x"), "5"),
        (Problem("too-many-requests", "x"), "5"),
        (Problem("tls", "x"), None),
    ],
)
async def test_only_what_a_retry_may_cure_says_when(problem: Problem, seconds: str | None) -> None:
    async with standing(get("/f", problem)) as stand:
        assert (await ask(stand.port, "GET", "/f")).header("retry-after") == seconds


async def test_raised_problem_is_told_like_a_returned_one() -> None:
    def refuse(inbound: Inbound) -> Outbound:
        raise Problem("forbidden", "no")

    async with standing(get("/f", refuse)) as stand:
        assert (await ask(stand.port, "GET", "/f")).status == 403


async def test_detail_is_one_printable_line() -> None:
    async with standing(get("/f", Problem("blocked", "a\r\nSet-Cookie: x\x1b[31m\u202eb\udc80é"))) as stand:
        reply = await ask(stand.port, "GET", "/f")
    assert json.loads(reply.body)["detail"] == "a\\r\\nSet-Cookie: x\\x1b[31m\\u202eb\\udc80é"


async def test_mistake_of_ours_is_an_internal_error_that_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def break_down(inbound: Inbound) -> Outbound:
        raise RuntimeError("secret inner text")

    async with standing(get("/f", break_down)) as stand:
        reply = await ask(stand.port, "GET", "/f")
        (line,) = await stand.lines()
    assert (reply.status, reply.reason, line["status"]) == (500, "Internal error", 500)
    assert b"secret" not in reply.body
    assert json.loads(reply.body)["detail"].endswith(line["request_id"])
    assert "secret inner text" in caplog.text


async def test_unknown_address_and_wrong_method_are_told_apart() -> None:
    async with standing(get("/f", HELLO)) as stand, Raw(stand.port) as raw:
        unknown = await raw.ask("GET", "/favicon.ico")
        wrong = await raw.ask("DELETE", "/f")
    assert unknown.status == 404
    assert (wrong.status, wrong.header("allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize("target", ["/a/../b", "/a%2fb", "//f", "/f%00", "/é", "/\\f", "*", "/" + "x" * 5000])
async def test_target_with_two_readings_reaches_no_handler(target: str) -> None:
    asked: list[Inbound] = []

    def note(inbound: Inbound) -> Outbound:
        asked.append(inbound)
        return HELLO

    async with standing(get("/{rest...}", note)) as stand:
        reply = await ask(stand.port, "GET", target)
    assert (reply.status, reply.header("content-type")) == (400, "application/problem+json")
    assert asked == []


async def test_request_that_comes_from_this_server_is_a_loop() -> None:
    async with standing(get("/f", HELLO)) as stand, Raw(stand.port) as raw:
        own = await raw.ask("GET", "/f", "Via: 1.1 cdn", f"Via: 1.1 {VIA_TOKEN}")
        other = await raw.ask("GET", "/f", "Via: 1.1 feedgate-ffff")
    assert (own.status, other.status) == (508, 200)


async def test_redirect_stays_relative() -> None:
    async with standing(get("/a/b", Redirect(location="../c/"))) as stand:
        reply = await ask(stand.port, "GET", "/a/b")
    assert (reply.status, reply.header("location"), reply.header("content-length")) == (301, "../c/", "0")


@pytest.mark.parametrize("location", ["../a\r\nSet-Cookie: x=1", "../\u212a", "../\x00"])
async def test_header_that_could_split_the_answer_is_never_sent(location: str) -> None:
    async with standing(get("/a", Redirect(location=location))) as stand:
        reply = await ask(stand.port, "GET", "/a")
    assert (reply.status, reply.header("set-cookie")) == (500, None)


async def test_upload_is_answered_before_it_is_sent() -> None:
    refusal = Problem("read-only", "packages cannot be uploaded here")
    route = Route(("POST",), "/legacy/", giving(refusal))
    async with standing(route) as stand, Raw(stand.port) as raw:
        await raw.send(
            b"POST /legacy/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000
        )
        reply = await raw.read()
    assert (reply.status, reply.header("connection")) == (403, "close")


async def test_client_that_asks_first_is_told_before_its_upload() -> None:
    route = Route(("POST",), "/legacy/", giving(Problem("read-only", "no")))
    async with standing(route) as stand, Raw(stand.port) as raw:
        reply = await raw.ask("POST", "/legacy/", "Content-Length: 5", "Expect: 100-continue")
    assert reply.status == 403


async def echo(inbound: Inbound) -> Outbound:
    return Bytes(body=await inbound.read_body(1000), content_type="text/plain")


async def test_body_is_read_where_a_handler_wants_it() -> None:
    async with standing(Route(("POST",), "/e", echo)) as stand, Raw(stand.port) as raw:
        for _ in range(2):
            assert (await raw.ask("POST", "/e", "Content-Length: 3", body=b"abc")).body == b"abc"
        chunked = await raw.ask(
            "POST", "/e", "Transfer-Encoding: chunked", body=b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        )
        assert chunked.body == b"abc"


async def test_client_that_expects_to_be_asked_is_asked() -> None:
    async with standing(Route(("POST",), "/e", echo)) as stand, Raw(stand.port) as raw:
        asked = await raw.ask("POST", "/e", "Content-Length: 3", "Expect: 100-continue")
        assert asked.status == 100
        await raw.send(b"abc")
        assert (await raw.read("POST")).body == b"abc"


async def test_compressed_body_is_not_unpacked() -> None:
    async with standing(Route(("POST",), "/e", echo)) as stand:
        headers = ("Content-Length: 3", "Content-Encoding: gzip")
        assert (await ask(stand.port, "POST", "/e", *headers, body=b"abc")).body == b"abc"


async def test_large_body_is_refused() -> None:
    async with standing(Route(("POST",), "/e", echo)) as stand:
        reply = await ask(stand.port, "POST", "/e", "Content-Length: 1001", body=b"x" * 1001)
    assert (reply.status, reply.header("connection")) in {(413, "close"), (413, None)}


async def test_late_body_is_refused() -> None:
    async with standing(Route(("POST",), "/e", echo), body_timeout_s=0.1) as stand:
        reply = await ask(stand.port, "POST", "/e", "Content-Length: 10", body=b"x")
    assert (reply.status, reply.header("connection")) == (408, "close")
