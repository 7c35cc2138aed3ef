"""The watch over earlier upstreams of a name that has an owner."""

import asyncio
from collections.abc import Callable

from proxy.config.settings import Upstream
from proxy.feeds.keeper import How
from proxy.feeds.name_catalog import Held
from proxy.feeds.owners import Owners
from proxy.feeds.troubles import Troubles
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.tally import Tally
from tests.support.clock import FakeClock
from tests.support.gateway import feed

HAS = Held(Sha256("0" * 64), How.HIT, 0.0, 60.0)


class Catalog:
    """Answers, or has the trouble."""

    def __init__(self, trouble: Problem | None = None) -> None:
        self._trouble = trouble

    def peek(self, name: str) -> Held | None:
        return None

    async def find(self, name: str, *, refresh: bool = False, offline: bool = False) -> Held:
        if self._trouble is not None:
            raise self._trouble
        return HAS

    async def has_listed(self, name: str) -> bool:
        return True

    async def amend(self, name: str, edit: Callable[[bytes], bytes | None]) -> None:
        raise AssertionError


class Register:
    async def of(self, feed: str, name: str) -> str | None:
        return "owner"

    async def set(self, feed: str, name: str, upstream: str) -> None:
        raise AssertionError


async def test_an_earlier_feed_that_holds_the_name_back_is_no_fault_of_the_watch() -> None:
    catalogs = {"earlier": Catalog(Problem("held", "no")), "owner": Catalog()}
    owners = Owners(
        feed(Upstream("earlier"), Upstream("owner")), catalogs, Register(), Tally(), Troubles(FakeClock())
    )
    assert (await owners.find("demo")).upstream == "owner"
    (watch,) = (task for task in asyncio.all_tasks() if task.get_name() == "watch owner")
    await asyncio.wait({watch})
    assert watch.exception() is None
