"""F01, F02, B02: a change that was answered is on disk with its audit entry; a kill leaves all of it or nothing."""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.api.managed import KEY, Managed
from tests.faults.process import Served, needs
from tests.faults.test_b_disk import TMPFS, fill
from tests.support.length import sized

URL = "http://127.0.0.1:9/simple/"
#: What SQLite calls; the key's file is written by Python.
CALLS = ("pwrite64", "fdatasync", "fsync", "unlink", "ftruncate", "write", "link")
FEED = {"kind": "pypi", "upstreams": [{"url": "https://u:hunter2@other.example/simple/"}]}
NOUNS = {"feed": "feeds", "policy": "policies", "route": "routes"}
Step = tuple[str, str, dict[str, Any] | None]
STEPS: tuple[Step, ...] = (
    ("POST", "/feeds", {"name": "more", **FEED}),
    ("POST", "/policies", {"name": "mine", "block": ["tk"]}),
    ("PATCH", "/feeds/more", {"offline": True, "policy": "mine"}),
    ("POST", "/keys", {"name": "ann", "grants": [{"feed": "more", "rights": ["read"]}]}),
    ("POST", "/routes", {"name": "corp", "verify": False}),
    ("DELETE", "/routes/corp", None),
    ("POST", "/reload", None),
)

pytestmark = [pytest.mark.timeout(1800), needs("strace")]


async def change(url: str, step: Step) -> int:
    """Make one change; return the status, 0 where there was no answer."""
    method, path, body = step
    headers = {"Authorization": f"Bearer {KEY}", "If-Match": "*"}
    if method == "POST":
        del headers["If-Match"]
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
            session.request(method, f"{url}/api/v1{path}", json=body, headers=headers) as answer,
        ):
            await answer.read()
            return answer.status
    except (aiohttp.ClientError, ConnectionError, TimeoutError):
        return 0


def served(folder: Path, **options: Any) -> Served:
    return Served(folder, URL, environ={"FEEDGATE_ADMIN_KEY": KEY}, **options)


@asynccontextmanager
async def traced(server: Served, trace: Path, *options: str) -> AsyncIterator[None]:
    """Have strace look at a server that runs, from here on."""
    words = ("strace", "-f", "-qq", "-y", "-s", "40", "-o", str(trace), "-p", str(server.pid), *options)
    tracer = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(20):
        # Attached to every thread once each of them says so.
        while any("TracerPid:\t0\n" in text for text in statuses(server.pid)):
            await asyncio.sleep(0.01)
    try:
        yield
    finally:
        # One whose tracee was killed waits for more of it.
        for end in (tracer.terminate, tracer.kill):
            with contextlib.suppress(ProcessLookupError):
                end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(tracer.wait(), 2)


def statuses(pid: int) -> list[str]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(OSError):
            found.append(path.read_text())
    return found


async def all_points(folder: Path) -> list[tuple[str, int]]:
    """Return every call that the changes make, counted as strace does: in each thread by itself."""
    await asyncio.to_thread(folder.mkdir)
    async with served(folder) as server:
        trace = folder / "trace"
        async with traced(server, trace, "-e", f"trace={','.join(CALLS)}"):
            for step in STEPS:
                assert await change(server.url, step) in (200, 201, 204), step
        assert await server.stop() == 0
    made = re.findall(r"^(\d+) +(\w+)\(", trace.read_text(), re.MULTILINE)
    most: dict[str, int] = {}
    for (_, call), count in Counter(made).items():
        most[call] = max(most.get(call, 0), count)
    assert {"pwrite64", "write", "link"} <= set(most)
    return [(call, when) for call, count in sorted(most.items()) for when in range(1, count + 1)]


async def killed_at(folder: Path, call: str, when: int) -> list[Step]:
    """Make the changes until the call kills the server; return those that were acknowledged."""
    acknowledged = []
    async with served(folder) as server:
        kill = ("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}")
        async with traced(server, folder / "trace", *kill):
            for step in STEPS:
                status = await change(server.url, step)
                if status == 0:
                    break
                assert status in (200, 201, 204), (call, when, step, status)
                acknowledged.append(step)
    return acknowledged


