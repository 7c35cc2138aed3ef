"""The access log and the program's log: one safe line each, whatever comes from outside (E05, E06, E22)."""

import asyncio
import io
import json
import logging
import re
import threading
from collections.abc import Iterator

import pytest

from proxy.config.settings import Log
from proxy.model.clock import SystemClock
from proxy.web.access import AccessLog
from proxy.web.log import LogPipe
from proxy.web.outbound import BlobAnswer, Bytes
from proxy.web.text import _REFUSED_KEY, printable_target
from tests.support.cost import assert_linear
from tests.support.raw_http import Raw, ask
from tests.web.stand import get, small_blob, standing

HELLO = Bytes(body=b"hello", content_type="text/plain")


async def test_request_is_one_line_with_what_became_of_it() -> None:
    async with standing(get("/pypi/{feed}/{file...}", BlobAnswer(blob=small_blob(b"12345")))) as stand:
        reply = await ask(stand.port, "GET", "/pypi/main/a.whl?token=SECRET", "User-Agent: pip/26.3 {json}")
        (line,) = await stand.lines()
    assert line.pop("ts").endswith("Z")
    assert line.pop("ms") >= 0
    assert line == {
        "kind": "access", "request_id": reply.header("x-request-id"), "client": "127.0.0.1", "method": "GET",
        "path": "/pypi/main/a.whl", "route": "/pypi/{feed}/{file...}", "status": 200, "bytes": 5, "cache": "hit",
        "agent": "pip/26.3",
    }  # fmt: skip


@pytest.mark.parametrize(
    "target",
    [
        "/t/SECRETKEY/conda/x", "/conda/t/SECRETKEY/x", "/%74/SECRETKEY/x", "/t/SECRET%4BEY/x", "/f?key=SECRETKEY",
        "http://u:SECRETKEY@h/f", "/f#SECRETKEY", "/t/SECRETKEY/..", "/t/SECRETKEY%2fx/%00", "/%74/SECRETKEY/%zz",
        "/%2574/SECRETKEY/x", "http://u:SECRETKEY@h/%00", "/%2ft%2fSECRETKEY", "/T/SECRETKEY/%00",
        "/conda/t//SECRETKEY/x", "/conda/t/%2fSECRETKEY/x", "/conda/T%2F%2FSECRETKEY", "/t///SECRETKEY//x",
        "/t/./SECRETKEY/x", "/conda/t/../SECRETKEY", "/t\\SECRETKEY", "/%25252574/SECRETKEY/x", "/t%00/SECRETKEY/x",
        "/t/a%2f/SECRETKEY", "//t//SECRETKEY", "/%09t/SECRETKEY",
    ],
)  # fmt: skip
async def test_credentials_are_never_logged(target: str) -> None:
    async with standing(get("/{rest...}", HELLO)) as stand:
        await ask(stand.port, "GET", target, "Authorization: Basic U0VDUkVUS0VZ", "X-ApiKey: SECRETKEY")
        await stand.lines()
    written = b"".join(stand.written)
    assert b"SECRET" not in written
    assert b"U0VDUkVUS0VZ" not in written


@pytest.mark.parametrize(
    "run", ["/", "\\", "/\\", "/.", "%2f", "/%74", "/%00", "a/", "/t", "//t", "%252f", "https://", "é/", "."]
)
def test_cost_of_a_refused_target_is_bounded(run: str) -> None:
    assert_linear(printable_target, lambda n: "/" + run * n, 20_000)
    assert len(printable_target("/" + run * 20_000)) < 1000


@pytest.mark.parametrize("run", ["/", "\\", "/\\", "/.", "//t", "/t", "a/", ".", "t", "/tt", "t/t"])
def test_search_for_a_key_in_a_refused_target_is_linear(run: str) -> None:
    assert_linear(_REFUSED_KEY.search, lambda n: run * n + "x", 4_000)


def test_key_behind_what_is_not_read_of_a_refused_target_stays_hidden() -> None:
    for length in range(880, 920):
        for key in (
            "/t/SECRETKEY",
            "/%2574/SECRETKEY",
            "://u:SECRETKEY@h/",
            "?k=SECRETKEY",
            "/%2ft%2fSECRETKEY",
        ):
            assert "SEC" not in printable_target("/" + "a" * length + key + "/x" * 4000)
    assert printable_target("/a" + "/%00" * 4000).endswith("...")


async def test_refused_target_of_many_slashes_stops_nobody() -> None:
    async with standing(get("/{rest...}", HELLO)) as stand:
        reply = await ask(stand.port, "GET", "/" * 8000)
        lines = await stand.lines()
    assert reply.status == 400
    assert [len(line["path"]) < 400 for line in lines] == [True]


@pytest.mark.parametrize("is_json", [True, False])
async def test_control_and_bidi_characters_are_escaped(is_json: bool) -> None:
    nasty = ("/%1b[31m%0a%e2%80%ae", "/\u202e\x7f", "/a%0d%0aFAKE")
    lines: list[bytes] = []
    access = AccessLog(lines.append, SystemClock(), as_json=is_json)
    async with standing(get("/{rest...}", HELLO), access=access) as stand:
        for target in nasty:
            async with Raw(stand.port) as raw:
                await raw.send(
                    f"GET {target} HTTP/1.1\r\nHost: x\r\nUser-Agent: a\u202e\t\u0085\r\n\r\n".encode()
                )
                await raw.read()
    written = b"".join(lines)
    assert len(written.splitlines()) == len(nasty)
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in written)


