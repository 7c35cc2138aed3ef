"""What an origin says of caching, and a CDN's `Age` (RFC 9111): `Age` counts against `ttl`, `max-age` does not matter,
`no-store` and `private` pages are held for the next conditional request only, and for an origin that fails."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.turned_clock import TurnedClock
from tests.support.faults import UNAVAILABLE
from tests.support.gateway import Gateway, Got, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

PAGE = "/pypi/pypi/simple/demo/"
TTL_S = 600.0


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


class Scene:
    """One page of an origin with these fields, behind a server with a clock to turn."""

    def __init__(self, origin: Origin, folder: Path, cache_control: str | None, **fields: str) -> None:
        self.index = FakeIndex(origin)
        self.index.add(wheel("demo", "1.0"))
        self.index.reshape(cache_control=cache_control, headers=tuple(fields.items()))
        self.clock = TurnedClock()
        self.clock.freeze()
        self.gateway = Gateway(folder, feed(upstream(self.index.url, ttl_s=TTL_S)), clock=self.clock)
        self._origin = origin

    async def page(self) -> Got:
        return await self.gateway.get(PAGE, Accept=JSON)

    @property
    def asked(self) -> int:
        return self._origin.hits(self.index.page_path("demo"))


@pytest.mark.parametrize(
    "cache_control", [None, "max-age=0", "max-age=99999, public", "no-cache", 'private="x-y"']
)
async def test_a_page_is_fresh_for_ttl_whatever_max_age_says(
    origin: Origin, tmp_path: Path, cache_control: str | None
) -> None:
    scene = Scene(origin, tmp_path, cache_control)
    async with scene.gateway:
        await scene.page()
        scene.clock.advance(TTL_S - 1)
        assert ((await scene.page()).cache, scene.asked) == ("feedgate; hit", 1)
        scene.clock.advance(2)
        await scene.page()
        assert scene.asked == 2


@pytest.mark.parametrize(
    ("age", "fresh_s"), [("0", 600), ("590", 10), ("600", 0), ("9" * 19, 0), ("-5", 600), ("x", 600)]
)
async def test_the_age_of_an_answer_counts_against_ttl(
    origin: Origin, tmp_path: Path, age: str, fresh_s: int
) -> None:
    scene = Scene(origin, tmp_path, None, Age=age)
    async with scene.gateway:
        await scene.page()
        if fresh_s > 1:
            scene.clock.advance(fresh_s - 1)
            assert ((await scene.page()).cache, scene.asked) == ("feedgate; hit", 1)
            scene.clock.advance(2)
        got = await scene.page()
        assert scene.asked == 2
        # It is the age of a confirmation as well.
        if age == "590":
            assert int(got.headers.get("age", "590")) >= 590
            scene.clock.advance(9)
            await scene.page()
            assert scene.asked == 2


@pytest.mark.parametrize(
    "cache_control", ["no-store", "private", "Private, max-age=600", "max-age=600 , NO-STORE"]
)
async def test_a_page_for_one_only_is_asked_for_every_time(
    origin: Origin, tmp_path: Path, cache_control: str
) -> None:
    scene = Scene(origin, tmp_path, cache_control)
    async with scene.gateway:
        for count in (1, 2, 3):
            assert (await scene.page()).status == 200
            assert scene.asked == count
        requests = [each for each in origin.requests if each.path == scene.index.page_path("demo")]
        assert ["if-none-match" in each.headers for each in requests] == [False, True, True]
        # Over a restart, too.
        await scene.gateway.restart()
        await scene.page()
        assert scene.asked == 4
        # No copy is shown before the origin's word, however slow that is.
        scene.index.add(wheel("demo", "2.0"))
        assert len((await scene.page()).json()["files"]) == 2
        # While the origin fails it is better than nothing (contract, section 3).
        origin.always(scene.index.page_path("demo"), UNAVAILABLE)
        got = await scene.page()
        assert (got.status, got.cache) == (200, "feedgate; hit; fwd=stale")


async def test_a_confirmation_may_change_what_may_be_done(origin: Origin, tmp_path: Path) -> None:
    scene = Scene(origin, tmp_path, "private")
    async with scene.gateway:
        await scene.page()
        scene.index.reshape(cache_control="public")
        await scene.page()
        await scene.page()
        assert scene.asked == 2
