"""A07, A09: `urls` are mirrors of one thing: where the first fails, the next answers, and clients do not notice.

On a connection that is not there, that breaks or stays silent, on 5xx, on 429 with its Retry-After, and on wrong bytes;
pages and files, indexes and packages. What is wrong with a file's bytes is judged here, not by the mirror.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from proxy.config.settings import Feed
from proxy.model.redact import SecretUrl
from tests.faults.turned_clock import TurnedClock
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare
from tests.support.faults import Fault
from tests.support.gateway import Gateway, Got, feed, until, upstream
from tests.support.index import FakeIndex, Shape
from tests.support.origin import Origin
from tests.support.wheels import wheel

#: Smaller than the last part that is held back until the digest is right: nobody is cut off in the middle.
DEMO = wheel("demo", "1.0")
PACKAGE = bare("tool", data=b"t" * 3000)
ROOT = Shape(links="root")
SIMPLE = "/pypi/pypi/simple/demo/"
CONDA = "/conda/chan/linux-64/repodata.json"
TOOL = f"/conda/chan/linux-64/{PACKAGE.file}"

FAULTS: dict[str, Fault | None] = {
    "gone": None,
    "closes without an answer": Fault(refuse=True),
    "breaks off": Fault(reset_at=20),
    "500": Fault(status=500),
    "503": Fault(status=503),
    "429": Fault(status=429, headers=(("Retry-After", "60"),)),
    "silent": Fault(silent=True),
}


@dataclass
class Mirrors:
    """Two origins with the same index and channel, and the server in front of both."""

    first: Origin
    second: Origin
    gateway: Gateway
    clock: TurnedClock

    async def page(self) -> str:
        """Return where the server's page has the file."""
        page = (await self.answers(SIMPLE)).decode()
        (link,) = re.findall(r'href="\.\./\.\./([^"#]+)', page)
        return f"/pypi/pypi/{link}"

    async def answers(self, path: str) -> bytes:
        got = await self.gateway.get(path)
        assert got.status == 200, got.body
        return got.body


@pytest.fixture
async def mirrors(tmp_path: Path) -> AsyncIterator[Mirrors]:
    async with Origin() as first, Origin() as second:
        for origin in (first, second):
            index = FakeIndex(origin, ROOT)
            index.add(DEMO)
            FakeChannel(origin).add(PACKAGE)
        clock = TurnedClock()
        options: dict[str, Any] = {"read_timeout_s": 0.5, "connect_timeout_s": 2.0, "json_api": None}
        pypi = replace(upstream(index.url, "pypi", **options), urls=urls(first, second, "/simple/"))
        conda = replace(upstream(index.url, "conda", **options), urls=urls(first, second, "/chan/"))
        async with Gateway(tmp_path, feed(pypi), Feed("chan", "conda", (conda,)), clock=clock) as gateway:
            yield Mirrors(first, second, gateway, clock)


def urls(first: Origin, second: Origin, below: str) -> tuple[SecretUrl, ...]:
    return tuple(SecretUrl(origin.url + below) for origin in (first, second))


async def broken(mirrors: Mirrors, fault: Fault | None) -> None:
    if fault is None:
        await mirrors.first.off()
    else:
        mirrors.first.always("*", fault)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_next_mirror_answers_for_both_kinds_from_the_beginning(
    mirrors: Mirrors, fault: Fault | None
) -> None:
    await broken(mirrors, fault)
    assert await mirrors.answers(await mirrors.page()) == DEMO.data
    assert PACKAGE.file.encode() in await mirrors.answers(CONDA)
    assert await mirrors.answers(TOOL) == PACKAGE.data


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_next_mirror_has_the_files_of_an_index_that_came_from_the_first(
    mirrors: Mirrors, fault: Fault | None
) -> None:
    file = await mirrors.page()
    await mirrors.answers(CONDA)
    mirrors.second.forget()
    await broken(mirrors, fault)
    assert await mirrors.answers(file) == DEMO.data
    assert await mirrors.answers(TOOL) == PACKAGE.data
    assert mirrors.second.hits() >= 2


async def test_first_mirror_is_asked_again_once_it_is_healed(mirrors: Mirrors) -> None:
    mirrors.first.always("*", Fault(status=503))
    await mirrors.answers(SIMPLE)
    mirrors.first.heal()
    mirrors.clock.advance(1000)
    mirrors.first.forget()

    async def page() -> Got:
        return await mirrors.gateway.get(SIMPLE)

    await until(page, lambda got: got.status == 200 and mirrors.first.hits() > 0)


@pytest.mark.parametrize("kind", ["pypi", "conda"])
async def test_mirror_of_wrong_bytes_rests_for_five_minutes_and_the_next_one_serves(
    mirrors: Mirrors, kind: str
) -> None:
    """A07: at once, and the first is not asked for anything until its time is over."""
    file = await mirrors.page()
    await mirrors.answers(CONDA)
    path, right = (file, DEMO.data) if kind == "pypi" else (TOOL, PACKAGE.data)
    place = path.removeprefix("/pypi/pypi/packages" if kind == "pypi" else "/conda")
    mirrors.first.add(place, bytes(len(right)))
    assert await mirrors.answers(path) == right
    assert (mirrors.first.hits(place), mirrors.second.hits(place)) == (1, 1)
    for later_s, asked in ((250, 0), (51, 1)):
        mirrors.clock.advance(later_s)
        mirrors.first.forget()
        new = f"/pypi/pypi/simple/none-{later_s}/" if kind == "pypi" else "/conda/chan/{}/repodata.json"
        await mirrors.gateway.get(new.format("osx-64" if asked else "win-64"))
        assert bool(mirrors.first.requests) is bool(asked)


async def test_all_mirrors_failing_is_one_503_that_names_an_origin(mirrors: Mirrors) -> None:
    for origin in (mirrors.first, mirrors.second):
        origin.always("*", Fault(status=503))
    answer = await mirrors.gateway.get(SIMPLE)
    assert (answer.status, answer.json()["type"]) == (503, "urn:feedgate:origin-unavailable")
    assert 1 <= int(answer.headers["retry-after"]) <= 5
