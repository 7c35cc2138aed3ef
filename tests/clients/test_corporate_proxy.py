"""The README's chapter "Behind a corporate proxy": its lines, as they are, with a conda and a PyPI client behind them.

Only the proxies' addresses are replaced, by those of our own, which know where the README's hosts lead. Their logs
tell who went out for what. The origins' certificates are signed by a CA that the system trusts; those of the proxy
that terminates TLS by another.
"""

import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import rattler

from proxy.model.clock import SystemClock
from proxy.upstream.doctor import examine, is_well
from proxy.upstream.door import Door
from tests.config.loading import loads
from tests.support.channel import FakeChannel
from tests.support.clients import Clients
from tests.support.conda_packages import package, python
from tests.support.gateway import Gateway
from tests.support.index import PUBLIC, FakeIndex
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.support.wheels import wheel
from tests.upstream.authorities import new_ca, saved, served

ROOT = Path(__file__).parents[2]
CHAPTER = (
    (ROOT / "README.md").read_text("utf-8").partition("## Behind a corporate proxy")[2].partition("\n## ")[0]
)
SECTIONS = dict(re.findall(r"### ([^\n]+)\n(.*?)(?=\n### |\Z)", CHAPTER, re.DOTALL))
INDEX, CHANNEL, REGISTRY = "index.example", "repo.anaconda.com", "registry.example"
PASSWORDS = {"user1": "pw1", "user2": "pw2"}
TOKEN = "token-0123456789"
ENVIRON = {"PROXY_PW": "pw1", "REGISTRY_TOKEN": TOKEN}


def block(section: str, kind: str) -> str:
    """Return the lines to paste of a section: its only block of the kind."""
    (found,) = re.findall(rf"```{kind}\n(.*?)```", SECTIONS[section], re.DOTALL)
    return str(found)


@dataclass
class Company:
    """Two proxies, the outside world behind them, and a registry inside."""

    folder: Path
    proxy: OutboundProxy
    research: OutboundProxy
    registry: Origin

    def local(self, text: str) -> str:
        """Return the lines with the proxies' own addresses, and the registry's port."""
        text = text.replace("research-proxy.example:3128", self.research.address)
        text = text.replace("proxy.example:8899", self.proxy.address)
        return text.replace("registry.example:8443", f"127.0.0.1:{self.registry.port}")

    @asynccontextmanager
    async def server(self, text: str, environ: Mapping[str, str]) -> AsyncIterator[Gateway]:
        """Start the server on these lines, after the doctor found every way to be well."""
        loaded = loads(self.folder, self.local(text), environ={**ENVIRON, **environ})
        door = Door(SystemClock(), environ=environ)
        for feed in loaded.settings.feeds.values():
            findings = await examine(feed, door.remote)
            assert is_well(findings), findings
        await door.close()
        self.proxy.requests.clear()
        self.research.requests.clear()
        gateway = Gateway(self.folder, environ=environ)
        gateway.settings = replace(loaded.settings, server=gateway.settings.server)
        async with gateway:
            yield gateway


def stock(origin: Origin) -> None:
    """Put an index and a channel on an origin."""
    FakeIndex(origin, replace(PUBLIC, links="root")).add(wheel("demo", "1.0"))
    tool = package("pandas", noarch="python", depends=("python",))
    FakeChannel(origin, prefix="/pkgs/main").add(tool, python())


@asynccontextmanager
async def company(folder: Path, *, terminates: bool = False) -> AsyncIterator[Company]:
    """Build it: `proxy.example` knows user1 and user2 (or terminates TLS), `research-proxy.example` asks nobody."""
    root, corp, inner = new_ca("Public Root"), new_ca("Corporate Proxy Root"), new_ca("Registry Root")
    saved(folder, "public.pem", root)
    (folder / "certs").mkdir()
    saved(folder / "certs", "proxy-root.pem", corp)
    saved(folder / "certs", "registry-root.pem", inner)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        tls, plain = await enter(Origin(tls=served(root, INDEX, CHANNEL))), await enter(Origin())
        registry = await enter(Origin(tls=served(inner)))
        for origin in (tls, plain):
            stock(origin)
        FakeIndex(registry, replace(PUBLIC, links="root")).add(wheel("corp-tool", "2.0"))
        hosts = dict.fromkeys((INDEX, CHANNEL), ("127.0.0.1", (plain if terminates else tls).port))
        authority = corp if terminates else None
        proxy = await enter(OutboundProxy(users=PASSWORDS, hosts=hosts, authority=authority))
        research = await enter(OutboundProxy(hosts=dict.fromkeys(hosts, ("127.0.0.1", tls.port))))
        yield Company(folder, proxy, research, registry)


@pytest.fixture(autouse=True)
def system_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system's authorities be the one that signed the origins' certificates."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "public.pem"))


async def pip_installs(gateway: Gateway, clients: Clients, name: str = "demo", version: str = "1.0") -> None:
    got = await clients.download(gateway.index(), name)
    assert got.ran.code == 0, got.ran.text
    assert list(got.files) == [f"{name.replace('-', '_')}-{version}-py3-none-any.whl"]


