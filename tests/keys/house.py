"""A server with open and closed feeds of both kinds, and a key of every sort.

async with house(tmp_path, origin) as built:
    got = await built.get("/pypi/closed/simple/demo/", built.keys["reader"])
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from proxy.config.settings import Feed
from proxy.model.actor import LOCAL, Grant, Right
from proxy.model.key import Key
from tests.faults.turned_clock import TurnedClock
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare, package
from tests.support.gateway import Gateway, Got, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

ADMIN = "fg-AdminAdminAdmin0123456789ABCDEFG0"
_SKIPPED = ("Accept-Encoding", "Accept", "User-Agent", "Content-Type")
_WORK = re.compile(r"prefetch|refresh |full index|side document|arrival")
#: No key of these is ever good.
BAD = ("fg-00000000000000000000000000000000", "given-but-wrong-1", "x")


def made(letter: str) -> str:
    """Return a value of the kind that is made here."""
    return f"fg-{letter * 8}0123456789abcdefghijkl{letter * 2}"


@dataclass
class House:
    """The server, its origin, and the values of the keys by their names."""

    gateway: Gateway
    origin: Origin
    index: FakeIndex
    channel: FakeChannel
    clock: TurnedClock
    #: One for all requests: the tables have thousands.
    session: aiohttp.ClientSession
    keys: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, key: str | None = None, *, method: str = "GET", **more: Any) -> Got:
        body = more.pop("body", None)
        fields = {name.replace("_", "-"): value for name, value in more.items()}
        if key is not None:
            fields["Authorization"] = f"Bearer {key}"
        return await self.send(method, path, fields, body)

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Got:
        """Ask with these headers, without following redirects."""
        url = f"{self.gateway.url}{path}"
        async with self.session.request(
            method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            return Got(answer.status, dict(answer.headers), await answer.read(), answer.reason or "")

    async def change(self, method: str, path: str, body: object, key: str | None = ADMIN) -> Got:
        more = {"body": orjson.dumps(body), "Content_Type": "application/json"} if body is not None else {}
        return await self.get(path, key, method=method, **more)

    async def settled(self) -> None:
        """Wait until nothing is fetched that nobody asked for."""
        async with asyncio.timeout(30):
            while work := [task for task in asyncio.all_tasks() if _WORK.match(task.get_name())]:
                await asyncio.wait(work)

    async def add(self, name: str, value: str, *grants: tuple[str, Right], **facts: Any) -> str:
        """Make a key and return its value."""
        given = tuple(Grant(feed_name, (right,)) for feed_name, right in grants)
        await self.gateway.app.base.keys.create(Key(f"id-{name}", name, given, **facts), value, LOCAL)
        self.keys[name] = value
        return value


def _aliases(name: str) -> tuple[str, ...]:
    return (name.replace("closed", "alias"),) if "closed" in name else ()


def feeds_of(index: FakeIndex, channel: FakeChannel, **changes: Any) -> list[Feed]:
    """Return an open and two closed feeds of each kind."""
    pypi = [
        feed(
            upstream(index.url, f"up-{name}"),
            name=name,
            anonymous=name == "open",
            aliases=_aliases(name),
            **changes,
        )
        for name in ("open", "closed", "other")
    ]
    conda = [
        Feed(
            name,
            "conda",
            (upstream(channel.url, f"up-{name}"),),
            anonymous=name == "c-open",
            aliases=_aliases(name),
            **changes,
        )
        for name in ("c-open", "c-closed", "c-other")
    ]
    return [*pypi, *conda]


@asynccontextmanager
async def house(
    folder: Path, origin: Origin, *more: Feed, server: Mapping[str, Any] | None = None, **changes: Any
) -> AsyncIterator[House]:
    """Run it, with the keys that the table of E07 has."""
    index, channel, clock = FakeIndex(origin), FakeChannel(origin), TurnedClock()
    index.add(wheel("demo", "1.0"), wheel("leaf", "1.0"))
    channel.add(bare("tool"), bare("tool", subdir="noarch"), package("real", noarch="generic"))
    made_feeds = [*feeds_of(index, channel, **changes), *more]
    async with (
        Gateway(folder, *made_feeds, clock=clock, admin_key=ADMIN, **(server or {})) as gateway,
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=_SKIPPED) as session,
    ):
        built = House(gateway, origin, index, channel, clock, session, {"admin": ADMIN})
        soon = round((clock.now() + timedelta(hours=1)).timestamp() * 1000)
        both: tuple[tuple[str, Right], ...] = (("closed", "read"), ("c-closed", "read"))
        await built.add("reader", made("R"), *both)
        await built.add("given", "a-given-key-of-people", *both)
        await built.add("stranger", made("S"), ("other", "manage"), ("c-other", "manage"))
        await built.add("nothing", made("N"))
        await built.add("promoter", made("P"), ("closed", "promote"), ("c-closed", "promote"))
        await built.add("manager", made("M"), ("closed", "manage"), ("c-closed", "manage"))
        await built.add("everywhere", made("E"), ("*", "read"))
        await built.add("expired", made("X"), *both, expires_ms=soon)
        await built.add("revoked", made("V"), *both)
        await gateway.app.base.keys.delete("id-revoked", LOCAL)
        clock.advance(3601)
        await built.settled()
        yield built


class Logged(logging.Handler):
    """All that the program logged."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += logging.Formatter().format(record) + "\n"
