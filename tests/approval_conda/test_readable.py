"""P17 for conda: what conda, mamba and rattler print of a refusal leads to the page that explains.

conda prints the reason phrase and, of a problem document, its `detail`; mamba the status alone; rattler the reason
phrase.
"""

import json
from pathlib import Path

import pytest
import rattler

from proxy.config.settings import Feed
from proxy.policy.settings import Policy
from tests.approval_conda.desk import KEY, Desk
from tests.conda_feed.players import CONDA, MAMBA, Player
from tests.conda_feed.test_rattler import solved
from tests.support.conda_packages import bare, package
from tests.support.gateway import upstream
from tests.support.origin import Origin

TOOL, OLD, OTHER = "noarch/tool-1.0-0.conda", "noarch/old-1.0-0.conda", "noarch/other-1.0-0.conda"
DAY_S = 86400.0
#: situation -> feed, file, status, how the first line begins, what it says; {} is the server.
TABLE = {
    "blocked": ("chan", OTHER, 403, "Blocked by policy (block): ", "on the list (block); see {}/why/chan/other"),
    "held": ("chan", TOOL, 403, "Held by policy (min_age): ", "; see {}/why/chan/tool"),
    "not approved": ("approved", OTHER, 404, "Not approved: nobody has approved it", "; see {}/why/approved/other"),
    "revoked": ("approved", OLD, 403, "Approval revoked (approval): ", "CVE-1; see {}/why/approved/old"),
    "closed": ("closed", TOOL, 401, "Authentication required", ""),
    "mistyped": ("nofeed", TOOL, 401, "Authentication required", ""),
    "down": ("down", TOOL, 503, "The origin is unavailable", ""),
}  # fmt: skip


@pytest.fixture
async def desk(desk: Desk) -> Desk:
    """The desk with every situation, while nothing is refused yet but what is closed."""
    desk.channel.add(
        package("tool", noarch="generic"), bare("old", subdir="noarch"), bare("other", subdir="noarch")
    )
    async with Origin() as gone:
        await gone.off()
        feeds = [
            desk.feed(policy="corp", contact="https://desk.example/"), desk.curated(),
            Feed("closed", "conda", (desk.upstream(name="c"),), anonymous=False),
            Feed("down", "conda", (upstream(f"{gone.url}/chan", "d"),)),
        ]  # fmt: skip
        await desk.start(*feeds, policies=[Policy("corp")], server={"admin_key": KEY}, settle=False)
        await desk.approve(OLD)
        await desk.revoke(OLD, "CVE-1")
    return desk


async def refuse(desk: Desk) -> None:
    """Put the policy in force that refuses."""
    policy = Policy("corp", block=("other",), min_age_s=100 * 365 * DAY_S)
    desk.gateway.reload(policies=[policy])
    await desk.settled()


async def test_conda_and_mamba_are_told_with_the_address_that_explains(desk: Desk) -> None:
    await refuse(desk)
    for feed, file, status, start, end in TABLE.values():
        for client in (CONDA, MAMBA):
            async with Player(desk, client, f"/conda/{feed}") as player:
                reply = await player.get(file)
            said = json.loads(reply.body)
            assert (reply.status, said["status"]) == (status, status), (feed, file)
            assert reply.reason == said["title"]
            assert reply.reason.startswith(start), reply.reason
            assert reply.reason.endswith(end.format(desk.gateway.url)), reply.reason
            assert said["detail"]
        if "why" in end:
            page = await desk.gateway.get(end.format("").rpartition("; see ")[2], Accept="text/html")
            assert (page.status, page.headers["content-type"][:9]) == (200, "text/html")
            assert any(word in page.body for word in (b"blocked by", b"held by", b"not-approved")), page.body


async def test_rattler_shows_the_whole_line(desk: Desk, tmp_path: Path) -> None:
    found = await solved(desk, tmp_path / "repodata", "tool")
    await refuse(desk)
    with pytest.raises(Exception, match="Held by policy") as refused:
        await rattler.install(
            found, target_prefix=tmp_path / "prefix", cache_dir=tmp_path / "packages", show_progress=False
        )
    assert f"; see {desk.gateway.url}/why/chan/tool" in str(refused.value)
