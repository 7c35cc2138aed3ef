"""Checklist 8: wrong bytes of an origin reach no client whole, and nothing of them stays."""

import hashlib
from pathlib import Path

import pytest

from tests.support.clients import Clients
from tests.support.clock import FakeClock
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import Built, wheel

SMALL = wheel("demo", "1.0")
LARGE = wheel("demo", "1.0", payload=1024**2)

FAULTS = {
    "altered": Fault(flip_at=200),
    "altered at the end": Fault(flip_at=-1),
    "too short and honest about it": Fault(status=200, body=b"PK\x03\x04 not all of it"),
    "longer than announced": Fault(chunked=True, trailing=b"more"),
    "something else": Fault(status=200, body=b"<html>sign in</html>", content_type="text/html"),
    "nothing": Fault(status=200, body=b""),
}


def shown(origin: Origin, built: Built) -> FakeIndex:
    index = FakeIndex(origin)
    index.add(built)
    return index


def blobs(gateway: Gateway) -> set[bytes]:
    """Return everything that lies in the cache of artifacts and documents, half-written files included."""
    folder = gateway.settings.server.cache_dir / "blobs"
    return {path.read_bytes() for path in folder.rglob("*") if path.is_file()}


#: A small file that is cut off now and then arrives all the same, piece by piece.
CUT = {"short": Fault(truncate_at=500), "reset": Fault(reset_at=500)}
CASES = [("altered", SMALL), ("nothing", SMALL), *((fault, LARGE) for fault in {**FAULTS, **CUT})]


@pytest.mark.parametrize("fault", CUT)
async def test_a_file_that_is_cut_off_is_put_together_from_its_parts(
    origin: Origin, clients: Clients, tmp_path: Path, fault: str
) -> None:
    index = shown(origin, SMALL)
    origin.always(index.file_path(SMALL.filename), CUT[fault])
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        got = await clients.download(gateway.index(), "--no-deps", "demo")
        assert got.files == {SMALL.filename: SMALL.data}, got.ran.text


@pytest.mark.parametrize(
    ("fault", "built"), CASES, ids=[f"{fault}, {len(built.data)} bytes" for fault, built in CASES]
)
async def test_wrong_bytes_reach_no_client_and_leave_nothing(
    origin: Origin, clients: Clients, tmp_path: Path, fault: str, built: Built
) -> None:
    index = shown(origin, built)
    origin.always(index.file_path(built.filename), {**FAULTS, **CUT}[fault])
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        got = await clients.download(gateway.index(), "--no-deps", "demo")
        assert got.ran.code != 0
        assert got.files == {}
        there = await clients.install(gateway.index(), "demo")
        assert there.ran.code != 0
        assert there.versions == {}
    assert not [blob for blob in blobs(gateway) if blob.startswith((b"PK", b"<html>")) or blob == b""]


async def test_the_answer_names_both_digests_and_the_file_is_served_once_the_origin_is_healed(
    origin: Origin, clients: Clients, tmp_path: Path
) -> None:
    index, clock = shown(origin, SMALL), FakeClock()
    origin.always(index.file_path(SMALL.filename), FAULTS["altered"])
    async with Gateway(tmp_path, feed(upstream(index.url)), clock=clock) as gateway:
        page = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        path = "/pypi/pypi/" + page.json()["files"][0]["url"].removeprefix("../../")
        got = await gateway.get(path)
        assert (got.status, got.json()["type"]) == (502, "urn:feedgate:digest-mismatch")
        altered = bytearray(SMALL.data)
        altered[200] ^= 1
        for digest in (SMALL.sha256, hashlib.sha256(altered).hexdigest()):
            assert digest in got.json()["detail"]
        assert origin.hits(index.file_path(SMALL.filename)) == 2, "it is tried once more at once"
        ran = await clients.install(gateway.index(), "demo")
        assert ran.ran.code != 0
        assert origin.hits(index.file_path(SMALL.filename)) == 2, "and then left alone"
        origin.heal()
        clock.advance(301)
        assert (await clients.install(gateway.index(), "demo")).versions == {"demo": "1.0"}
