"""`feed owners`: whose each name is, and letting another upstream have it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from typer.testing import Result

from tests.cli.calling import Place
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

pytestmark = pytest.mark.usefixtures("begun")

FEEDS = """
[feeds.pypi]
kind = "pypi"
upstreams = [{{ url = "{first}", allow_private = true, route = "direct" }},
             {{ url = "{second}", allow_private = true, route = "direct" }}]
"""


@pytest.fixture
async def origins() -> AsyncIterator[tuple[Origin, Origin]]:
    async with Origin() as first, Origin() as second:
        yield first, second


async def call(place: Place, *words: str) -> Result:
    """Run the words while this loop serves."""
    return await asyncio.to_thread(place.call, "feed", *words)


async def test_owners_are_listed_and_released(place: Place, origins: tuple[Origin, Origin]) -> None:
    first, second = map(FakeIndex, origins)
    first.add(wheel("mine", "1.0"))
    second.add(wheel("leaf", "1.0"))
    place.write(FEEDS.format(first=first.url, second=second.url))
    empty = await call(place, "owners", "pypi")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert empty.stderr.startswith("feedgate: note: no name of pypi has an owner yet")
    for name in ("mine", "leaf"):
        await call(place, "packages", "pypi", name)
    listed = await call(place, "owners", "pypi")
    assert [line.split()[:2] for line in listed.stdout.splitlines()] == [
        ["NAME", "OWNER"],
        ["leaf", origins[1].url],
        ["mine", origins[0].url],
    ]
    released = await call(place, "owners", "pypi", "--release", "leaf")
    assert released.stdout == f"leaf of pypi was {origins[1].url}'s: the first upstream that has it gets it\n"
    assert len((await call(place, "owners", "pypi", "--q", "leaf")).stdout.splitlines()) == 0
    again = await call(place, "owners", "pypi", "--release", "leaf")
    assert (again.exit_code, again.stderr) == (1, "feedgate: Not found: pypi knows no owner of leaf\n")
    # Bytes of the command line that are no UTF-8.
    odd = await call(place, "owners", "pypi", "--release", "\udcff")
    assert (odd.exit_code, odd.stderr.count("\n")) == (1, 1), odd.output
    assert odd.stderr.startswith("feedgate: ")
