"""A folder as an upstream: answers like a careful server's, and never a byte from outside the folder."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.config.settings import Upstream
from proxy.model.clock import SystemClock
from proxy.model.redact import SecretUrl
from proxy.upstream.answer import Validators
from proxy.upstream.door import Door
from proxy.upstream.errors import (
    AddressRefused,
    AuthRefused,
    BadAnswer,
    BreakerOpen,
    Resting,
    Silent,
    Truncated,
    Unreachable,
    UpstreamError,
)
from proxy.upstream.file_remote import FileRemote
from proxy.upstream.stream import OriginStream
from proxy.upstream.threads import Threads
from proxy.upstream.way import Way

BODY = bytes(range(256)) * 4000
FILE = "linux-64/zlib-1.3.1-h0_0.conda"

Dial = Callable[..., Way]


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    """A channel with a file beside it that nobody may read."""
    folder = tmp_path / "a channel"
    (folder / "linux-64").mkdir(parents=True)
    (folder / "noarch").mkdir()
    (folder / "noarch/repodata.json").write_text("{}")
    (folder / FILE).write_bytes(BODY)
    (tmp_path / "secret").write_text("canary")
    return folder


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    doors: list[Door] = []

    def made(folder: Path, **fields: Any) -> Way:
        door = Door(SystemClock())
        doors.append(door)
        upstream = Upstream("up", (SecretUrl(f"{folder.as_uri()}/"),), **fields)
        return door.remote(upstream)

    yield made
    for door in doors:
        await door.close()


async def read(stream: OriginStream) -> bytes:
    async with stream:
        return b"".join([chunk async for chunk in stream.chunks()])


async def test_document_is_whole_and_says_what_it_is(dial: Dial, channel: Path) -> None:
    remote = dial(channel)
    assert isinstance(remote, FileRemote)
    answer = await remote.document("noarch/repodata.json", accept="*/*")
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.url == f"{channel.as_uri()}/noarch/repodata.json"
    assert (answer.headers["content-type"], answer.headers["content-length"]) == ("application/json", "2")
    assert (remote.health.successes, remote.health.received_bytes, remote.health.in_flight) == (1, 2, 0)


async def test_validators_make_a_304_until_the_file_changes(dial: Dial, channel: Path) -> None:
    remote, path = dial(channel), channel / "noarch/repodata.json"
    first = await remote.document("noarch/repodata.json", accept="*/*")
    for known in (
        Validators(first.headers["etag"]),
        Validators(f"W/{first.headers['etag']}", "x"),
        Validators(None, first.headers["last-modified"]),
    ):
        again = await remote.document("noarch/repodata.json", accept="*/*", validators=known)
        assert (again.status, again.body) == (304, b"")
        async with await remote.open("noarch/repodata.json", validators=known) as stream:
            assert stream.status == 304
    os.utime(path, ns=(1, 1))
    known = Validators(first.headers["etag"], first.headers["last-modified"])
    assert (await remote.document("noarch/repodata.json", accept="*/*", validators=known)).status == 200


async def test_what_is_not_there_is_a_404(dial: Dial, channel: Path) -> None:
    remote = dial(channel)
    os.mkfifo(channel / "pipe")
    for url in (
        "noarch/gone.json",
        "osx-64/repodata.json",
        "noarch",
        "noarch/repodata.json/x",
        "",
        "pipe",
        "n" * 300,
    ):
        assert (await remote.document(url, accept="*/*")).status == 404, url
        assert (await remote.head(url)).status == 404
        assert await read(await remote.open(url)) == b""
    assert remote.health.failures == 0


@pytest.mark.parametrize(
    ("start", "stop", "status", "first", "last"),
    [
        (0, None, 200, 0, len(BODY)),
        (10, None, 206, 10, len(BODY)),
        (0, 10, 206, 0, 10),
        (300_000, 900_000, 206, 300_000, 900_000),
        (len(BODY) - 1, len(BODY) + 5, 206, len(BODY) - 1, len(BODY)),
        (-10, None, 206, len(BODY) - 10, len(BODY)),
        (-len(BODY) - 10, None, 206, 0, len(BODY)),
        (len(BODY), None, 416, 0, 0),
    ],
)
async def test_ranges_are_the_files_own_bytes(
    dial: Dial, channel: Path, start: int, stop: int | None, status: int, first: int, last: int
) -> None:
    stream = await dial(channel).open(FILE, start=start, stop=stop)
    assert (stream.status, stream.start, stream.total) == (status, first, len(BODY))
    assert await read(stream) == BODY[first:last]


async def test_if_range_of_another_state_gets_the_whole_file(dial: Dial, channel: Path) -> None:
    remote = dial(channel)
    head = await remote.head(FILE)
    async with await remote.open(FILE, start=5, if_range=head.headers["etag"]) as stream:
        assert (stream.status, stream.start, stream.etag) == (206, 5, head.headers["etag"])
    async with await remote.open(FILE, start=5, if_range='"other"') as stream:
        assert (stream.status, stream.start) == (200, 0)


async def test_absolute_and_escaped_urls_below_the_channel_are_the_same_files(
    dial: Dial, channel: Path
) -> None:
    (channel / "noarch/a+b-1!2.0-0.conda").write_text("x")
    remote = dial(channel)
    for url in ("noarch/a+b-1!2.0-0.conda", "noarch/a%2Bb-1%212.0-0.conda"):
        assert (await remote.head(url)).status == 200
        answer = await remote.document(f"{channel.as_uri()}/{url}", accept="*/*")
        assert (answer.status, answer.url) == (200, f"{channel.as_uri()}/{url}")


@pytest.mark.parametrize(
    "url",
    [
        "../secret",
        "noarch/../../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "noarch%2f..%2f..%2fsecret",
        "/etc/passwd",
        "//host/x",
        "noarch//repodata.json",
        "./noarch/repodata.json",
        "noarch\\..\\x",
        "noarch/%00",
        "noarch/repodata.json?x",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "http://127.0.0.1/x",
        "data:,x",
    ],
)
async def test_no_url_leads_out_of_the_folder(dial: Dial, channel: Path, url: str) -> None:
    remote = dial(channel)
    asks: list[Callable[[], Awaitable[object]]] = [
        lambda: remote.document(url, accept="*/*"),
        lambda: remote.head(url),
        lambda: remote.open(url),
    ]
    for ask in asks:
        with pytest.raises(AddressRefused) as caught:
            await ask()
        assert "secret" not in str(caught.value)


async def test_links_are_followed_inside_the_folder_only(dial: Dial, channel: Path) -> None:
    (channel / "noarch/inside.json").symlink_to("repodata.json")
    (channel / "all").symlink_to(channel / "noarch")
    (channel / "noarch/out.json").symlink_to("../../secret")
    (channel / "out").symlink_to(channel.parent)
    (channel / "noarch/loop").symlink_to("loop")
    (channel / "noarch/dangling").symlink_to("gone")
    remote = dial(channel)
    for url in ("noarch/inside.json", "all/repodata.json", "all/inside.json"):
        assert (await remote.document(url, accept="*/*")).body == b"{}"
    for url in ("noarch/out.json", "out/secret", "noarch/loop"):
        with pytest.raises(AddressRefused):
            await remote.document(url, accept="*/*")
    assert (await remote.head("noarch/dangling")).status == 404


async def test_the_folder_itself_may_be_a_link(dial: Dial, channel: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(channel.name)
    answer = await dial(tmp_path / "current").document("noarch/repodata.json", accept="*/*")
    assert answer.body == b"{}"


async def test_a_folder_that_is_not_there_is_a_failure_and_not_an_empty_channel(
    dial: Dial, tmp_path: Path
) -> None:
    remote = dial(tmp_path / "gone")
    for _ in range(5):
        with pytest.raises(Unreachable, match="folder"):
            await remote.head("noarch/repodata.json")
    with pytest.raises(BreakerOpen, match="left alone"):
        await remote.head("noarch/repodata.json")
    assert set(remote.health.breakers.values()) == {"open"}
    hops = await remote.probe()
    assert [(hop.name, hop.ok) for hop in hops] == [("folder", False)]


async def test_a_file_without_the_right_to_read_is_refused(
    dial: Dial, channel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    remote = dial(channel)
    # The tests may run as root, who may read everything.
    monkeypatch.setattr("proxy.upstream.folder.os.open", refused)
    with pytest.raises(AuthRefused, match="may not be read"):
        await remote.head(FILE)


async def test_a_body_larger_than_allowed_is_refused(dial: Dial, channel: Path) -> None:
    remote = dial(channel, max_index_size_bytes=1000)
    with pytest.raises(BadAnswer, match="more than 1000 bytes"):
        await remote.document(FILE, accept="*/*")
    with pytest.raises(BadAnswer, match="more than 10 bytes"):
        await remote.open(FILE, max_bytes=10)
    assert remote.health.in_flight == 0


async def test_a_file_that_changes_while_it_is_read_is_cut_short(dial: Dial, channel: Path) -> None:
    remote = dial(channel)
    stream = await remote.open(FILE)
    with pytest.raises(Truncated, match="changed while"):
        async with stream:
            async for _ in stream.chunks():
                (channel / FILE).write_bytes(BODY[::-1])
    assert remote.health.errors == {"Truncated": 1}
    stream = await remote.open(FILE)
    with pytest.raises(Truncated, match="shorter"):
        async with stream:
            async for _ in stream.chunks():
                os.truncate(channel / FILE, 10)


async def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_end(dial: Dial, channel: Path) -> None:
    async with await dial(channel).open(FILE) as stream:
        got = []
        async for chunk in stream.chunks():
            got.append(chunk)
            (channel / "new").write_text("new")
            (channel / "new").replace(channel / FILE)
    assert b"".join(got) == BODY


async def test_a_file_whose_bytes_were_wrong_twice_rests(dial: Dial, channel: Path) -> None:
    remote = dial(channel)
    remote.rest(FILE, 300)
    await read(await remote.open(FILE))
    remote.rest(f"{channel.as_uri()}/{FILE}", 300)
    with pytest.raises(Resting):
        await remote.open(FILE)
    assert (await remote.head("noarch/repodata.json")).status == 200


async def test_a_mount_that_hangs_is_silent(channel: Path) -> None:
    threads = Threads(1, 0.05, origin="file://")
    release, closed = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    waiting = asyncio.run_coroutine_threadsafe

    def hang() -> int:
        waiting(release.wait(), loop).result()
        return 7

    with pytest.raises(Silent):
        await threads.call(hang, late=lambda done: loop.call_soon_threadsafe(closed.set))
    assert not closed.is_set()
    release.set()
    await closed.wait()
    threads.close()
    with pytest.raises(UpstreamError, match="being closed"):
        await threads.call(lambda: 1)


async def test_streams_hold_a_slot_until_they_are_closed(dial: Dial, channel: Path) -> None:
    remote = dial(channel, concurrency=2, read_timeout_s=0.1)
    async with await remote.open(FILE):
        with pytest.raises(UpstreamError, match="in use"):
            await remote.open(FILE)
        assert (await remote.head(FILE)).status == 200
    assert await read(await remote.open(FILE)) == BODY


async def test_a_probe_tells_whether_the_file_is_there(dial: Dial, channel: Path) -> None:
    remote = dial(channel)
    assert [(hop.name, hop.ok) for hop in await remote.probe()] == [("folder", True)]
    for url, ok in (("noarch/repodata.json", True), ("noarch/repodata.json.zst", False)):
        last = (await remote.probe(url))[-1]
        assert (last.name, last.ok) == ("origin", ok)
