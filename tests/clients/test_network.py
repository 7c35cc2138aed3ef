"""The real clients through the server from the real index: cold, from the server's disk, and with no origin at all.

The index is the one that pip on this host asks: a feed without upstreams follows it.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.config.load import Request, load
from proxy.config.settings import Feed
from tests.support.apps import App
from tests.support.clients import Clients, Ran, installed
from tests.support.gateway import Gateway
from tests.support.index import JSON

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]

#: Small, pure Python or nearly so, with dependencies that are the same everywhere.
WANTED = "requests"
NEEDED = {"requests", "urllib3", "idna", "certifi", "charset_normalizer"}

Install = Callable[[Clients, Gateway], Awaitable[tuple[Ran, Mapping[str, str]]]]


@pytest.fixture
def followed(tmp_path: Path) -> Feed:
    """The feed of the shortest configuration there is."""
    (tmp_path / "config.toml").write_text('[feeds.pypi]\nkind = "pypi"\n')
    return load(Request(None, dict(os.environ), tmp_path)).settings.feeds["pypi"]


@pytest.fixture
async def machines(clients: Clients) -> AsyncIterator[list[Clients]]:
    """Three machines with empty caches; each must be able to wait for a slow line."""
    patient = clients.told(PIP_DEFAULT_TIMEOUT="100", UV_HTTP_TIMEOUT="100", POETRY_REQUESTS_TIMEOUT="100")
    yield [patient.elsewhere(name) for name in ("cold", "warm", "offline")]


async def with_pip(clients: Clients, gateway: Gateway) -> tuple[Ran, Mapping[str, str]]:
    target = clients.home / "target"
    ran = await clients.pip("install", "-i", gateway.index(), "--target", str(target), WANTED)
    return ran, installed(target)


async def with_uv(clients: Clients, gateway: Gateway) -> tuple[Ran, Mapping[str, str]]:
    there = await clients.install(gateway.index(), WANTED)
    return there.ran, there.versions


def with_lock(tool: str) -> Install:
    async def install(clients: Clients, gateway: Gateway) -> tuple[Ran, Mapping[str, str]]:
        app = App.made(clients.home / "app", gateway.index(), clients, WANTED)
        ran = await app.lock(tool)
        if ran.code == 0:
            ran = await app.install(tool)
        return ran, app.installed(tool)

    return install


INSTALLS: dict[str, Install] = {
    "pip": with_pip,
    "uv": with_uv,
    "uv.lock": with_lock("uv"),
    "poetry": with_lock("poetry"),
    "pdm": with_lock("pdm"),
}


@pytest.mark.parametrize("tool", INSTALLS)
async def test_installs_from_the_real_index_cold_warm_and_offline(
    followed: Feed, machines: list[Clients], tmp_path: Path, tool: str
) -> None:
    install = INSTALLS[tool]
    cold, warm, offline = machines
    async with Gateway(tmp_path, followed, environ=os.environ) as gateway:
        ran, first = await install(cold, gateway)
        assert ran.code == 0, ran.text
        assert set(first) >= NEEDED
        before = len(await gateway.answered())
        ran, second = await install(warm, gateway)
        assert ran.code == 0, ran.text
        assert second == first
        lines = (await gateway.answered())[before:]
        files = [line for line in lines if line.path.endswith((".whl", ".metadata"))]
        assert files
        assert {(line.status, line.cache) for line in files} == {(200, "hit")}
    async with Gateway(tmp_path, replace(followed, offline=True), environ={}) as gateway:
        ran, third = await install(offline, gateway)
        assert ran.code == 0, ran.text
        assert third == first


async def test_metadata_of_a_very_large_wheel_of_the_real_index_costs_no_wheel(
    followed: Feed, tmp_path: Path
) -> None:
    """900 MB; some mirrors have no METADATA file for it, so that it is read by ranges."""
    async with Gateway(tmp_path, followed, environ=os.environ) as gateway:
        page = await gateway.get("/pypi/pypi/simple/torch/", Accept=JSON)
        large = [
            file
            for file in page.json()["files"]
            if file["filename"].startswith("torch-2.5.1-cp311") and file.get("size", 0) > 800 * 1024**2
        ]
        assert large
        got = await gateway.get(f"/pypi/pypi/{large[0]['url'].removeprefix('../../')}.metadata")
        assert got.status == 200
        assert b"\nName: torch\nVersion: 2.5.1\n" in got.body
    held = sum(path.stat().st_size for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert held < 20 * 1024**2
