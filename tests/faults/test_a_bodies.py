"""A03 to A06: bodies that end early, lie about their length, or are followed by something else."""

import asyncio
import ssl

import pytest
import trustme

from proxy.config.settings import Route
from tests.faults.client import Fetched
from tests.faults.scene import SDIST, Scene
from tests.support.faults import HONEST, Fault
from tests.support.gateway import feed
from tests.support.index import HTML_ONLY, JSON, PUBLIC, FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

MARKER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.pypi.simple.v1+json\r\nContent-Length: 6\r\n\r\nP0iSoN"
)
LIES = {
    "negative length": Fault(length="-5"),
    "length that is no number": Fault(length="abc"),
    "two lengths": Fault(second_length="7"),
    "short length": Fault(length="100"),
    "length and chunked": Fault(length_and_chunked=True),
    "broken chunks": Fault(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nxx\r\n"),
    "another protocol": Fault(raw=b"SSH-2.0-nonsense\r\n"),
}
MIB = 1024**2
ENDLESS = {"endless chunks": Fault(endless=True), "endless length": Fault(length="99999999999999999999")}


def is_whole(answer: Fetched) -> bool:
    return answer.status == 200 and answer.is_complete


def last_byte(scene: Scene) -> int:
    return len(scene.data) - 1


# -- A03: resets


@pytest.mark.parametrize("at", ["before", "0", "1", "middle", "last"])
async def test_reset_leaves_nothing_behind_and_the_next_request_is_clean(scene: Scene, at: str) -> None:
    """A03: a client that was streaming is cut off, one that was not gets a 503; nobody gets a short 200."""
    await scene.start(retries=2)
    await scene.warm()
    places = {"0": 0, "1": 1, "middle": 150_000, "last": last_byte(scene)}
    fault = Fault(refuse=True) if at == "before" else Fault(reset_at=places[at], ignore_range=True)
    scene.origin.always(scene.file_path, fault)
    answers = await asyncio.gather(*(scene.get(scene.file) for _ in range(3)))
    assert not any(map(is_whole, answers))
    assert {answer.status for answer in answers} <= {200, 503}
    assert 2 <= scene.origin.hits(scene.file_path) <= 3
    assert not scene.holds_wheel
    assert await scene.auditor.no_temps() == []
    scene.origin.heal()
    clean = await scene.get(scene.file)
    assert (clean.status, clean.body) == (200, scene.data)


async def test_reset_page_is_asked_again_and_the_client_does_not_notice(scene: Scene) -> None:
    """A03: at most `retries` times."""
    await scene.start(retries=2)
    scene.origin.script(scene.page_path, Fault(reset_at=20), Fault(refuse=True), HONEST)
    assert (await scene.get(scene.page, Accept=JSON)).status == 200
    assert scene.origin.hits(scene.page_path) == 3
    await scene.later()
    scene.index.bump("demo")
    scene.origin.always(scene.page_path, Fault(reset_at=20))
    assert (await scene.get(scene.page, Accept=JSON)).cache == "feedgate; hit; fwd=stale"


async def test_resumption_asks_for_the_rest_with_the_strong_etag(scene: Scene) -> None:
    """A03: one answer to the client out of two of the origin."""
    await scene.start()
    await scene.warm()
    scene.origin.script(scene.file_path, Fault(reset_at=100_000))
    answer = await scene.get(scene.file)
    assert (answer.status, answer.body) == (200, scene.data)
    first, second = scene.origin.received(scene.file_path)
    assert (second.headers["range"], "if-range" in second.headers) == ("bytes=100000-", True)
    assert "range" not in first.headers


async def test_without_a_strong_etag_the_fetch_begins_again_and_the_client_does_not_notice(
    scene: Scene,
) -> None:
    """A03: a weak link between two parts is none; the first part is compared instead."""
    scene.index.reshape(file_etags=False)
    await scene.start()
    await scene.warm()
    scene.origin.script(scene.file_path, Fault(reset_at=100_000))
    answer = await scene.get(scene.file)
    assert (answer.status, answer.body) == (200, scene.data)
    assert all("range" not in request.headers for request in scene.origin.received(scene.file_path))


async def test_parts_of_two_files_are_never_joined(scene: Scene) -> None:
    """A03: the origin replaced the file between the cut and the resumption."""
    await scene.start()
    await scene.warm()
    other = wheel("demo", "1.0", payload=len(scene.data), files={"demo/other.py": b"x" * 999})
    scene.origin.script(scene.file_path, Fault(reset_at=100_000))
    reading = asyncio.create_task(scene.get(scene.file))
    async with asyncio.timeout(10):
        while not scene.origin.hits(scene.file_path):
            await asyncio.sleep(0.005)
    scene.origin.add(scene.file_path, other.data, etag='"other"')
    assert not is_whole(await reading)
    scene.origin.remove(scene.file_path)


# -- A04: truncation that HTTP cannot see


@pytest.mark.parametrize(
    "shape", [PUBLIC, Shape(forms=HTML_ONLY.forms, json_api=False)], ids=["sized", "unsized"]
)
async def test_artifact_cut_without_a_length_is_not_completed(scene: Scene, shape: Shape) -> None:
    """A04: size and digest say that it is short; where no size is known the digest does."""
    scene.index.shape = shape
    await scene.start()
    assert (await scene.get(scene.page)).status == 200
    cut = Fault(close_delimited=True, truncate_at=200_000, ignore_range=True)
    scene.origin.always(scene.file_path, cut)
    answer = await scene.get(scene.file)
    assert not is_whole(answer)
    # All that left is in front of the last 4 KiB.
    assert len(answer.body) <= 200_000
    assert not scene.holds_wheel


@pytest.mark.parametrize("shape", [PUBLIC, HTML_ONLY], ids=["json", "html"])
async def test_page_cut_without_a_length_never_replaces_the_stored_one(scene: Scene, shape: Shape) -> None:
    """A04: a page without a digest must parse to its end; a shorter list would hide what it lost."""
    scene.index.shape = shape
    scene.index.add(*(wheel("demo", f"1.{number}") for number in range(1, 12)))
    await scene.start()
    page = await scene.warm()
    whole = len(page.json()["files"])
    scene.index.bump("demo")
    scene.origin.always(scene.page_path, Fault(close_delimited=True, truncate_at=2000))
    await scene.later()
    stale = await scene.get(scene.page, Accept=JSON)
    assert len(stale.json()["files"]) == whole
    assert stale.cache == "feedgate; hit; fwd=stale"


@pytest.mark.parametrize("shape", [PUBLIC, HTML_ONLY], ids=["json", "html"])
async def test_cut_page_without_a_stored_one_is_an_error_and_no_list(scene: Scene, shape: Shape) -> None:
    """A04: half a list is no list."""
    scene.index.shape = shape
    scene.index.add(*(wheel("demo", f"1.{number}") for number in range(1, 12)))
    await scene.start()
    scene.origin.always(scene.page_path, Fault(close_delimited=True, truncate_at=2000))
    assert (await scene.get(scene.page, Accept=JSON)).status in (502, 503)


# -- A05: framing that lies


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_artifact_with_a_lying_frame_is_refused_and_not_kept(scene: Scene, lie: Fault) -> None:
    """A05: 502 or a cut, and its connection is not used again."""
    await scene.start()
    await scene.warm()
    scene.origin.always(scene.file_path, lie)
    answer = await scene.get(scene.file)
    assert not is_whole(answer)
    assert answer.status in (200, 502, 503)
    assert not scene.holds_wheel
    used = {request.connection for request in scene.origin.received(scene.file_path)}
    scene.origin.heal()
    sdist_answer = await scene.get(scene.path(SDIST))
    assert is_whole(sdist_answer)
    assert scene.origin.requests[-1].connection not in used


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_page_with_a_lying_frame_is_refused_and_the_stored_one_stays(scene: Scene, lie: Fault) -> None:
    """A05: 502 without a copy, the copy with one."""
    await scene.start()
    scene.origin.script(scene.page_path, lie)
    assert (await scene.get(scene.page)).told == (502, "origin-refused")
    page = await scene.warm()
    await scene.later()
    scene.index.bump("demo")
    scene.origin.always(scene.page_path, lie)
    stale = await scene.get(scene.page, Accept=JSON)
    assert (stale.body, stale.cache) == (page.body, "feedgate; hit; fwd=stale")


@pytest.mark.parametrize("fault", ENDLESS.values(), ids=ENDLESS)
async def test_body_without_end_is_ended(scene: Scene, fault: Fault) -> None:
    """A05: chunks for ever, and a length that no disk has."""
    await scene.start(max_index_size_bytes=32 * MIB)
    scene.origin.script(scene.page_path, fault, fault)  # what is large is asked for once more, as a stream
    assert (await scene.get(scene.page)).told == (502, "origin-refused")
    scene.origin.heal()
    await scene.warm()
    scene.origin.script(scene.file_path, fault, fault)
    async with asyncio.timeout(10):
        assert not is_whole(await scene.get(scene.file))
    assert not scene.holds_wheel


# -- A06: bytes that nobody asked for


def marked(scene: Scene) -> list[str]:
    """Return where the marker went."""
    places = [answer.path for answer in scene.auditor.answers if b"P0iSoN" in answer.body]
    files = (path for path in scene.folder.rglob("*") if path.is_file())
    return places + [str(path) for path in files if b"P0iSoN" in path.read_bytes()]


@pytest.mark.parametrize("after_s", [0.0, 0.3], ids=["same packet", "while pooled"])
async def test_bytes_behind_an_answer_never_answer_anything(scene: Scene, after_s: float) -> None:
    """A06: the marker is nowhere: not in an answer, not in a cache entry; its connection is dropped."""
    await scene.start()
    scene.origin.always("*", Fault(trailing=MARKER, trailing_after_s=after_s, methods=("GET",)))
    for _ in range(2):
        for path in (scene.page, scene.file, scene.path(SDIST), f"{scene.file}.metadata", scene.api):
            await scene.get(path)
        await asyncio.sleep(after_s and after_s + 0.1)
        await scene.later()
    assert marked(scene) == []
    if not after_s:
        connections = [request.connection for request in scene.origin.requests]
        assert len(connections) == len(set(connections))


async def test_pages_over_tls_share_connections_and_foreign_bytes_still_reach_nobody(scene: Scene) -> None:
    """A06: the pooled case of pages, which no digest protects."""
    ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    pem = scene.folder / "ca.pem"
    pem.write_bytes(ca.cert_pem.bytes())
    async with Origin(tls=context) as origin:
        index = FakeIndex(origin)
        index.add(wheel("demo", "1.0"), wheel("leaf", "1.0"), sdist("other", "1.0"))
        route = Route(use_environment=False, ca_files=(pem,))
        scene.auditor.indexes[:] = [index]
        scene.auditor.origins.append(origin)
        await scene.start(feed(scene.upstream(index, route=route, auth=None)))
        names = ("demo", "leaf", "other")
        for name in names:
            assert (await scene.get(f"/pypi/pypi/simple/{name}/")).status == 200
        assert len({request.connection for request in origin.requests}) < len(origin.requests)
        await scene.later()
        origin.always(index.page_path("demo"), Fault(trailing=MARKER, trailing_after_s=0.1))
        for name in names * 2:
            page = await scene.get(f"/pypi/pypi/simple/{name}/", Accept=JSON)
            assert {file["filename"] for file in page.json()["files"]} == {
                file.filename for file in index.projects[name].files
            }
            await asyncio.sleep(0.15)
            await scene.later()
        assert marked(scene) == []
        assert await scene.audit() == []
        scene.auditor.indexes.clear()
