"""The whole server in the test's own process, on a port of its own, in front of whatever origins the test has.

    async with Gateway(tmp_path, {"pypi": upstream(index.url)}) as gateway:
        gateway.index("pypi")                  # the URL that clients are given

Settings are values, so nothing of the environment or of this machine's files gets in.
"""

import asyncio
import io
import shutil
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import orjson

from proxy.app import App
from proxy.config.settings import Cache, Feed, Route, Server, Settings, Upstream
from proxy.model.clock import Clock
from proxy.model.redact import Secret, SecretUrl
from proxy.policy.settings import Policy
from tests.support.sweep import READER, Sweep, planted

DIRECT = Route("direct", use_environment=False)
_READ_S = 2.0
_LOG_S = 20.0


def upstream(url: str, name: str = "origin", **changes: Any) -> Upstream:
    """Return an upstream on this machine, impatient and without retries unless the test says otherwise."""
    facts: dict[str, Any] = {
        "route": DIRECT, "allow_private": True, "read_timeout_s": _READ_S, "connect_timeout_s": _READ_S, "retries": 0,
        "json_api": url.replace("/simple/", "/pypi/") if url.endswith("/simple/") else None, "auth": READER,
    }  # fmt: skip
    return Upstream(id=name, urls=(SecretUrl(url),), **(facts | changes))


def feed(*upstreams: Upstream, name: str = "pypi", **changes: Any) -> Feed:
    return Feed(name, "pypi", tuple(upstreams), **changes)


class Gateway:
    """A running server."""

    def __init__(
        self, folder: Path, *feeds: Feed, clock: Clock | None = None, cache: Cache | None = None,
        environ: Mapping[str, str] | None = None, trust: ssl.SSLContext | None = None, admin_key: str | None = None,
        policies: Collection[Policy] = (), **server: Any,
    ) -> None:  # fmt: skip
        facts: dict[str, Any] = {"port": 0, "data_dir": folder / "data", "stop_timeout_s": 2.0}
        self.settings = Settings(
            server=Server(**(facts | server)),
            cache=cache or Cache(),
            feeds={each.name: each for each in feeds},
            policies={each.name: each for each in policies},
            admin_key=Secret(admin_key) if admin_key is not None else None,
        )
        self._clock = clock
        self._environ = planted() if environ is None else environ
        self._sweep = Sweep()
        #: False where the test looks for secrets itself.
        self.is_swept = True
        self._trust = trust or ssl.create_default_context()
        self.log = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        self.app: App

    async def start(self) -> None:
        self._sweep.begin()
        self.app = App(self.settings, self._environ, clock=self._clock, out=self.log)
        await self.app.start()

    async def stop(self) -> None:
        """Stop, and look for secrets in all that it said and left."""
        self._sweep.end()
        await self.app.stop()
        self._sweep.look("the access log", self.written())
        complaints = await asyncio.to_thread(self._sweep.complaints, self.settings.server.data_dir)
        assert not complaints or not self.is_swept, "\n".join(complaints)

    async def restart(self) -> None:
        """Stop, and start again on the same data and the same port."""
        self._keep_port()
        await self.stop()
        await self.start()

    async def restart_without_cache(self) -> None:
        """Stop, delete the cache folder, and start again: what the origin can tell again is gone."""
        self._keep_port()
        await self.stop()
        await asyncio.to_thread(shutil.rmtree, self.settings.server.cache_dir)
        await self.start()

    def _keep_port(self) -> None:
        port = urlsplit(self.url).port
        assert port is not None
        self.settings = replace(self.settings, server=replace(self.settings.server, port=port))

    def reload(self, *feeds: Feed, policies: Collection[Policy] | None = None) -> None:
        """Put other feeds, or other policies, in force; what is not given stays."""
        if feeds:
            self.settings = replace(self.settings, feeds={each.name: each for each in feeds})
        if policies is not None:
            self.settings = replace(self.settings, policies={each.name: each for each in policies})
        self.app.apply(self.settings)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return self.app.url

    def index(self, name: str = "pypi") -> str:
        return f"{self.url}/pypi/{name}/simple/"

    async def get(
        self, path: str, *, method: str = "GET", body: bytes | io.BytesIO | None = None, **headers: str
    ) -> "Got":
        """Ask for a path, without following redirects; `Accept_Encoding="gzip"` is a header."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=30)) as session,
            session.request(
                method,
                f"{self.url}{path}",
                headers=fields,
                data=body,
                ssl=self._trust,
                allow_redirects=False,
                skip_auto_headers=("Accept-Encoding", "Accept", "User-Agent"),
            ) as answer,
        ):
            got = Got(answer.status, dict(answer.headers), await answer.read(), answer.reason or "")
        self._sweep.look(f"the answer to {path}", repr(got.headers).encode() + got.body)
        return got

    async def answered(self) -> "list[Line]":
        """Return the access log's lines so far, oldest first, without those of this method's own request."""
        marker = (await self.get("/healthz")).headers["x-request-id"]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _LOG_S
        while marker.encode() not in (written := self.written()):
            assert loop.time() < deadline, "the access log was not written"
            await asyncio.sleep(0.02)
        lines = [orjson.loads(line) for line in written.splitlines()]
        return [
            Line(**{key: line.get(key, "") for key in Line.__annotations__})
            for line in lines
            if line["path"] != "/healthz"
        ]

    def written(self) -> bytes:
        """Return the access log as it was written so far."""
        buffer = self.log.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the access log."""

    method: str
    path: str
    status: int
    bytes: int
    cache: str

    @property
    def is_page(self) -> bool:
        return "/simple/" in self.path


class Got:
    """An answer, read to its end."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, reason: str) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body
        self.reason = reason

    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def cache(self) -> str:
        return self.headers.get("cache-status", "")


async def eventually(ask: Callable[[], Awaitable[Got]], status: int = 200, *, within_s: float = 20.0) -> Got:
    """Ask until the answer has the status; fail with the last answer otherwise."""
    return await until(ask, lambda got: got.status == status, within_s=within_s)


async def until(
    ask: Callable[[], Awaitable[Got]], holds: Callable[[Got], bool], *, within_s: float = 20.0
) -> Got:
    """Ask until something is true of the answer; fail with the last answer otherwise."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not holds(got := await ask()):
        assert loop.time() < deadline, f"still {got.status} after {within_s:g} s: {got.body[:300]!r}"
        await asyncio.sleep(0.05)
    return got
