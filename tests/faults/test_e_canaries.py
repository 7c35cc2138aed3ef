"""E05: every kind of secret, through every kind of way out, working and broken, and then looked for in everything.

A server of its own process with all that a company may configure; its log at `debug`, every page of it, the management
API, the commands beside it, and whatever it left on the disk, the database among it. What is planted here beyond the
rest of the suite (see `tests/support/sweep.py`) is what only a whole configuration has: secrets of the environment, of
files, of netrc, in URLs, and a private key.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.faults.process import Served
from tests.faults.secrets import CANARIES, found_in, spellings
from tests.support.channel import FakeChannel
from tests.support.conda_packages import package
from tests.support.index import FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.outproxy import OutboundProxy
from tests.support.wheels import wheel
from tests.upstream.authorities import new_ca

ROOT = Path(__file__).parents[2]
HOST = "index.example"
FEEDS = ("basic", "bearer", "header", "userinfo", "netrc", "tls")
MODES = {
    "works": b"",
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "407": b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n',
    "nonsense": b"nonsense\r\n\r\n",
}
TEXT = """
[routes.named]
proxy = "{proxy}"
username = "out"
password = {{ env = "PROXY_PW" }}

[routes.filed]
proxy = {{ file = "proxy.url" }}
{feeds}
[feeds.token]
kind = "conda"
upstreams = [{{ url = "http://{host}/chan", route = "named", auth = {{ token = "{token}" }}, connect_timeout = "1s" }}]

[feeds.tokenurl]
kind = "conda"
upstreams = [{{ url = "http://{host}/t/{token}/chan", route = "filed", connect_timeout = "1s" }}]
"""
FEED = """
[feeds.{name}]
kind = "pypi"
[[feeds.{name}.upstreams]]
url = "{scheme}://{user}{host}/simple/"
route = {route}
connect_timeout = "1s"
read_timeout = "1s"
retries = 0
{more}
"""


@dataclass
class World:
    """An origin, a proxy to it, and the folder with the files of secrets."""

    folder: Path
    origin: Origin
    proxy: OutboundProxy
    key: str

    @property
    def environ(self) -> dict[str, str]:
        userinfo = quote(CANARIES["environment"], safe="")
        proxy = self.proxy.url.replace("//", f"//out:{userinfo}@")
        return {
            "PROXY_PW": CANARIES["proxy"], "ORIGIN_PW": CANARIES["basic"], "NETRC": str(self.folder / "netrc"),
            "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": "", "FEEDGATE_ADMIN_KEY": CANARIES["admin"],
            "PIP_CONFIG_FILE": os.devnull, "FEEDGATE__LOG__LEVEL": "debug",
        }  # fmt: skip

    @property
    def config(self) -> str:
        """Return the feeds: one for each kind of credentials, each through another kind of route."""
        cert = 'client_cert = { cert = "client.pem" }'
        more = {
            "basic": ('"named"', 'auth = { basic = ["reader", { env = "ORIGIN_PW" }] }'),
            "bearer": ('"default"', f'auth = {{ bearer = "{CANARIES["bearer"]}" }}'),
            "header": ('"filed"', f'auth = {{ header = ["X-JFrog-Art-Api", "{CANARIES["header"]}"] }}'),
            "userinfo": (f'{{ proxy = "{self._inline}" }}', ""),
            "netrc": ('"named"', "auth = { netrc = true }"),
            "tls": ('"named"', cert),
        }
        feeds = "".join(
            FEED.format(
                name=name, scheme="https" if name == "tls" else "http", host=HOST, route=more[name][0],
                more=more[name][1], user=f"reader:{CANARIES['userinfo']}@" if name == "userinfo" else "",
            )
            for name in FEEDS
        )  # fmt: skip
        return TEXT.format(proxy=self.proxy.url, feeds=feeds, host=HOST, token=CANARIES["token"])

    @property
    def _inline(self) -> str:
        return self.proxy.url.replace("//", f"//out:{quote(CANARIES['proxy-url'], safe='')}@")

    def found(self, data: bytes) -> list[str]:
        """Return the kinds of secrets in a text, the private key's among them."""
        return found_in(data) + [f"key {form[:12]!r}" for form in spellings(self.key) if form in data]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    pair = new_ca().issue_cert("client.example")
    pair.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    key = pair.private_key_pem.bytes().decode().splitlines()[1]
    (tmp_path / "netrc").write_text(f"machine {HOST} login reader password {CANARIES['netrc']}\n")
    (tmp_path / "netrc").chmod(0o600)
    async with Origin() as origin, OutboundProxy() as proxy:
        proxy.hosts[HOST] = ("127.0.0.1", origin.port)
        made = World(tmp_path, origin, proxy, key)
        (tmp_path / "proxy.url").write_text(made._inline)
        FakeIndex(origin, Shape(links="root")).add(wheel("demo", "1.0"))
        FakeChannel(origin).add(package("tool", noarch="generic"))
        FakeChannel(origin, prefix=f"/t/{quote(CANARIES['token'], safe='')}/chan").add(
            package("tool", noarch="generic")
        )
        yield made


