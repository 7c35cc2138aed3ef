"""Checklist 3: what was locked against the feed installs later, elsewhere, without a page and after a restart."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.apps import App
from tests.support.clients import Clients, Ran, installed
from tests.support.gateway import Gateway, feed, until, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

BOTH = {"demo": "1.0", "leaf": "2.0"}


@pytest.fixture
def index(origin: Origin) -> FakeIndex:
    made = FakeIndex(origin)
    made.add(wheel("demo", "1.0", requires=["leaf>=2"]), sdist("demo", "1.0"))
    made.add(wheel("leaf", "2.0"))
    return made


@pytest.fixture
async def gateway(index: FakeIndex, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with Gateway(tmp_path, feed(upstream(index.url))) as running:
        yield running


async def asked_since(gateway: Gateway, before: int) -> list[str]:
    return [line.path for line in (await gateway.answered())[before:] if line.status in (200, 304)]


async def test_a_frozen_uv_sync_needs_no_page_and_no_cache_of_the_server(
    gateway: Gateway, clients: Clients, tmp_path: Path
) -> None:
    app = App.made(tmp_path / "app", gateway.index(), clients, "demo")
    ran = await app.lock("uv")
    assert ran.code == 0, ran.text
    lock = (app.folder / "uv.lock").read_text()
    assert f'registry = "{gateway.index()}"' in lock
    urls = re.findall(r'url = "([^"]+)"', lock)
    assert urls
    assert all(url.startswith(f"{gateway.url}/pypi/pypi/packages/") for url in urls)
    assert lock.count("size = ") == lock.count("upload-time = ") == len(urls)
    await gateway.restart_without_cache()
    before = len(await gateway.answered())
    ran = await app.on(clients.elsewhere("second")).install("uv")
    assert ran.code == 0, ran.text
    assert app.installed("uv") == BOTH
    asked = await asked_since(gateway, before)
    assert len(asked) == 2
    assert all(path.endswith(".whl") for path in asked)
    ran = await app.uv("lock", "--check")
    assert ran.code == 0, ran.text


@pytest.mark.parametrize("tool", ["poetry", "pdm"])
async def test_poetry_and_pdm_install_from_their_lock_files_after_a_restart(
    gateway: Gateway, clients: Clients, tmp_path: Path, tool: str
) -> None:
    app = App.made(tmp_path / "app", gateway.index(), clients, "demo")
    ran = await app.lock(tool)
    assert ran.code == 0, ran.text
    await gateway.restart_without_cache()
    ran = await app.on(clients.elsewhere("second")).install(tool)
    assert ran.code == 0, ran.text
    assert app.installed(tool) == BOTH


async def test_a_pdm_lock_with_static_urls_needs_no_page(
    gateway: Gateway, clients: Clients, tmp_path: Path
) -> None:
    app = App.made(tmp_path / "app", gateway.index(), clients, "demo")
    ran = await app.pdm("lock", "-S", "static_urls")
    assert ran.code == 0, ran.text
    assert "/pypi/pypi/packages/" in (app.folder / "pdm.lock").read_text()
    await gateway.restart_without_cache()
    before = len(await gateway.answered())
    ran = await app.on(clients.elsewhere("second")).install("pdm")
    assert ran.code == 0, ran.text
    assert app.installed("pdm") == BOTH
    assert not [path for path in await asked_since(gateway, before) if "/simple/" in path]


async def test_a_pylock_of_pip_installs_with_pip_and_with_uv(
    gateway: Gateway, clients: Clients, tmp_path: Path
) -> None:
    ran = await clients.pip("lock", "-i", gateway.index(), "-o", "pylock.toml", "demo")
    assert ran.code == 0, ran.text
    lock = (clients.home / "pylock.toml").read_text()
    assert lock.count(f'url = "{gateway.url}/pypi/pypi/packages/') == 2
    await gateway.restart_without_cache()
    before = len(await gateway.answered())
    there = clients.elsewhere("second")
    target = there.home / "pip"
    ran = await there.pip(
        "install", "-i", gateway.index(), "--target", str(target), "-r", str(clients.home / "pylock.toml")
    )
    assert ran.code == 0, ran.text
    environment = await there.venv("env")
    where = ("--default-index", gateway.index(), "--python", str(environment))
    ran = await there.uv("pip", "sync", *where, str(clients.home / "pylock.toml"))
    assert ran.code == 0, ran.text
    assert installed(target) == installed(environment) == BOTH
    assert not [path for path in await asked_since(gateway, before) if "/simple/demo/" in path]


async def test_a_pylock_of_uv_installs_with_pip(gateway: Gateway, clients: Clients, tmp_path: Path) -> None:
    app = App.made(tmp_path / "app", gateway.index(), clients, "demo")
    pylock = clients.home / "pylock.toml"
    ran = await app.uv("export", "--format", "pylock.toml", "-o", str(pylock))
    assert ran.code == 0, ran.text
    await gateway.restart_without_cache()
    got = await clients.download(gateway.index(), "-r", str(pylock))
    assert got.ran.code == 0, got.ran.text
    assert set(got.files) == {"demo-1.0-py3-none-any.whl", "leaf-2.0-py3-none-any.whl"}


async def test_requirements_with_hashes_install_with_pip(gateway: Gateway, clients: Clients) -> None:
    ran = await clients.compile(gateway.index(), "demo", options=["--generate-hashes"])
    assert ran.code == 0, ran.text
    hashed = clients.home / "requirements.txt"
    hashed.write_text(ran.out)
    await gateway.restart_without_cache()
    got = await clients.download(gateway.index(), "--require-hashes", "-r", str(hashed))
    assert got.ran.code == 0, got.ran.text
    assert set(got.files) == {"demo-1.0-py3-none-any.whl", "leaf-2.0-py3-none-any.whl"}


async def test_a_locked_file_that_was_quarantined_since_is_refused_in_words(
    origin: Origin, index: FakeIndex, clients: Clients, tmp_path: Path
) -> None:
    async with Gateway(tmp_path, feed(upstream(index.url, ttl_s=0.0))) as gateway:
        app = App.made(tmp_path / "app", gateway.index(), clients, "leaf")
        assert (await app.lock("uv")).code == 0
        url = re.findall(r'url = "([^"]+whl)"', (app.folder / "uv.lock").read_text())[0]
        index.quarantine("leaf", "malware found")
        await until(
            lambda: gateway.get("/pypi/pypi/simple/leaf/", Accept=JSON), lambda page: not page.json()["files"]
        )
        ran = await app.on(clients.elsewhere("second")).install("uv")
        assert_told(ran, "Quarantined at the origin", "malware found")
        ran = await clients.pip("download", "-i", gateway.index(), "-d", "got", f"leaf @ {url}")
        assert_told(ran, "403 Client Error: Quarantined at the origin")


def assert_told(ran: Ran, *words: str) -> None:
    assert ran.code != 0
    assert all(each in " ".join(ran.text.split()) for each in words), ran.text
