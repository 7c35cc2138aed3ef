"""F07: a backup under load, restored on an empty host: it is whole, and what it lacks is fetched by its pin."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.state.archive import Places
from proxy.state.backup import backup
from proxy.state.restore import restore
from tests.api.managed import Managed
from tests.faults.test_f_changes import NOUNS, replayed
from tests.support.clock import START
from tests.support.gateway import until
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

NAMES = [f"demo{number}" for number in range(8)]
FILE = """
[feeds.open]
kind = "pypi"
upstreams = [{{ url = "{url}", allow_private = true, route = "direct", retries = 0, ttl = "0s" }}]
[feeds.approved]
kind = "pypi"
curated_from = ["open"]
"""


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.fixture
def index(origin: Origin) -> FakeIndex:
    made = FakeIndex(origin)
    made.add(*(wheel(name, "1.0", payload=50_000) for name in NAMES))
    return made


def places(folder: Path) -> Places:
    state = folder / "data" / "state"
    return Places(state, state / "state.sqlite", folder / "data" / "vault", folder / "config.toml")


async def promoted(server: Managed, name: str) -> None:
    answer = await server.ask("POST", "/feeds/approved/promotions", {"from": "open", "specs": [name]})
    assert answer.status == 201, answer.body


async def held(server: Managed) -> list[dict[str, Any]]:
    """Return the active approvals once all their bytes are there."""
    pending = "/feeds/approved/approvals?state=pending"
    await until(lambda: server.ask("GET", pending), lambda got: got.json()["items"] == [])
    items: list[dict[str, Any]] = (await server.ask("GET", "/feeds/approved/approvals?state=active")).json()[
        "items"
    ]
    return items


async def busy(server: Managed, stop: asyncio.Event) -> int:
    """Change things without a pause until it is enough; return how often."""
    tag = await server.made("/policies", name="mine", block=["a0"])
    count = 0
    while not stop.is_set():
        count += 1
        answer = await server.ask("PATCH", "/policies/mine", {"block": [f"a{count}"]}, tag=tag)
        assert answer.status == 200, answer.body
        tag = answer.headers["etag"]
    return count


async def story(server: Managed) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await server.ask("GET", "/audit?limit=1000")).json()["items"]
    return items


def path_of(index: FakeIndex, filename: str) -> str:
    return f"/pypi/approved/packages{index.file_path(filename)}"


async def test_drill(tmp_path: Path, origin: Origin, index: FakeIndex) -> None:
    there = places(tmp_path / "restored")
    (tmp_path / "live").mkdir()
    async with Managed(tmp_path / "live", FILE.format(url=index.url)) as live:
        for name in NAMES[:4]:
            await promoted(live, name)
        await held(live)
        stop = asyncio.Event()
        load = asyncio.create_task(busy(live, stop))
        while not any(item["action"] == "policy.edit" for item in await story(live)):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(backup, tmp_path / "b.tar", places(tmp_path / "live"), now=START)
        stop.set()
        assert await load > 1
        # What comes later is not in it, and its bytes are newer than the state that is restored.
        for name in NAMES[4:]:
            await promoted(live, name)
        await held(live)
        whole = await story(live)
    await asyncio.to_thread(restore, tmp_path / "b.tar", there)
    lost = index.file(f"{NAMES[0]}-1.0-py3-none-any.whl")
    await asyncio.to_thread(shutil.rmtree, there.vault / lost.sha256[:2])
    assert there.config is not None
    text = there.config.read_text()
    async with Managed(tmp_path / "restored", text) as server:
        assert (await server.ask("GET", "/audit/chain")).json()["ok"]
        told = await story(server)
        assert told == whole[: len(told)] and len(told) < len(whole)
        things = {
            (noun, name): (await server.ask("GET", f"/{plural}/{name}")).json()["declared"]
            for noun, plural in NOUNS.items()
            for name in server.app.management.stored.get(plural, {})
        }
        assert things == replayed(told) and ("policy", "mine") in things
        approvals = await held(server)
        assert {each["artifact"] for each in approvals} == {
            f"{name}-1.0-py3-none-any.whl" for name in NAMES[:4]
        }
        assert origin.hits(index.file_path(lost.filename)) == 2
        await origin.off()
        for approval in approvals:
            got = await server.get(path_of(index, approval["artifact"]))
            assert (got.status, got.body) == (200, index.file(approval["artifact"]).built.data)
        refused = await server.get(path_of(index, f"{NAMES[5]}-1.0-py3-none-any.whl"))
        assert refused.json()["type"] == "urn:feedgate:not-approved"