async def conda_installs(gateway: Gateway, folder: Path) -> None:
    found = await rattler.solve(
        [rattler.Channel(f"{gateway.url}/conda/main")], ["pandas"],
        gateway=rattler.Gateway(cache_dir=folder / "repodata"), platforms=("linux-64", "noarch"),
    )  # fmt: skip
    prefix = folder / "prefix"
    await rattler.install(found, target_prefix=prefix, cache_dir=folder / "packages", show_progress=False)
    assert (prefix / "lib/python3.11/site-packages/pandas/__init__.py").exists()


def users(proxy: OutboundProxy, host: str) -> set[str | None]:
    """Return as whom requests for a host went out; no connection saw two."""
    assert all(len(seen) == 1 for seen in proxy.users_by_connection.values())
    return {user for user, target in proxy.log if target == f"CONNECT {host}:443"}


async def test_one_proxy_by_the_environments_variables(tmp_path: Path, clients: Clients) -> None:
    async with company(tmp_path) as there:
        pairs = (line.partition("=") for line in there.local(block("One proxy for all", "sh")).splitlines())
        environ = {name: value for name, _, value in pairs}
        feeds = block("One proxy for all", "toml").partition("[feeds.pypi]")
        async with there.server("[feeds.pypi]" + feeds[2], environ) as gateway:
            await pip_installs(gateway, clients)
            await conda_installs(gateway, tmp_path / "conda")
    assert (users(there.proxy, INDEX), users(there.proxy, CHANNEL)) == ({"user1"}, {"user1"})


async def test_one_proxy_by_the_default_route(tmp_path: Path, clients: Clients) -> None:
    async with company(tmp_path) as there:
        dead = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
        async with there.server(block("One proxy for all", "toml"), dead) as gateway:
            await pip_installs(gateway, clients)
            await conda_installs(gateway, tmp_path / "conda")
    assert (users(there.proxy, INDEX), users(there.proxy, CHANNEL)) == ({"user1"}, {"user1"})


async def test_several_proxies_and_users(tmp_path: Path, clients: Clients) -> None:
    lines = block("Several proxies, or several users of one", "toml")
    async with company(tmp_path) as there, there.server(lines, {}) as gateway:
        await pip_installs(gateway, clients)
        await conda_installs(gateway, tmp_path / "conda")
    assert users(there.proxy, CHANNEL) == {"user1", "user2"}
    assert (users(there.proxy, INDEX), users(there.research, CHANNEL)) == (set(), set())
    assert users(there.research, INDEX) == {None}


async def test_proxy_that_terminates_tls(tmp_path: Path, clients: Clients) -> None:
    lines = block("A proxy that terminates TLS", "toml")
    async with company(tmp_path, terminates=True) as there:
        there.proxy.users.clear()
        async with there.server(lines, {}) as gateway:
            await pip_installs(gateway, clients)
            await conda_installs(gateway, tmp_path / "conda")
    assert (users(there.proxy, INDEX), users(there.proxy, CHANNEL)) == ({None}, {None})


async def test_all_of_it_at_once(tmp_path: Path, clients: Clients) -> None:
    async with company(tmp_path, terminates=True) as there:
        async with there.server(block("All of it at once", "toml"), {}) as gateway:
            await pip_installs(gateway, clients)
            await pip_installs(gateway, clients, "corp-tool", "2.0")
            await conda_installs(gateway, tmp_path / "conda")
        assert {request.headers["authorization"] for request in there.registry.requests} == {
            f"Bearer {TOKEN}"
        }
    assert (users(there.proxy, CHANNEL), users(there.proxy, INDEX)) == ({"user1"}, set())
    assert (users(there.research, INDEX), users(there.research, CHANNEL)) == ({None}, set())
    assert not any("127.0.0.1" in target for _, target in (*there.proxy.log, *there.research.log))


# -- what clients say where their own proxy is in the way


def told(text: str) -> bool:
    return f"`{text}" in SECTIONS["When it does not work"]


async def test_texts_of_clients_are_those_of_the_trouble_shooting_page(clients: Clients) -> None:
    """conda asks through requests, and so do pip's own copies: what requests says, both print."""
    async with OutboundProxy() as failing, OutboundProxy(user="me", password="x") as refusing:
        failing.instead = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        texts = {
            "Tunnel connection failed: 503 Service Unavailable": failing.url,
            "Tunnel connection failed: 407 Proxy Authentication Required": refusing.url,
        }
        for text, url in texts.items():
            said = await away(clients, url)
            assert (text in said, told(text)) == (True, True), said
        dead = failing.url
    said = await away(clients, dead)
    for text in ("Max retries exceeded with url", "Unable to connect to proxy"):
        assert (text in said, told(text)) == (True, True), said
    assert told("Cannot connect to proxy")  # in the words of urllib3 before 2


async def away(clients: Clients, proxy: str) -> str:
    """Return what a client says that asks for this server through such a proxy."""
    own = clients.told(HTTPS_PROXY=proxy, https_proxy=proxy)
    ask = "import requests; requests.get('https://feedgate.example/conda/main/noarch/repodata.json')"
    ran = await own.run(sys.executable, "-c", ask)
    assert ran.code != 0
    return ran.text
