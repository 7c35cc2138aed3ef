"""Checklist 12: the feed is the only index that is asked, and what clients say about themselves ends at it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.apps import App
from tests.support.clients import Clients
from tests.support.gateway import Gateway, eventually, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture
async def gateway(origin: Origin, tmp_path: Path) -> AsyncIterator[Gateway]:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0"))
    async with Gateway(tmp_path, feed(upstream(index.url, auth=None))) as running:
        yield running


async def test_a_client_that_asked_another_index_would_be_seen(
    clients: Clients, outside: Origin, tmp_path: Path
) -> None:
    """What `clients` asserts at the end of every test can fail."""
    away = "https://another.index.example/simple/"
    await clients.download(away, "demo")
    assert {request.method for request in outside.requests} == {"CONNECT"}
    outside.forget()
    await clients.compile(away, "demo")
    assert outside.requests
    outside.forget()
    # Poetry would be seen too, after 7 s of asking again.
    await App.made(tmp_path / "app", away, clients, "demo").lock("pdm")
    assert outside.requests
    outside.forget()


async def test_no_setting_of_this_machine_reaches_the_clients(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, "http://another.index.example/simple/")
    ran = await clients.pip("config", "list")
    assert "another" not in ran.text
    assert {line.partition("=")[0] for line in ran.out.splitlines()} <= {
        ":env:.config-file",
        ":env:.disable-pip-version-check",
        ":env:.no-input",
    }
    told = await clients.run("env")
    named = {line.partition("=")[0] for line in told.out.splitlines()}
    assert not {
        name for name in named & set(os.environ) if name.startswith(("PIP_INDEX", "UV_INDEX", "POETRY_REPO"))
    }


async def test_credentials_of_a_client_work_on_an_open_feed_and_end_there(
    gateway: Gateway, clients: Clients, origin: Origin
) -> None:
    url = gateway.index().replace("http://", "http://__token__:SECRET-9f3@")
    netrc = clients.home / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password SECRET-77a\n")
    netrc.chmod(0o600)
    assert list((await clients.download(url, "demo")).files) == [WHEEL]
    assert (await clients.install(url, "demo")).versions == {"demo": "1.0"}
    assert list((await clients.download(gateway.index(), "demo")).files) == [WHEEL]
    assert not [request for request in origin.requests if "authorization" in request.headers]
    await gateway.answered()
    assert b"SECRET" not in gateway.written()


async def test_nothing_of_a_client_reaches_the_origin(
    gateway: Gateway, clients: Clients, origin: Origin
) -> None:
    assert (await clients.install(gateway.index(), "demo")).versions == {"demo": "1.0"}
    assert (await clients.download(gateway.index(), "demo")).ran.code == 0
    assert {request.headers["user-agent"].partition("/")[0] for request in origin.requests} == {"feedgate"}
    names = {name for request in origin.requests for name in request.headers}
    assert not {"cookie", "x-forwarded-for", "forwarded", "x-request-id"} & names


async def test_poetry_searches_the_list_of_names(gateway: Gateway, clients: Clients, tmp_path: Path) -> None:
    await eventually(lambda: gateway.get("/pypi/pypi/simple/"))
    app = App.made(tmp_path / "app", gateway.index(), clients)
    ran = await app.poetry("search", "demo")
    assert ran.code == 0, ran.text
    assert "demo" in ran.out
