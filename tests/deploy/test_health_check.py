"""The image's health check, run against a server that answers and one that does not."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping

import pytest

from tests.deploy.test_files import of
from tests.support.origin import Origin


async def check(port: int, environ: Mapping[str, str] | None = None) -> int:
    words = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words[1:],
        env={"FEEDGATE__SERVER__PORT": str(port), "PATH": os.environ["PATH"]} | dict(environ or {}),
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


@pytest.mark.parametrize(("path", "status"), [("/healthz", 0), ("/other", 1)])
async def test_the_check_follows_the_servers_answer(path: str, status: int) -> None:
    async with Origin() as origin:
        origin.add(path, b"ok")
        assert (
            await check(origin.port, {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"})
            == status
        )


async def test_the_check_fails_without_a_server() -> None:
    async with Origin() as origin:
        port = origin.port
    assert await check(port) != 0
