"""The catalog of an upstream that is a feed of this server: what that feed's owners offer.

Loops of feeds are a configuration error, so the chain ends.
"""

from collections.abc import Callable

from proxy.feeds.name_catalog import Held
from proxy.feeds.owners import Owned, Owners


class FeedCatalog:
    """Another feed, seen as an upstream."""

    def __init__(self, owners: Owners) -> None:
        self._owners = owners

    def peek(self, name: str) -> Held | None:
        owned = self._owners.peek(name)
        return None if owned is None else _held(owned)

    async def find(self, name: str, *, refresh: bool = False, offline: bool = False) -> Held:
        return _held(await self._owners.find(name, refresh=refresh, offline=offline))

    async def amend(self, name: str, edit: Callable[[bytes], bytes | None]) -> None:
        owned = await self._owners.find(name, offline=True)
        if owned.upstream is not None:
            await self._owners.amend(owned.upstream, name, edit)


def _held(owned: Owned) -> Held:
    if owned.upstream is not None:
        return owned.held
    return Held(None, owned.held.how, owned.held.age_s, owned.held.fresh_for_s)
