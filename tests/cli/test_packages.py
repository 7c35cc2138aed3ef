"""`feed packages`: of the server that runs, of one that is named, and of the data folder while none runs."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme
from typer.testing import Result

from proxy.state.running import write_running
from proxy.upstream.errors import AddressRefused
from tests.cli.calling import Place
from tests.support.channel import FakeChannel
from tests.support.conda_packages import package
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

pytestmark = pytest.mark.usefixtures("begun")

WHEEL = "demo-1.0-py3-none-any.whl"
FEEDS = """
[feeds.pypi]
kind = "pypi"
upstreams = [{{ url = "{index}", allow_private = true, route = "direct", retries = 0 }}]
[feeds.forge]
kind = "conda"
upstreams = [{{ url = "{channel}", allow_private = true, route = "direct", retries = 0 }}]
"""


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.fixture
def index(origin: Origin, place: Place) -> FakeIndex:
    """An index and a channel, and the settings for them."""
    made = FakeIndex(origin)
    made.add(wheel("demo", "1.0"), sdist("demo", "1.0"))
    made.add(wheel("leaf", "2.0"))
    channel = FakeChannel(origin)
    channel.add(package("tool", noarch="python"))
    place.write(FEEDS.format(index=made.url, channel=channel.url))
    return made


async def call(place: Place, *words: str) -> Result:
    """Run the words while this loop serves."""
    return await asyncio.to_thread(place.call, "feed", "packages", *words)


async def read(place: Place, *words: str) -> Any:
    result = await call(place, *words, "--json")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return json.loads(result.stdout)


async def refused(place: Place, *words: str, status: int = 1) -> str:
    """Return the one line that a command says when it cannot do what it should."""
    result = await call(place, *words)
    assert (result.exit_code, result.stdout) == (status, "")
    (line,) = result.stderr.splitlines()
    return str(line)


# -- without a server


async def test_without_a_server_the_data_folder_is_asked(place: Place, index: FakeIndex) -> None:
    assert [item["name"] for item in (await read(place, "pypi"))["items"]] == ["demo", "leaf"]
    told = await read(place, "pypi", "demo")
    assert (told["name"], told["files"]) == ("demo", 2)
    assert [item["name"] for item in (await read(place, "forge"))["items"]] == ["tool"]
    assert (await read(place, "forge", "tool"))["items"][0]["artifact"] == "noarch/tool-1.0-0.conda"


async def test_without_a_server_what_is_held_is_told_while_the_origin_is_down(
    place: Place, origin: Origin, index: FakeIndex
) -> None:
    await read(place, "forge")
    await origin.off()
    assert [item["name"] for item in (await read(place, "forge"))["items"]] == ["tool"]
    line = await refused(place, "pypi", "demo")
    assert line.startswith("feedgate: The origin is unavailable: ")


async def test_the_lists_are_tables_for_people(place: Place, index: FakeIndex) -> None:
    index.yank(WHEEL, "broken")
    result = await call(place, "forge")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["NAME", "VERSIONS", "FILES", "HIDDEN"],
        ["tool", "1", "1", "0"],
    ]
    header, *lines = (await call(place, "pypi", "demo")).stdout.splitlines()
    assert header.split() == ["FILE", "VERSION", "SIZE", "DATE", "STATE"]
    (line,) = [line for line in lines if line.startswith(WHEEL)]
    assert line.endswith("yanked: broken")
    assert f" {len(index.file(WHEEL).built.data)} B " in line


async def test_a_quarantined_project_is_told_to_be_hidden(place: Place, index: FakeIndex) -> None:
    index.quarantine("demo", "malware")
    result = await call(place, "pypi", "demo")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert "block by quarantine" in result.stderr
    assert "malware" in result.stderr


async def test_a_limit_says_that_there_is_more(place: Place, index: FakeIndex) -> None:
    result = await call(place, "pypi", "--limit", "1")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["NAME", "demo"]
    assert "there are more" in result.stderr
    assert await read(place, "pypi", "--limit", "1", "--q", "LEAF") == {
        "items": [{"name": "leaf", "versions": None, "files": None, "hidden": None}],
        "next": None,
    }


async def test_what_is_not_there_is_told_in_one_line(place: Place, index: FakeIndex) -> None:
    assert await refused(place, "nope") == "feedgate: Not found: there is no feed nope"
    assert "no project nope" in await refused(place, "pypi", "nope")
    assert "no name" in await refused(place, "pypi", ".x")
    assert "Bad request" in await refused(place, "pypi", "../x")
    assert "Bad request" in await refused(place, "..", "x")
    result = await call(place, "nope", "--json")
    assert json.loads(result.stdout) == {"ok": False, "error": "Not found: there is no feed nope"}
    assert (await call(place, "pypi", "--limit", "0")).exit_code == 2


# -- a server


def gateway(place: Place, index: FakeIndex, **server: Any) -> Gateway:
    return Gateway(place.folder, feed(upstream(index.url)), **server)


async def tell(running: Gateway) -> None:
    """Say where the server is, as `serve` does."""
    app, folder = running.app, running.settings.server.state_dir
    await asyncio.to_thread(
        write_running, folder, app.listening_url, None, app.base.clock.now(), app.certificate
    )


async def test_the_server_on_the_data_folder_is_asked(place: Place, index: FakeIndex) -> None:
    async with gateway(place, index) as running:
        await tell(running)
        told = await read(place, "pypi", "demo")
        assert told["files"] == 2
        assert [item["name"] for item in (await read(place, "pypi"))["items"]] == ["demo", "leaf"]
        assert "there is no feed forge" in await refused(place, "forge")
        asked = [line.path for line in await running.answered()]
        assert "/api/v1/feeds/pypi/packages/demo" in asked


async def test_a_server_with_a_certificate_of_its_own_is_asked(place: Place, index: FakeIndex) -> None:
    ca = trustme.CA()
    cert, key = place.folder / "cert.pem", place.folder / "key.pem"
    issued = ca.issue_cert("packages.example")
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(key))
    config = place.folder / "config.toml"
    config.write_text(f'{config.read_text()}\n[server]\ntls = {{ cert = "cert.pem", key = "key.pem" }}\n')
    async with gateway(place, index, tls_cert=cert, tls_key=key) as running:
        await tell(running)
        assert (await read(place, "pypi", "demo"))["files"] == 2
        line = await refused(place, "pypi", "demo", "--server", running.url)
        assert "certificate" in line
        assert "cannot be used" in await refused(place, "pypi", "--server", running.url, "--ca", "gone.pem")


async def test_a_server_that_is_named_is_asked_without_settings(
    place: Place, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("broken = ")
    async with gateway(place, index) as running:
        assert (await read(place, "pypi", "demo", "--server", f"{running.url}/"))["files"] == 2
        monkeypatch.setenv("FEEDGATE_SERVER", running.url)
        assert (await read(place, "pypi", "demo"))["files"] == 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "ftp://127.0.0.1:1/", "http://[::1/"])
async def test_a_server_that_cannot_be_asked_is_told_in_one_line(place: Place, url: str) -> None:
    assert "cannot be asked" in await refused(place, "pypi", "--server", url)


async def test_a_server_of_another_kind_is_told_in_one_line(place: Place, origin: Origin) -> None:
    origin.add("/api/v1/feeds/pypi/packages", b"<html>", content_type="text/html")
    line = await refused(place, "pypi", "--server", origin.url)
    assert "cannot be asked" in line
    line = await refused(place, "pypi", "demo", "--server", origin.url)
    assert "status 404" in line


async def test_the_key_goes_to_the_server_and_nowhere_else(
    place: Place, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEEDGATE_KEY", "hunter2-hunter2")
    async with Origin() as other:
        elsewhere = {"Location": f"{other.url}/api/v1/feeds/pypi/packages"}
        origin.add("/api/v1/feeds/pypi/packages", b"", status=302, headers=elsewhere)
        line = await refused(place, "pypi", "--server", origin.url)
        assert "status 302" in line
        (seen,) = origin.requests
        assert seen.headers["authorization"] == "Bearer hunter2-hunter2"
        assert other.requests == []


async def test_a_server_that_is_just_starting_is_told_in_one_line(place: Place, index: FakeIndex) -> None:
    async with gateway(place, index):
        assert "just starting" in await refused(place, "pypi")


def test_an_upstream_that_cannot_be_used_is_told_in_one_line(
    ready: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object) -> None:
        raise AddressRefused("guard", "a URL without a valid host name")

    monkeypatch.setattr("proxy.app.build_site", build)
    result = ready.call("feed", "packages", "pypi")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "feedgate: an upstream cannot be used: a URL without a valid host name"
    ]
