"""Doors for the tests of this room: made from settings, closed at the end."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from proxy.config.settings import Rate, Upstream
from proxy.model.clock import Clock, SystemClock
from proxy.model.redact import SecretUrl
from proxy.upstream.door import Door
from proxy.upstream.names import Names
from proxy.upstream.remote import Remote
from tests.support.clock import FakeClock

#: Makes a remote for URLs; keywords are fields of `Upstream`, or clock, environ, resolver of the door.
Dial = Callable[..., Remote]

SHORT: Mapping[str, Any] = {
    "allow_private": True,
    "connect_timeout_s": 2.0,
    "read_timeout_s": 2.0,
    "min_rate": Rate(0.0, 0.0),
    "retries": 0,
}


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    doors: list[Door] = []

    def made(
        *urls: str,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
        resolver: Names | None = None,
        **fields: Any,
    ) -> Remote:
        door = Door(clock or SystemClock(), environ=environ or {}, resolver=resolver, instance="test")
        doors.append(door)
        settings = {"id": f"up-{len(doors)}", **SHORT, **fields}
        remote = door.remote(Upstream(urls=tuple(SecretUrl(url) for url in urls), **settings))
        assert isinstance(remote, Remote)
        if isinstance(clock, FakeClock):
            # Its time does not pass while somebody waits.
            remote.patience_s = 0.0
        return remote

    yield made
    for door in doors:
        await door.close()
