"""The inbound door alone, on a real socket, with the handlers that a test gives it."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.config.settings import Server
from proxy.model.actor import ANONYMOUS, Actor
from proxy.model.clock import SystemClock
from proxy.model.digest import Sha256
from proxy.web.access import AccessLog
from proxy.web.deadlines import Limits
from proxy.web.door import Door
from proxy.web.inbound import Inbound
from proxy.web.metrics import Metrics
from proxy.web.outbound import BlobAnswer, Handler, Outbound
from proxy.web.respond import Responder
from proxy.web.routes import Route, Routes
from proxy.web.server import WebServer
from proxy.web.trust import Trust
from proxy.web.variants import Variants

VIA_TOKEN = "feedgate-0123456789"


@dataclass(frozen=True)
class Held:
    """A blob as the store would give it."""

    digest: Sha256
    size: int
    path: Path
    data: bytes | None


@dataclass
class Stand:
    """A running door."""

    port: int
    server: WebServer
    metrics: Metrics
    access: AccessLog
    written: list[bytes] = field(default_factory=list)

    async def lines(self) -> list[dict[str, Any]]:
        """Return the access lines so far."""
        await self.access.close()
        return [json.loads(line) for line in b"".join(self.written).splitlines()]


@asynccontextmanager
async def standing(
    *routes: Route,
    limits: Limits | None = None,
    access: AccessLog | None = None,
    actor: Actor = ANONYMOUS,
    **settings: Any,
) -> AsyncIterator[Stand]:
    """Run a door with these routes for an actor; settings are those of [server]."""
    server_settings = Server(**({"port": 0, "stop_timeout_s": 2.0} | settings))
    clock, metrics, trust = SystemClock(), Metrics(), Trust(server_settings)
    written: list[bytes] = []
    access = access or AccessLog(written.append, clock, as_json=True)
    responder = Responder(Variants(), clock)
    table = Routes(routes, server_settings.path_prefix)
    door = Door(table, responder, trust, access, metrics, clock, via_token=VIA_TOKEN, admit=lambda *_: actor)
    server = WebServer(server_settings, door, responder, trust, metrics, clock, limits=limits)
    await server.start()
    try:
        yield Stand(server.port, server, metrics, access, written)
    finally:
        await server.stop()
        await access.close()


Answering = Callable[[Inbound], Outbound]


def get(pattern: str, answer: Outbound | Answering) -> Route:
    """Return a GET route that gives an answer, or what a function makes of the request."""
    return Route(("GET",), pattern, giving(answer))


def giving(answer: Outbound | Answering) -> Handler:
    async def give(inbound: Inbound) -> Outbound:
        return answer(inbound) if callable(answer) else answer

    return give


def small_blob(data: bytes) -> Held:
    """Return a blob that is held in memory."""
    return Held(Sha256(hashlib.sha256(data).hexdigest()), len(data), Path("nowhere"), data)


def file_blob(folder: Path, data: bytes) -> Held:
    """Return a blob that is on disk only."""
    held = small_blob(data)
    path = folder / held.digest
    path.write_bytes(data)
    return Held(held.digest, held.size, path, None)


def blob_answer(held: Held, **changes: Any) -> BlobAnswer:
    return BlobAnswer(blob=held, **changes)
