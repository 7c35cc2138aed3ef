"""Checklist 5: yanked, quarantined, removed: what the origin marks reaches clients, and what it takes away goes."""

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clients import Clients
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway, Got, feed, until, upstream
from tests.support.index import HTML, HTML_ONLY, JSON, PLAIN, PUBLIC, FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.wheels import wheel

OLD, NEW = "demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"
PAGE = "/pypi/pypi/simple/demo/"


class Scene:
    """A feed whose clock the test turns, and two versions of a project in it."""

    def __init__(self, index: FakeIndex, gateway: Gateway, clock: FakeClock) -> None:
        self.index = index
        self.gateway = gateway
        self._clock = clock

    async def page(self, accept: str = JSON) -> Got:
        return await self.gateway.get(PAGE, Accept=accept)

    async def file(self, filename: str, suffix: str = "") -> Got:
        """Ask for a file where the feed's page had it: below the path from the file host's root."""
        return await self.gateway.get(f"/pypi/pypi/packages{self.index.file_path(filename)}{suffix}")

    async def turned(self, page: Got) -> Got:
        """Let the page grow old, and wait for one that differs from it."""
        self._clock.advance(601)
        return await until(self.page, lambda got: got.body != page.body)


@pytest.fixture(params=[PUBLIC, HTML_ONLY, PLAIN], ids=["json", "html", "plain"])
async def scene(request: pytest.FixtureRequest, origin: Origin, tmp_path: Path) -> AsyncIterator[Scene]:
    shape: Shape = request.param
    index, clock = FakeIndex(origin, shape), FakeClock()
    index.add(wheel("demo", "1.0"), wheel("demo", "2.0"))
    async with Gateway(tmp_path, feed(upstream(index.url)), clock=clock) as gateway:
        yield Scene(index, gateway, clock)


async def test_yanked_files_are_for_those_who_pin_them_and_a_yank_can_be_taken_back(
    scene: Scene, clients: Clients
) -> None:
    url = scene.gateway.index()
    page = await scene.page()
    scene.index.yank(NEW, "segfaults")
    page = await scene.turned(page)
    marks = {file["filename"]: file["yanked"] for file in page.json()["files"]}
    assert marks == {OLD: False, NEW: "segfaults"}
    assert 'data-yanked="segfaults"' in (await scene.page(HTML)).body.decode()
    assert list((await clients.download(url, "demo")).files) == [OLD]
    assert (await clients.compile(url, "demo")).out == "demo==1.0\n"
    pinned = await clients.download(url, "demo==2.0")
    assert list(pinned.files) == [NEW]
    assert "segfaults" in pinned.ran.err
    assert (await clients.install(url, "demo==2.0")).versions == {"demo": "2.0"}
    scene.index.yank(NEW, False)
    await scene.turned(page)
    assert (await clients.compile(url, "demo")).out == "demo==2.0\n"
    assert list((await clients.download(url, "demo")).files) == [NEW]


async def test_a_yank_without_a_reason_is_a_yank(scene: Scene, clients: Clients) -> None:
    page = await scene.page()
    scene.index.yank(NEW)
    page = await scene.turned(page)
    assert {file["filename"]: file["yanked"] for file in page.json()["files"]}[NEW] is True
    assert (await clients.compile(scene.gateway.index(), "demo")).out == "demo==1.0\n"


async def test_a_release_that_vanished_is_not_served_though_it_is_held(
    scene: Scene, clients: Clients
) -> None:
    url = scene.gateway.index()
    assert (await scene.file(NEW)).status == 200
    page = await scene.page()
    scene.index.remove(NEW)
    page = await scene.turned(page)
    assert [file["filename"] for file in page.json()["files"]] == [OLD]
    assert page.json().get("versions") == ["1.0"]
    for suffix in ("", ".metadata"):
        gone = await scene.file(NEW, suffix)
        assert (gone.status, gone.json()["type"]) == (404, "urn:feedgate:unknown")
    assert (await clients.compile(url, "demo")).out == "demo==1.0\n"
    pinned = await clients.download(url, "demo==2.0")
    assert pinned.ran.code == 1


async def test_a_deleted_project_is_gone_with_its_files(scene: Scene, clients: Clients) -> None:
    page = await scene.page()
    assert (await scene.file(OLD)).status == 200
    scene.index.remove_project("demo")
    assert (await scene.turned(page)).status == 404
    assert (await scene.file(OLD)).status == 404
    assert (await clients.download(scene.gateway.index(), "demo")).ran.code == 1


@pytest.mark.parametrize("scene", [PUBLIC, HTML_ONLY], ids=["json", "html"], indirect=True)
async def test_a_quarantined_project_offers_nothing_until_the_quarantine_ends(
    scene: Scene, clients: Clients
) -> None:
    url = scene.gateway.index()
    page = await scene.page()
    assert (await scene.file(NEW)).status == 200
    scene.index.quarantine("demo", "steals keys")
    page = await scene.turned(page)
    assert page.json()["files"] == []
    assert page.json()["project-status"] == {"status": "quarantined", "reason": "steals keys"}
    refused = await scene.file(NEW)
    assert refused.status == 403
    assert refused.reason.startswith("Quarantined at the origin (quarantine): ")
    assert "steals keys" in refused.json()["detail"]
    ran = await clients.compile(url, "demo")
    assert "no versions" in ran.err
    assert (await clients.download(url, "demo")).ran.code == 1
    scene.index.mark("demo", "active")
    await scene.turned(page)
    assert (await scene.file(NEW)).status == 200
    assert (await clients.compile(url, "demo")).out == "demo==2.0\n"


@pytest.mark.parametrize("scene", [PUBLIC, HTML_ONLY], ids=["json", "html"], indirect=True)
async def test_a_status_and_its_reason_pass_through_in_both_forms(scene: Scene, clients: Clients) -> None:
    page = await scene.page()
    reason = 'use "other" & <more>, élan'
    scene.index.mark("demo", "archived", reason)
    page = await scene.turned(page)
    assert page.json()["project-status"] == {"status": "archived", "reason": reason}
    as_html = (await scene.page(HTML)).body.decode()
    assert '<meta name="pypi:project-status" content="archived">' in as_html
    told = re.findall(r'<meta name="pypi:project-status-reason" content="([^"]*)">', as_html)
    assert [html.unescape(each) for each in told] == [reason]
    assert (await clients.compile(scene.gateway.index(), "demo")).out == "demo==2.0\n"
    assert list((await clients.download(scene.gateway.index(), "demo")).files) == [NEW]
