"""A policy in config.toml: in force at the start, changed by a reload, and left alone by a file with an error (F11)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from proxy.app import App
from proxy.process import reload
from tests.config.loading import loads
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

SETTINGS = """
[server]
port = 0
[feeds.pypi]
kind = "pypi"
policy = "corp"
upstreams = [{{ url = "{index}", allow_private = true, route = "direct", json_api = "" }}]
[feeds.forge]
kind = "conda"
policy = "corp"
subdirs = ["linux-64", "noarch"]
upstreams = [{{ url = "{channel}", allow_private = true, route = "direct" }}]
"""


class Place:
    """A server that was started from a file; both kinds have demo and other."""

    def __init__(self, folder: Path, origin: Origin) -> None:
        index, channel = FakeIndex(origin), FakeChannel(origin)
        index.add(wheel("demo", "1.0"), wheel("other", "1.0"))
        channel.add(bare("demo"), bare("other"))
        self._text = SETTINGS.format(index=index.url, channel=channel.url)
        self.file = folder / "config.toml"
        self.app: App

    def write(self, policy: str) -> None:
        self.file.write_text(self._text + policy)

    async def start(self) -> None:
        loaded = loads(self.file.parent)
        self.app = App(loaded.settings, {}, loaded=loaded)
        await self.app.start()

    async def statuses(self, name: str) -> tuple[int, int]:
        """Return how the page and the package of a name are answered."""
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{self.app.url}/pypi/pypi/simple/{name}/") as page:
                await page.read()
            async with session.get(f"{self.app.url}/conda/forge/linux-64/{name}-1.0-0.conda") as package:
                await package.read()
        return page.status, package.status

    def told(self) -> dict[str, Any]:
        answer: dict[str, Any] = orjson.loads(
            (self.app.settings.server.state_dir / "reload.json").read_bytes()
        )
        return answer


@pytest.fixture
async def place(tmp_path: Path, origin: Origin) -> AsyncIterator[Place]:
    made = Place(tmp_path, origin)
    made.write('[policies.corp]\nblock = ["demo"]\n')
    await made.start()
    yield made
    await made.app.stop()


async def test_changed_policy_is_in_force_in_index_and_gate_at_once(place: Place) -> None:
    assert await place.statuses("demo") == (404, 403)
    assert await place.statuses("other") == (200, 200)
    place.write('[policies.corp]\nblock = ["other"]\n')
    await reload(place.app)
    assert place.told()["ok"] is True
    assert await place.statuses("demo") == (200, 200)
    assert await place.statuses("other") == (404, 403)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ('[policies.corp]\nblock = ["other >>1"]\n', "policies.corp.block[0]"),
        ('[policies.corp]\nblock = ["other"]\nmin_aeg = "7d"\n', 'did you mean "min_age"'),
        ('[policies.crop]\nblock = ["other"]\n', 'feeds.pypi.policy: there is no policy "corp"'),
    ],
)
async def test_file_with_an_error_leaves_the_former_policy_in_force_everywhere(
    place: Place, policy: str, words: str
) -> None:
    place.write(policy)
    await reload(place.app)
    assert place.told()["ok"] is False
    assert any(words in message for message in place.told()["messages"])
    assert await place.statuses("demo") == (404, 403)
    assert await place.statuses("other") == (200, 200)


async def test_reload_says_what_is_hardly_meant(place: Place) -> None:
    place.write('[policies.corp]\nplatforms = ["linux-64"]\n')
    await reload(place.app)
    assert place.told()["ok"] is True
    assert any("does not name noarch" in message for message in place.told()["messages"])


async def test_policy_that_is_taken_away_shows_everything(place: Place) -> None:
    place.file.write_text(place.file.read_text().replace('policy = "corp"\n', ""))
    await reload(place.app)

    assert await place.statuses("demo") == (200, 200)