async def test_line_for_people_is_short_and_whole() -> None:
    written: list[bytes] = []
    access = AccessLog(written.append, SystemClock(), as_json=False)
    async with standing(get("/f", HELLO), access=access) as stand:
        await ask(stand.port, "GET", "/f", "User-Agent: curl/8")
    text = b"".join(written).decode()
    assert " 127.0.0.1 GET /f 200 5 " in text
    assert text.endswith(" - curl/8\n")


async def test_lines_are_written_without_being_asked_for() -> None:
    async with standing(get("/f", HELLO)) as stand:
        await ask(stand.port, "GET", "/f")
        async with asyncio.timeout(10):
            while not stand.written:
                await asyncio.sleep(0.02)
        await ask(stand.port, "GET", "/f")
        assert len(await stand.lines()) == 2


async def test_line_that_comes_while_others_are_written_is_not_left_behind() -> None:
    is_writing, may_go_on = threading.Event(), threading.Event()
    written: list[bytes] = []

    def write(lines: bytes) -> None:
        written.append(lines)
        is_writing.set()
        may_go_on.wait(20)

    access = AccessLog(write, SystemClock(), as_json=True)
    async with standing(get("/{rest...}", HELLO), access=access) as stand:
        await ask(stand.port, "GET", "/first")
        await asyncio.to_thread(is_writing.wait, 20)
        await ask(stand.port, "GET", "/second")
        may_go_on.set()
        async with asyncio.timeout(20):
            while b"/second" not in b"".join(written):
                await asyncio.sleep(0.01)


async def test_stuck_reader_of_the_log_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.web.access.MAX_WAITING_CHARS", 2000)
    stuck = threading.Event()
    access = AccessLog(lambda data: stuck.wait(20), SystemClock(), as_json=True)
    async with standing(get("/f", HELLO), access=access) as stand, Raw(stand.port) as raw:
        try:
            for _ in range(60):
                assert (await raw.ask("GET", "/f")).status == 200
                await asyncio.sleep(0.01)
            assert access.dropped > 0
        finally:
            stuck.set()


async def test_closed_log_stops_nobody() -> None:
    def refuse(data: bytes) -> None:
        raise BrokenPipeError

    access = AccessLog(refuse, SystemClock(), as_json=True)
    async with standing(get("/f", HELLO), access=access) as stand:
        for dropped in (1, 2):
            assert (await ask(stand.port, "GET", "/f")).status == 200
            await access.close()
            assert access.dropped == dropped


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    level = root.level
    yield root
    root.setLevel(level)


NASTY = "name\n2026 FAKE \x1b[31m \u202e\u2028 \udc80 é"


def test_json_log_escapes_names_from_outside(root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    pipe = LogPipe(Log(format="auto"), stream)
    logging.getLogger("proxy.test").warning("dropped %s", NASTY)
    pipe.close()
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["message"] == "dropped name\\n2026 FAKE \\x1b[31m \\u202e\\u2028 \\udc80 é"
    assert json.loads(line)["level"] == "warning"
    assert "\u202e" not in line


def test_text_log_is_one_line_and_a_trace_is_indented(root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    pipe = LogPipe(Log(format="text"), stream)
    try:
        raise ValueError(NASTY)
    except ValueError:
        logging.getLogger("proxy.test").exception("failed")
    pipe.close()
    first, *trace = stream.getvalue().splitlines()
    assert first.endswith("error proxy.test: failed")
    assert trace
    assert all(line.startswith("  ") and line.isprintable() for line in trace)


def test_level_is_obeyed(root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    pipe = LogPipe(Log(level="warning", format="json"), stream)
    logging.getLogger("proxy.test").info("quiet")
    pipe.close()
    assert stream.getvalue() == ""


@pytest.mark.parametrize("form", ["json", "text"])
def test_times_have_the_form_of_the_access_log(root_logger: logging.Logger, form: str) -> None:
    stream = io.StringIO()
    pipe = LogPipe(Log(format=form), stream)
    logging.getLogger("proxy.test").warning("said")
    pipe.close()
    line = stream.getvalue()
    at = json.loads(line)["ts"] if form == "json" else line.partition(" ")[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at)


async def test_an_unreadable_request_is_logged_without_what_it_holds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "proxy"):
        async with standing(get("/f", HELLO)) as stand:
            for line in (
                "GET /t/SECRETKEY/x HTTP/9.9.9",
                "GET /f HTTP/1.1\r\nX-ApiKey: SECRET\x01KEY",
                "SECRETKEY",
            ):
                async with Raw(stand.port) as raw:
                    await raw.send(f"{line}\r\n\r\n".encode())
                    assert (await raw.read()).status == 400
    assert "unreadable request" in caplog.text
    assert "SECRET" not in caplog.text
