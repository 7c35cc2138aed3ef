"""What a PyPI feed asks beside pages: the origin's JSON API and its attestations."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from proxy.pypi import legacy_json
from proxy.pypi.legacy_json import ShownVersions, Sources
from proxy.pypi.project import Project
from tests.support.clock import FakeClock
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, until, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

WHEEL = "demo-1.0-py3-none-any.whl"
DOCUMENT = "/pypi/pypi/pypi/demo/json"
API = "/pypi/demo/json"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def filled(origin: Origin) -> FakeIndex:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0"))
    return index


async def test_versions_that_the_feed_does_not_show_are_not_asked_for(origin: Origin, tmp_path: Path) -> None:
    index = filled(origin)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await gateway.get("/pypi/pypi/simple/demo/")
        origin.forget()
        for version in ("9.9", "%3Fadmin=1", "a%3B%23", "%20x", "1.0%26x"):
            got = await gateway.get(f"/pypi/pypi/pypi/demo/{version}/json")
            assert got.status in (400, 404), version
        assert origin.hits() == 0
        assert (await gateway.get("/pypi/pypi/pypi/demo/1.0.0/json")).status == 200
        assert [request.path for request in origin.requests] == ["/pypi/demo/1.0/json"]


async def test_attestations_belong_to_the_version_of_their_file(origin: Origin, tmp_path: Path) -> None:
    built = wheel("demo", "1.0")
    file = {
        "filename": WHEEL, "url": f"/files/{WHEEL}", "hashes": {"sha256": built.sha256},
        "provenance": f"{origin.url}/attested",
    }  # fmt: skip
    page = {"meta": {"api-version": "1.3"}, "name": "demo", "files": [file]}
    origin.add("/simple/demo/", orjson.dumps(page), content_type=JSON)
    origin.add("/attested", b"{}", content_type="application/json")
    settings = feed(upstream(f"{origin.url}/simple/", json_api=None))
    async with Gateway(tmp_path, settings) as gateway:
        for version, status in (("1.0", 200), ("1.0.0", 200), ("2.0", 404), ("x", 404)):
            got = await gateway.get(f"/pypi/pypi/integrity/demo/{version}/{WHEEL}/provenance")
            assert got.status == status, version


async def test_a_herd_for_one_document_is_one_request(origin: Origin, tmp_path: Path) -> None:
    index = filled(origin)
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await gateway.get("/pypi/pypi/simple/demo/")
        origin.forget()
        origin.always(API, Fault(delay_s=0.2))
        answers = await asyncio.gather(*(gateway.get(DOCUMENT) for _ in range(10)))
        assert {answer.status for answer in answers} == {200}
        assert origin.hits(API) == 1


async def test_a_copy_at_hand_is_served_while_the_origin_is_silent_and_it_is_left_alone(
    origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index, clock = filled(origin), FakeClock()
    settings = feed(upstream(index.url, ttl_s=60.0, read_timeout_s=1.0, stale_if_error_s=3600.0))
    async with Gateway(tmp_path, settings, clock=clock) as gateway:
        first = await gateway.get(DOCUMENT)
        clock.advance(120)
        origin.always(API, Fault(silent=True))
        origin.forget()
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert (await gateway.get(DOCUMENT)).body == first.body
        assert loop.time() - started < 0.9, "nobody waits for the read timeout with a copy at hand"
        while "cannot be used" not in caplog.text:
            await asyncio.sleep(0.02)
        hits = origin.hits(API)
        for _ in range(3):
            await gateway.get(DOCUMENT)
        assert origin.hits(API) == hits, "an origin that failed a moment ago is left alone"


async def test_a_copy_that_is_too_old_is_not_served(origin: Origin, tmp_path: Path) -> None:
    index, clock = filled(origin), FakeClock()
    settings = feed(upstream(index.url, ttl_s=60.0, stale_if_error_s=3600.0))
    async with Gateway(tmp_path, settings, clock=clock) as gateway:
        assert (await gateway.get(DOCUMENT)).json()["info"]["classifiers"]
        clock.advance(7200)
        origin.always(API, Fault(status=503))
        assert not (await gateway.get(DOCUMENT)).json()["info"]["classifiers"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"info":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"info":{"summary":"' + b"x" * 5_000_000 + b'"}}',
    ],
    ids=["deep", "large"],
)
async def test_a_json_api_that_was_made_to_hurt_counts_as_none(
    origin: Origin, tmp_path: Path, body: bytes
) -> None:
    index = filled(origin)
    origin.add(API, body, content_type="application/json")
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        got = await gateway.get(DOCUMENT)
        assert (got.status, got.json()["info"]["summary"]) == (200, "A test of demo")


async def test_a_json_api_document_is_rendered_once_for_many_requests(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = filled(origin)
    index.add(wheel("demo", "2.0"))
    rendered: list[str | None] = []
    render = legacy_json.render

    def counted(project: Project, prefix: str, sources: Sources, version: str | None = None) -> bytes | None:
        rendered.append(version)
        return render(project, prefix, sources, version)

    monkeypatch.setattr(legacy_json, "render", counted)
    clock = FakeClock()
    async with Gateway(tmp_path, feed(upstream(index.url)), clock=clock) as gateway:
        for version, document in ((None, "demo/json"), ("2.0", "demo/2.0/json"), ("2.0", "demo/2/json")):
            bodies = set()
            for _ in range(5):
                bodies.add((await gateway.get(f"/pypi/pypi/pypi/{document}")).body)
                clock.advance(1.0)
            assert len(bodies) == 1
            assert rendered.count(version) == 1, document
        index.projects["demo"].info["2.0"] = {"summary": "changed"}
        clock.advance(3600.0)
        got = await until(
            lambda: gateway.get(DOCUMENT), lambda got: got.json()["info"]["summary"] == "changed"
        )
        assert got.status == 200
        assert rendered.count(None) == 2


async def test_a_version_that_is_not_shown_costs_no_look_at_every_file(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = filled(origin)
    looks: list[str] = []
    of = ShownVersions.of

    def counted(project: Project) -> ShownVersions:
        looks.append(project.name)
        return of(project)

    monkeypatch.setattr(ShownVersions, "of", counted)
    clock = FakeClock()
    async with Gateway(tmp_path, feed(upstream(index.url)), clock=clock) as gateway:
        for number in range(5):
            assert (await gateway.get(f"/pypi/pypi/pypi/demo/7.{number}/json")).status == 404
            clock.advance(1.0)
    assert looks == ["demo"]
