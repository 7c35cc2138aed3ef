"""The README's story with a real client: an empty curated feed, a promotion with dependencies, a dead origin."""

from pathlib import Path

import pytest
from rattler.exceptions import SolverError

from tests.approval_conda.desk import CURATED, LINUX, Desk
from tests.conda_feed.stand import LATER_S
from tests.conda_feed.test_rattler import assert_whole, chain, installed, solved
from tests.support.conda_packages import package

TOOL = "noarch/tool-1.0-0.conda"


async def test_the_story_of_a_curated_conda_feed(desk: Desk, tmp_path: Path) -> None:
    chain(desk)
    desk.channel.add(package("pip", "24.0", noarch="python", depends=("python >=3.8",)))
    await desk.begin()

    # A client finds nothing, and learns why.
    with pytest.raises(SolverError, match="tool"):
        await solved(desk, tmp_path / "before", "tool", feed=CURATED)
    got = await desk.seen(TOOL)
    assert (got.status, got.json()["type"]) == (404, "urn:feedgate:not-approved")
    assert "reviewer" in got.json()["detail"]
    (item,) = (await desk.send("GET", f"/feeds/{CURATED}/explain?spec=tool")).json()["items"]
    assert item["rule"] == "not-approved"

    # A second reviewer without the right is refused.
    made = await desk.send("POST", "/keys", {"name": "reader", "grants": [{"feed": "*", "rights": ["read"]}]})
    reader = made.json()["value"]
    assert (await desk.order("tool", key=reader)).status == 403

    # The one who may promotes it with all that it needs.
    answer = await desk.promote("tool", include_dependencies=True, python_versions=["3.11"])
    assert {"noarch/pip-24.0-0.conda", f"{LINUX}/python-3.11.9-h0_0_cpython.conda", TOOL} < set(answer)
    assert f"{LINUX}/other-1.0-0.conda" not in answer
    assert_whole(await installed(desk, tmp_path / "one", "tool", feed=CURATED))

    # With the origin gone, and the cache, it still does.
    await desk.held()
    await desk.origin.off()
    desk.clock.advance(LATER_S)
    await desk.gateway.restart_without_cache()
    assert_whole(await installed(desk, tmp_path / "two", "tool", feed=CURATED))

    # Revoked, it installs no longer.
    approval = (await desk.approvals())[TOOL]["id"]
    path = f"/feeds/{CURATED}/approvals/{approval}"
    assert (await desk.send("DELETE", path, {"reason": "CVE-2026-1"})).status in (200, 204)
    with pytest.raises(SolverError):
        await solved(desk, tmp_path / "after", "tool", feed=CURATED)
    got = await desk.seen(TOOL)
    assert (got.status, got.json()["type"]) == (403, "urn:feedgate:revoked")
    assert "CVE-2026-1" in got.json()["detail"]

    # The audit tells the whole story.
    told = [entry["action"] for entry in (await desk.send("GET", "/audit?limit=1000")).json()["items"]]
    assert [action for action in told if action.startswith(("promotion", "approval"))] == [
        "promotion.create",
        "approval.revoke",
    ]


@pytest.mark.parametrize("form", ["shards", "zst", "json"])
async def test_a_closure_installs_from_the_curated_feed_alone_in_every_form(
    desk: Desk, tmp_path: Path, form: str
) -> None:
    chain(desk)
    await desk.begin()
    await desk.promote("tool", include_dependencies=True, python_versions=["3.11"])
    assert_whole(await installed(desk, tmp_path, "tool", form=form, feed=CURATED))
