"""P17: what a person's terminal shows of a refusal, client by client, and that it leads to a page that explains.

A project's page: no client shows our words, so resolvers go on, and the address that is printed or configured is one
that a browser can open. A file: our title, whole, with rule, reason and address. What cannot be shown is in `SHOWN`
as well: an empty tuple says that the client keeps everything to itself.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from proxy.policy.settings import Policy
from tests.support.apps import App
from tests.support.clients import Clients, Ran
from tests.support.gateway import Gateway, Got, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel
from tests.web.test_accept import BROWSERS

KEY = "admin-key-0123456789"
BEARER = f"Bearer {KEY}"

#: situation -> the feed, the package, whether its file is asked for by its address (as from a lock file).
SITUATIONS = {
    "blocked": ("pypi", "evil", False), "held": ("pypi", "young", False), "not approved": ("cur", "other", False),
    "revoked": ("cur", "gone", False), "closed": ("closed", "demo", False), "mistyped": ("nofeed", "demo", False),
    "down": ("down", "demo", False), "blocked file": ("pypi", "evil", True), "held file": ("pypi", "young", True),
    "not approved file": ("cur", "other", True), "revoked file": ("cur", "gone", True),
}  # fmt: skip

TITLES = {
    "blocked file": 'Blocked by policy (block): "evil ==1.0" is on the list (block); see SERVER/why/pypi/evil',
    "held file": "Held by policy (min_age): it came TIME and has to be 7 days old, until TIME; "
    "see SERVER/why/pypi/young",
    "not approved file": "Not approved: other-1.0-py3-none-any.whl is not approved in this feed; "
    "ask a reviewer of this feed to promote it; see SERVER/why/cur/other",
    "revoked file": "Approval revoked (approval): its approval was revoked: CVE-1; see SERVER/why/cur/gone",
}
#: What only uv shows: the title and the detail, as RFC 9457 has them.
DETAILS = {
    "blocked file": 'blocked by block of policy p: "evil ==1.0" is on the list (block)',
    "held file": "held by min_age of policy p: it came TIME and has to be 7 days old, until TIME",
    "not approved file": "other-1.0-py3-none-any.whl is not approved in this feed; "
    "ask a reviewer of this feed to promote it",
    "revoked file": "its approval was revoked: CVE-1",
    "down": "ORIGIN: no connection: Connection refused",
}
DOWN = "The origin is unavailable"
NOT_FOUND = ("blocked", "held", "not approved", "revoked")
#: client -> situation -> what of its output is ours or leads to us.
SHOWN: dict[str, dict[str, tuple[str, ...]]] = {
    "pip": {
        **dict.fromkeys((*NOT_FOUND, "closed", "mistyped", "down"), ("INDEX",)),
        **{name: (f"4xx Client Error: {title} for url",) for name, title in TITLES.items()},
    },
    "uv": {
        **dict.fromkeys(NOT_FOUND, ()),
        **dict.fromkeys(("closed", "mistyped"), ("INDEX", "401 Unauthorized")),
        "down": ("PAGE", f"Server message: {DOWN}, {DETAILS['down']}"),
        **{name: (f"Server message: {title}, {DETAILS[name]}",) for name, title in TITLES.items()},
    },
    "poetry": {
        **dict.fromkeys(NOT_FOUND, ()),
        **dict.fromkeys(("closed", "mistyped"), ("Authorization error accessing PAGE",)),
        "down": ("PAGE",),
        **{name: (f"4xx Client Error: {title} for url",) for name, title in TITLES.items()},
    },
    "pdm": {
        **dict.fromkeys((*NOT_FOUND, "closed", "mistyped", "down"), ()),
        **{name: (f"'4xx {title}'",) for name, title in TITLES.items()},
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """The server, and where its files are."""

    gateway: Gateway
    index: FakeIndex
    dead: str

    def file(self, feed_name: str, package: str) -> str:
        path = self.index.file_path(f"{package}-1.0-py3-none-any.whl")
        return f"{self.gateway.url}/pypi/{feed_name}/packages{path}"

    async def send(self, method: str, path: str, body: object) -> Got:
        return await self.gateway.get(
            f"/api/v1{path}", method=method, body=orjson.dumps(body), Authorization=BEARER,
            Content_Type="application/json",
        )  # fmt: skip

    def normalized(self, text: str, feed_name: str, package: str) -> str:
        """Return what a terminal shows, without wrapping, escapes of a quoted text, and what differs by the run."""
        line = " ".join(text.replace('\\"', '"').split())
        for found, name in (
            (f"{self.gateway.index(feed_name)}{package}/", "PAGE"), (self.gateway.index(feed_name), "INDEX"),
            (self.gateway.url, "SERVER"), (self.dead, "ORIGIN"),
        ):  # fmt: skip
            line = line.replace(found, name)
        line = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME", line)
        return re.sub(r"\b40[34] (?=Client Error|[ABHN])", "4xx ", line)


@pytest.fixture
async def scene(origin: Origin, tmp_path: Path) -> AsyncIterator[Scene]:
    index = FakeIndex(origin)
    for name in ("evil", "other", "gone", "demo"):
        index.add(wheel(name, "1.0"))
    index.add(wheel("young", "1.0"), uploaded_at=datetime.now(UTC) - timedelta(hours=1))
    async with Origin() as dead:
        gone = FakeIndex(dead)
        await dead.off()
        feeds = [
            feed(upstream(index.url), policy="p"), feed(name="cur", curated_from=("pypi",)),
            feed(upstream(index.url, "c"), name="closed", anonymous=False), feed(upstream(gone.url, "d"), name="down"),
        ]  # fmt: skip
        policy = Policy("p", block=("evil ==1.0",), min_age_s=7 * 86400)
        async with Gateway(tmp_path / "server", *feeds, policies=[policy], admin_key=KEY) as gateway:
            made = Scene(gateway, index, dead.url)
            promoted = await made.send("POST", "/feeds/cur/promotions", {"from": "pypi", "specs": ["gone"]})
            assert promoted.status == 201, promoted.body
            approvals = await gateway.get("/api/v1/feeds/cur/approvals", Authorization=BEARER)
            (approval,) = approvals.json()["items"]
            revoked = await made.send("DELETE", f"/feeds/cur/approvals/{approval['id']}", {"reason": "CVE-1"})
            assert revoked.status in (200, 204), revoked.body
            yield made


async def met(scene: Scene, clients: Clients, tool: str, situation: str) -> Ran:
    """Return how a client ended that met a situation, on a machine of its own."""
    feed_name, package, is_file = SITUATIONS[situation]
    wanted = f"{package} @ {scene.file(feed_name, package)}" if is_file else package
    alone = clients.elsewhere(f"{tool}-{situation.replace(' ', '-')}")
    if tool == "pip":
        return await alone.pip(
            "download", "-i", scene.gateway.index(feed_name), "--no-deps", "-d", "got", wanted
        )
    app = App.made(alone.home / "app", scene.gateway.index(feed_name), alone, wanted)
    return await app.lock(tool)


@pytest.mark.parametrize("tool", SHOWN)
async def test_a_terminal_shows_our_words_where_the_client_lets_it_and_leads_to_the_page(
    scene: Scene, clients: Clients, tool: str
) -> None:
    shown = SHOWN[tool]
    assert shown.keys() == SITUATIONS.keys()
    ran = await asyncio.gather(*(met(scene, clients, tool, situation) for situation in shown))
    for (situation, words), each in zip(shown.items(), ran, strict=True):
        feed_name, package, is_file = SITUATIONS[situation]
        assert each.code != 0, situation
        assert "Traceback" not in each.text
        told = scene.normalized(each.text, feed_name, package)
        assert [line for line in words if line not in told] == [], (situation, told)
        if situation in NOT_FOUND or is_file:
            await assert_explained(scene, feed_name, package)


async def assert_explained(scene: Scene, feed_name: str, package: str) -> None:
    """Assert that the addresses that a person is led to explain, to a browser, without asking anybody."""
    for path, statuses in (
        (f"/why/{feed_name}/{package}", {200}),
        (f"/pypi/{feed_name}/simple/{package}/", {404}),
    ):
        got = await scene.gateway.get(path, Accept=BROWSERS[0])
        assert (got.status in statuses, got.headers["content-type"][:9]) == (True, "text/html"), path
        assert re.search(r"blocked by the rule|held by the rule|not-approved", got.body.decode()), path
