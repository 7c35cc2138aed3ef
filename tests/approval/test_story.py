"""The README's story with pip: approved with all that it needs, installed, and still there when the origin is not."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.approval.desk import Desk
from tests.support.clients import Clients
from tests.support.wheels import sdist, wheel

pytestmark = pytest.mark.timeout(180)
CLOSURE: dict[str, Any] = {"include_dependencies": True, "platforms": ["linux-64"]}


@pytest.fixture
def clients(tmp_path: Path) -> Clients:
    return Clients(tmp_path / "home")


async def test_the_story_of_two_feeds(desk: Desk, clients: Clients) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    desk.index.add(sdist("pure", "1.0"), wheel("app", "1.0", requires=["demo", "pure"]))
    await desk.start()
    index = desk.gateway.index("approved")
    # A client of the curated feed finds nothing, and learns why.
    got = await clients.download(index, "app")
    assert got.ran.code != 0 and "No matching distribution" in got.ran.text
    assert (await desk.page("app")).json()["type"] == "urn:feedgate:not-approved"
    # A reviewer without the right is refused.
    made = await desk.send("POST", "/keys", {"name": "second", "grants": [{"feed": "*", "rights": ["read"]}]})
    reader = made.json()["value"]
    assert (await desk.order("app", key=reader)).status == 403
    # The reviewer promotes with dependencies; the client installs from the curated feed alone.
    got_ = await desk.order("app", **CLOSURE, python_versions=[python], comment="for the team")
    assert got_.status == 201, got_.body
    await desk.held()
    first = await clients.install(index, "app")
    assert first.ran.code == 0, first.ran.text
    assert set(first.versions) == {"app", "demo", "leaf", "pure"}
    got = await clients.elsewhere("pip").download(index, "app")
    assert got.ran.code == 0, got.ran.text
    # With the origin gone it still does.
    await desk.origin.off()
    await desk.gateway.restart_without_cache()
    second = await clients.elsewhere("second").install(desk.gateway.index("approved"), "app")
    assert second.ran.code == 0 and second.versions == first.versions, second.ran.text
    # Revoked, it no longer installs.
    await desk.revoke("leaf-2.0-py3-none-any.whl", "CVE-2026-1")
    third = await clients.elsewhere("third").install(desk.gateway.index("approved"), "app")
    assert third.ran.code != 0
    got = await clients.elsewhere("fourth").download(desk.gateway.index("approved"), "app")
    assert got.ran.code != 0
    # The audit tells the whole story, and nothing of it was changed.
    story = await desk.send("GET", "/audit?feed=approved")
    told = [(item["action"], item["actor"], item["detail"]) for item in story.json()["items"]]
    assert told == [
        ("promotion.create", "admin key", "for the team"),
        ("approval.revoke", "admin key", "CVE-2026-1"),
    ]
    assert all(item["address"] == "127.0.0.1" for item in story.json()["items"])
    assert (await desk.send("GET", "/audit/chain")).json()["ok"] is True
