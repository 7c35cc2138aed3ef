"""A conda feed with a policy, in front of a fake channel.

ruled.channel.add(bare("tk"))
await ruled.start(block=["tk"])
assert await ruled.shown() == set()            # in every index form, and at the gate
await ruled.change(block=[])                   # a reload with another policy
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import rattler

from proxy.config.settings import Feed, Upstream
from tests.conda_feed.readback import FORMS
from tests.conda_feed.stand import Stand
from tests.policy.made import policy
from tests.support.channel import FakeChannel
from tests.support.gateway import Got

#: Imported before there is a loop: specs bring it along, and a server reads its settings in a thread.
assert rattler
#: A quarter of an hour: the ticks of conda.
TICK_S = 900.0


class Ruled:
    """The stand, whose feed `chan` has the policy `corp`."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.channel: FakeChannel = stand.channel

    def feed(self, *upstreams: Upstream, **changes: Any) -> Feed:
        return self.stand.feed(*upstreams, policy="corp", **changes)

    async def start(self, *feeds: Feed, **table: Any) -> None:
        """Start with the feeds given, else with one of the channel; the keys are the policy's."""
        await self.stand.start(*(feeds or (self.feed(),)), policies=[policy(**table)])

    async def change(self, *feeds: Feed, settle: bool = True, **table: Any) -> None:
        """Put another policy in force, as a reload does."""
        kept = tuple(self.stand.gateway.settings.feeds.values())
        self.stand.gateway.reload(*(feeds or kept), policies=[policy(**table)])
        if settle:
            await self.stand.settled()

    async def attach(self, **table: Any) -> None:
        """Give the policy to a feed that has none."""
        feeds = self.stand.gateway.settings.feeds.values()
        self.stand.gateway.reload(
            *(replace(each, policy="corp") for each in feeds), policies=[policy(**table)]
        )
        await self.stand.settled()

    # -- looking

    async def shown(self, *subdirs: str, feed: str = "chan") -> set[str]:
        """Return `subdir/file` of what is shown; every form lists the same, and just that downloads."""
        found: set[str] = set()
        for subdir in subdirs or ("linux-64", "noarch"):
            forms = [await self.stand.files(subdir, form, feed=feed) for form in FORMS]
            assert forms[0] == forms[1] == forms[2], f"the forms of {subdir} do not agree"
            found |= {f"{subdir}/{file}" for file in forms[0]}
        hosted = {
            path for path in self.channel.hosted if path.split("/")[0] in (subdirs or ("linux-64", "noarch"))
        }
        statuses = await asyncio.gather(*(self.stand.get(path, feed=feed) for path in sorted(hosted)))
        loads = {path for path, got in zip(sorted(hosted), statuses, strict=True) if got.status == 200}
        assert loads == found & hosted, "the gate and the index do not agree"
        return found

    async def names(self, *subdirs: str) -> set[str]:
        """Return the names of which something is shown."""
        return {path.split("/")[1].rsplit("-", 2)[0] for path in await self.shown(*subdirs)}

    async def listed(self, name: str, feed: str = "chan") -> dict[str, Any]:
        """Return what the API tells of a name: artifact -> verdict."""
        got = await self.stand.gateway.get(f"/api/v1/feeds/{feed}/packages/{name}")
        assert got.status == 200, got.body
        return {item["artifact"]: item["verdict"] for item in got.json()["items"]}


def refused(got: Got, rule: str, word: str = "blocked") -> None:
    """Assert that a file is refused by a rule, without a word of its digest or size."""
    assert got.status == 403, (got.status, got.body[:300])
    told = got.json()
    assert (told["type"], told["rule"]) == (f"urn:feedgate:{word}", rule), told
    assert not {"etag", "accept-ranges"} & got.headers.keys()


def files(paths: Iterable[str]) -> set[str]:
    """Return the file names of paths."""
    return {path.split("/")[1] for path in paths}
