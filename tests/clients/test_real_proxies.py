"""Behind proxies that others wrote: a PyPI and a conda client install through squid, tinyproxy and mitmproxy.

Their own logs tell who went out; a wrong password is a 502 that names the hop and not the secret.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import rattler

from proxy.config.settings import Feed, Route
from proxy.model.redact import Secret, SecretUrl
from tests.support.channel import FakeChannel
from tests.support.clients import Clients
from tests.support.conda_packages import package, python
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import PUBLIC, FakeIndex
from tests.support.origin import Origin
from tests.support.real_proxies import RealProxy, mitmproxy, squid, tinyproxy
from tests.support.wheels import wheel
from tests.upstream.authorities import new_ca, saved, served

ODD = "p:ä/@&=?+ %41ß"
PLAIN = "pw0123"
CA = new_ca("Public Root")
HOST = "index.example"


@dataclass(frozen=True)
class World:
    """An origin over http and one over https, with the same index and channel."""

    plain: Origin
    tls: Origin
    ca_file: Path


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with Origin() as plain, Origin(tls=served(CA, HOST, "127.0.0.1")) as tls:
        for origin in (plain, tls):
            FakeIndex(origin, replace(PUBLIC, links="root")).add(wheel("demo", "1.0", payload=300_000))
            FakeChannel(origin).add(package("tool", noarch="python", depends=("python",)), python())
        yield World(plain, tls, saved(tmp_path, "public.pem", CA))


Run = Callable[[World], AbstractAsyncContextManager[RealProxy]]
#: name -> how it is run, its user's password, and whether it knows where names lead.
PROXIES: dict[str, tuple[Run, str, str]] = {
    "squid": (lambda world: squid({"user1": ODD}, {HOST: "127.0.0.1"}), ODD, HOST),
    "tinyproxy": (lambda world: tinyproxy({"user1": PLAIN}), PLAIN, "127.0.0.1"),
    "mitmproxy": (lambda world: mitmproxy("user1", PLAIN, trusts=world.ca_file), PLAIN, "127.0.0.1"),
}


def route(proxy: RealProxy, password: str, world: World) -> Route:
    files = (world.ca_file, *([proxy.ca_file] if proxy.ca_file.exists() else []))
    return Route(
        "corp", use_environment=False, proxy=SecretUrl(proxy.url), username="user1", password=Secret(password),
        ca_files=files,
    )  # fmt: skip


@asynccontextmanager
async def server(folder: Path, way: Route, host: str, origin: Origin) -> AsyncIterator[Gateway]:
    base = f"{origin.url.partition('://')[0]}://{host}:{origin.port}"
    own = {
        "route": way,
        "read_timeout_s": 20.0,
        "connect_timeout_s": 20.0,
        "allow_private": host == "127.0.0.1",
    }
    pypi = upstream(f"{base}/simple/", "pypi-origin", **own)
    conda = upstream(f"{base}/chan/", "conda-origin", **own)
    async with Gateway(folder, feed(pypi), Feed("chan", "conda", (conda,))) as gateway:
        yield gateway


async def installs(gateway: Gateway, clients: Clients, folder: Path) -> None:
    got = await clients.download(gateway.index(), "demo")
    assert got.ran.code == 0, got.ran.text
    found = await rattler.solve(
        [rattler.Channel(f"{gateway.url}/conda/chan")], ["tool"],
        gateway=rattler.Gateway(cache_dir=folder / "repodata"), platforms=("linux-64", "noarch"),
    )  # fmt: skip
    prefix = folder / "prefix"
    await rattler.install(found, target_prefix=prefix, cache_dir=folder / "packages", show_progress=False)
    assert (prefix / "lib/python3.11/site-packages/tool/__init__.py").exists()


@pytest.mark.parametrize("name", PROXIES)
async def test_both_clients_install_through_it_over_http_and_https(
    name: str, world: World, clients: Clients, tmp_path: Path
) -> None:
    run, password, host = PROXIES[name]
    async with run(world) as proxy:
        for origin in (world.plain, world.tls):
            scheme = origin.url.partition(":")[0]
            home = tmp_path / scheme
            home.mkdir()
            async with server(home, route(proxy, password, world), host, origin) as gateway:
                await installs(gateway, clients, home)
            sent = {field for request in origin.requests for field in request.headers}
            assert "proxy-authorization" not in sent
        log = await written(proxy, ("CONNECT" if name != "mitmproxy" else "https://", "GET"))
        if name == "squid":
            assert set(re.findall(r" (\S+) HIER_DIRECT", log)) == {"user1"}


async def written(proxy: RealProxy, words: tuple[str, ...]) -> str:
    """Return the log when it tells of all these."""
    async with asyncio.timeout(10):
        while not all(word in (log := proxy.log()) for word in words):
            await asyncio.sleep(0.05)
    return log


@pytest.mark.parametrize("name", PROXIES)
async def test_wrong_password_is_a_502_of_the_proxys_for_both_schemes(
    name: str, world: World, tmp_path: Path
) -> None:
    run, _, host = PROXIES[name]
    async with run(world) as proxy, AsyncExitStack() as stack:
        for origin in (world.plain, world.tls):
            home = tmp_path / origin.url.partition(":")[0]
            home.mkdir()
            way = route(proxy, "canary-wrong", world)
            gateway = await stack.enter_async_context(server(home, way, host, origin))
            for path in ("/pypi/pypi/simple/demo/", "/conda/chan/noarch/repodata.json"):
                answer = await gateway.get(path)
                told = answer.json()
                # tinyproxy says 401 to a wrong password, as an origin would.
                is_doubtful = name == "tinyproxy" and origin is world.plain
                word = "upstream-auth" if is_doubtful else "proxy-auth"
                assert (answer.status, told["type"]) == (502, f"urn:feedgate:{word}")
                assert re.search(
                    r"the outbound proxy (did|refused our credentials \(40[17]\))", told["detail"]
                )
                assert b"canary" not in answer.body
            assert not any(each.lower().startswith("proxy-") for each in answer.headers)
            assert origin.hits() == 0


async def test_host_that_the_proxy_does_not_reach_is_told_as_the_proxys(world: World, tmp_path: Path) -> None:
    async with squid({"user1": ODD}, {}) as proxy:
        way = route(proxy, ODD, world)
        async with server(tmp_path, way, "nowhere.invalid", world.tls) as gateway:
            answer = await gateway.get("/pypi/pypi/simple/demo/")
    assert (answer.status, answer.json()["type"]) == (503, "urn:feedgate:origin-unavailable")
    assert re.search(r"the outbound proxy answered 50\d instead of opening a tunnel", answer.json()["detail"])


async def test_certificate_that_mitmproxy_shows_needs_its_ca(world: World, tmp_path: Path) -> None:
    async with mitmproxy("user1", PLAIN, trusts=world.ca_file) as proxy:
        way = replace(route(proxy, PLAIN, world), ca_files=(world.ca_file,))
        async with server(tmp_path, way, "127.0.0.1", world.tls) as gateway:
            answer = await gateway.get("/pypi/pypi/simple/demo/")
    assert (answer.status, answer.json()["type"]) == (502, "urn:feedgate:tls")
