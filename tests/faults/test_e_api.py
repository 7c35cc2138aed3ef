"""E18: whatever is sent to the API, no answer is the server's own mistake, and all are what the API says of itself."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.managed import KEY, Managed
from tests.support.index import FakeIndex
from tests.support.length import sized
from tests.support.origin import Origin
from tests.support.wheels import wheel

FILE = """
[feeds.main]
kind = "pypi"
upstreams = [{{ url = "{url}", allow_private = true, route = "direct", retries = 0 }}]
[feeds.closed]
kind = "pypi"
anonymous = false
upstreams = [{{ feed = "main" }}]
[routes.corp]
proxy = "http://127.0.0.1:9"
[policies.strict]
block = ["tk"]
"""
CHECKS = "content_type_conformance,response_schema_conformance"
#: Routes that ask an origin, which may be none that answers (the table of answers says 502 and 503 then).
ASKING = {
    "/api/v1/feeds/{feed}/packages", "/api/v1/feeds/{feed}/packages/{name}", "/api/v1/feeds/{feed}/explain",
    "/api/v1/feeds/{feed}/policy-trial", "/api/v1/feeds/{feed}/promotions",
}  # fmt: skip

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Managed]:
    async with Origin() as origin:
        index = FakeIndex(origin)
        index.add(wheel("demo", "1.0"))
        async with Managed(tmp_path, FILE.format(url=index.url)) as running:
            yield running


async def fuzzed(server: Managed, *options: str) -> None:
    """Let schemathesis try every operation; it ends with 0 if no check failed."""
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program is not None
    fuzzing = await asyncio.create_subprocess_exec(
        program, "run", f"{server.url}/api/v1/openapi.json", "--checks", CHECKS, "--seed", "1", "--no-color",
        "--max-examples", str(sized(6, 100)), "--generation-database", "none", *options,
        cwd=server.file.parent, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await fuzzing.communicate()
    assert fuzzing.returncode == 0, out.decode()


@pytest.mark.parametrize("key", [None, KEY])
async def test_no_request_is_answered_by_a_mistake(server: Managed, key: str | None) -> None:
    await fuzzed(server, *(("--header", f"Authorization: Bearer {key}") if key else ()))
    lines = [json.loads(line) for line in server.written().splitlines()]
    mistakes = [line for line in lines if line["status"] >= 500]
    assert [
        line for line in mistakes if line["status"] not in (502, 503) or line["route"] not in ASKING
    ] == []
    asked = {(line["method"], line["route"]) for line in lines}
    assert {(method, route.pattern) for route in server.app.api for method in route.methods} <= asked
    assert (await server.ask("GET", "/audit/chain")).json()["ok"]
    assert (await server.get("/pypi/main/simple/demo/")).status == 200
    await server.restart()
    assert (await server.get("/pypi/main/simple/demo/")).status == 200