def replayed(items: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """Return what there is by what the audit tells."""
    things: dict[tuple[str, str], Any] = {}
    for item in items:
        noun = item["action"].partition(".")[0]
        if noun in NOUNS:
            things[noun, item["subject"]] = item["after"]
    return {thing: after for thing, after in things.items() if after is not None}


async def complaints(folder: Path, acknowledged: list[Step]) -> list[str]:
    """Start again on what the kill left; return what is wrong."""
    found: list[str] = []
    text = (folder / "config.toml").read_text()
    async with Managed(folder, text) as server:
        items = (await server.ask("GET", "/audit")).json()["items"]
        chain = (await server.ask("GET", "/audit/chain")).json()
        found += [] if chain["ok"] else [chain["fault"]]
        told = replayed(items)
        there = {
            (noun, name): (await server.ask("GET", f"/{plural}/{name}")).json()["declared"]
            for noun, plural in NOUNS.items()
            for name in server.app.management.stored.get(plural, {})
        }
        found += [] if told == there else [f"the audit tells {told}, and there is {there}"]
        keys = [item["id"] for item in (await server.ask("GET", "/keys")).json()["items"]]
        made = [item["subject"] for item in items if item["action"] == "key.create"]
        found += [] if keys == made else [f"the audit tells keys {made}, and there are {keys}"]
        if len(items) not in (len(acknowledged), len(acknowledged) + 1):
            found.append(f"{len(acknowledged)} changes were acknowledged, and {len(items)} were made")
        found += [f"the state is damaged: {fault}" for fault in await server.app.base.database.check()]
    return found


async def test_kill_at_any_call_of_a_change_leaves_all_of_it_or_nothing(tmp_path: Path) -> None:
    points = await all_points(tmp_path / "counted")
    most = sized(8, 10_000)
    chosen = [points[at * len(points) // most] for at in range(most)] if len(points) > most else points
    wrong: list[str] = []
    kills = 0
    for number, (call, when) in enumerate(chosen):
        folder = tmp_path / f"{number}"
        await asyncio.to_thread(folder.mkdir)
        acknowledged = await killed_at(folder, call, when)
        kills += len(acknowledged) < len(STEPS)
        wrong += [f"{call} {when}: {what}" for what in await complaints(folder, acknowledged)]
    assert wrong == []
    assert kills >= len(chosen) // 2


async def test_change_is_on_disk_before_it_is_answered(tmp_path: Path) -> None:
    """F01: the order of the calls themselves."""
    async with served(tmp_path) as server:
        trace = tmp_path / "trace"
        async with traced(server, trace, "-e", "trace=fsync,fdatasync,sendto,sendmsg,write,writev,pwrite64"):
            for step in STEPS:
                assert await change(server.url, step) in (200, 201, 204)
    lines = trace.read_text().splitlines()
    answers = [at for at, line in enumerate(lines) if re.search(r'"HTTP/1\.1 20[014]', line)]
    assert len(answers) == len(STEPS)
    for before, answer in zip([0, *answers], answers, strict=False):
        wrote = [
            at for at in range(before, answer) if "pwrite64" in lines[at] and "state.sqlite" in lines[at]
        ]
        synced = [
            at for at in range(before, answer) if re.search(r"f(data)?sync\(.*state\.sqlite>", lines[at])
        ]
        assert wrote and synced, lines[before : answer + 1]
        # Nothing is written to the database itself after its last sync.
        late = [at for at in wrote if at > synced[-1] and "state.sqlite>" in lines[at]]
        assert late == [], lines[late[0]]


@needs("unshare", "nsenter", "mount")
async def test_full_disk_refuses_changes_and_nothing_has_changed(tmp_path: Path) -> None:
    mount = TMPFS.format(size="4m", inodes=1000, place=tmp_path / "data" / "state")
    async with served(tmp_path, mounts={"state": mount}) as server:
        assert await change(server.url, STEPS[1]) == 201
        fill(server.seen / "state")
        # Small changes may still fit into pages that are there.
        large = {"name": "large", "block": [f"package-{number}" for number in range(20_000)]}
        for step in (("POST", "/policies", large), ("PATCH", "/policies/mine", {"block": large["block"]})):
            assert await change(server.url, step) == 503
        (server.seen / "state/filler").unlink()
        assert await change(server.url, ("PATCH", "/policies/mine", {"block": ["a"]})) == 200
        assert await change(server.url, ("DELETE", "/policies/mine", None)) == 204
        assert await change(server.url, ("DELETE", "/policies/large", None)) == 404
