"""`feedgate explain`: the same of a server that runs and of the data folder while none runs."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.cli.calling import Place
from tests.cli.test_packages import FEEDS
from tests.support.channel import FakeChannel
from tests.support.conda_packages import package
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

pytestmark = pytest.mark.usefixtures("begun")


@pytest.fixture
async def filled(place: Place) -> AsyncIterator[Place]:
    async with Origin() as origin:
        index, channel = FakeIndex(origin), FakeChannel(origin)
        index.add(wheel("demo", "1.0"))
        channel.add(package("tool", noarch="python"))
        place.write(FEEDS.format(index=index.url, channel=channel.url))
        yield place


async def call(place: Place, *words: str, status: int = 0) -> str:
    import asyncio

    result = await asyncio.to_thread(place.call, "explain", *words)
    assert result.exit_code == status, result.output
    return result.output


async def test_what_is_allowed_is_said_so(filled: Place) -> None:
    text = await call(filled, "pypi", "demo")
    assert text.startswith("demo-1.0-py3-none-any.whl: allowed\n")
    assert "version 1.0" in text
    assert (await call(filled, "forge", "noarch/tool-1.0-0.conda")).startswith(
        "noarch/tool-1.0-0.conda: allowed"
    )


async def test_what_is_not_there_is_said_so(filled: Place) -> None:
    assert (await call(filled, "pypi", "nope")).startswith("nope: not there (unknown)")


async def test_json_is_the_apis_document(filled: Place) -> None:
    told = json.loads(await call(filled, "pypi", "demo==1.0", "--json"))
    assert (told["feed"], told["items"][0]["outcome"]) == ("pypi", "allow")


async def test_text_that_is_no_spec_fails_with_one_line(filled: Place) -> None:
    text = await call(filled, "forge", "tool >>1", status=1)
    assert text.count("\n") == 1
    assert "spec: " in text
