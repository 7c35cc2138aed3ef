"""`feed list` and `snippet` of a server that is named: what that one has, whatever the settings here are."""

import asyncio
import json

import pytest
from typer.testing import Result

from tests.cli.calling import QUIET_FEED, Place
from tests.support.gateway import Gateway, feed, upstream

OTHER = QUIET_FEED.replace("[feeds.pypi]", "[feeds.other]")


async def call(place: Place, *words: str) -> Result:
    """Run the words while this loop serves."""
    return await asyncio.to_thread(place.call, *words)


def gateway(place: Place) -> Gateway:
    return Gateway(place.folder, feed(upstream("https://index.example/simple/")))


async def test_the_feeds_of_a_server_that_is_named_are_listed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(OTHER)
    async with gateway(place) as running:
        result = await call(place, "feed", "list", "--server", running.url)
        assert (result.exit_code, result.stderr) == (0, "")
        header, line = result.stdout.splitlines()
        assert header.split() == ["NAME", "KIND", "URL", "FROM"]
        assert line.split() == ["pypi", "pypi", f"{running.url}/pypi/pypi/simple/", "https://index.example"]
        monkeypatch.setenv("FEEDGATE_SERVER", running.url)
        (told,) = json.loads((await call(place, "feed", "list", "--json")).stdout)
    here = place.call("feed", "list", "--json", "--server", running.url)
    assert (here.exit_code, json.loads(here.stdout)["ok"]) == (1, False)
    monkeypatch.delenv("FEEDGATE_SERVER")
    (own,) = json.loads(place.call("feed", "list", "--json").stdout)
    assert list(told) == list(own)
    assert (told["name"], own["name"]) == ("pypi", "other")


async def test_the_lines_of_a_server_that_is_named_have_its_url(place: Place) -> None:
    place.write(OTHER)
    async with gateway(place) as running:
        result = await call(place, "snippet", "pypi", "--server", running.url, "--client", "pip")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.count("One index only") == 1
        assert f"pip install --index-url {running.url}/pypi/pypi/simple/" in result.stdout
        told = json.loads((await call(place, "snippet", "pypi", "--server", running.url, "--json")).stdout)
        result = await call(place, "snippet", "nope", "--server", running.url)
        assert (result.exit_code, result.stderr) == (1, "feedgate: Not found: there is no feed nope\n")
    own = json.loads(place.call("snippet", "other", "--json").stdout)
    assert (list(told), list(told["snippets"])) == (list(own), list(own["snippets"]))