def pages() -> Iterator[str]:
    """Yield all that a server can be asked for."""
    yield from (
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/openapi.json",
        "/api/v1/feeds",
        "/api/v1/routes",
    )
    yield from ("/api/v1/policies", "/api/v1/audit", "/api/v1/keys", "/api/v1/approvals")
    for name in FEEDS:
        yield from (f"/pypi/{name}/simple/{path}" for path in ("", "demo/", "none/"))
        yield from (f"/pypi/{name}/pypi/demo/json", f"/pypi/{name}/packages/none/demo-1.0-py3-none-any.whl")
    for name in ("token", "tokenurl"):
        yield from (f"/conda/{name}/noarch/{file}" for file in ("repodata.json", "tool-1.0-0.conda"))
        yield f"/conda/{name}/noarch/repodata_shards.msgpack.zst"
    for name in (*FEEDS, "token", "tokenurl"):
        yield from (
            f"/api/v1/feeds/{name}{path}"
            for path in ("", "/doctor", "/snippets", "/packages", "/explain?spec=demo")
        )
    yield from (f"/api/v1/routes/{name}" for name in ("named", "filed"))


@pytest.mark.parametrize("mode", MODES)
async def test_no_secret_is_in_anything_that_anybody_gets(world: World, mode: str) -> None:
    world.proxy.instead = MODES[mode] or None
    index = f"http://{HOST}/simple/"
    async with Served(world.folder, index, config=world.config, environ=world.environ) as served:
        admin = f"Bearer {CANARIES['admin']}"
        for path in pages():
            answer = await served.get(path, Authorization=admin)
            parts = (
                "".join(f"{name}: {value}\n" for name, value in answer.headers.items()).encode() + answer.body
            )
            assert world.found(parts) == [], path
            assert answer.status != 500, answer.body
        commands = [
            await asyncio.to_thread(command, world, *words)
            for words in (
                ("check-config",), ("check-config", "--json"), ("doctor", "--json"), ("feed", "list"), ("reload",),
                ("explain", "basic", "demo"), ("feed", "packages", "basic"),
            )
            if mode in ("works", "407")
        ]  # fmt: skip
        for said in commands:
            assert world.found(said) == []
        assert await served.stop() == 0
        assert world.found(served.log) == []
        assert b"index.example" in served.log
        files = [path for path in (world.folder / "data").rglob("*") if path.is_file()]
        assert any(
            path.suffix == ".db" or "sqlite" in path.name or path.parent.name == "state" for path in files
        )
        for file in files:
            assert world.found(file.read_bytes()) == [], file
    sent = b"".join(repr(request.fields).encode() for request in world.origin.requests)
    if mode == "works":
        # What is planted is really used: each kind arrived where it belongs.
        assert {"basic", "bearer", "header", "userinfo", "netrc"} <= set(found_in(sent))
        paths = b"".join(request.target.encode() for request in world.origin.requests)
        assert "token" in found_in(paths)
    users = b"".join(repr(request.headers).encode() for request in world.proxy.requests)
    assert {"proxy", "proxy-url", "environment"} <= set(found_in(users))
    assert not {"proxy", "proxy-url", "environment"} & set(found_in(sent))


def command(world: World, *words: str) -> bytes:
    """Run a command beside the server; return all that it said."""
    env = {"PATH": os.environ["PATH"], "HOME": str(world.folder), "PYTHONPATH": str(ROOT), **world.environ}
    done = subprocess.run(
        [sys.executable, "-m", "proxy", *words],
        cwd=world.folder,
        env=env,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr
