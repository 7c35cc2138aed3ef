"""The catalog of an upstream that is a feed of this server: what that feed shows, its policy included.

So a feed that takes from another can only narrow what that one shows (case D07). What it hides comes along with its
verdicts, because a name that is hidden there is still owned there: it never falls to the next upstream. Loops of feeds
are a configuration error, so the chain ends.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import msgspec

from proxy.artifacts.store import BlobStore
from proxy.feeds.curated import CuratedNames
from proxy.feeds.held import held_bytes
from proxy.feeds.keeper import Absent, How, Offer
from proxy.feeds.name_catalog import Held
from proxy.feeds.owners import Owners
from proxy.feeds.pypi import shard as stored
from proxy.feeds.pypi.shard import Shard
from proxy.feeds.pypi.view import NOBODY, PypiView
from proxy.feeds.pypi.viewer import Viewer
from proxy.feeds.view import policy_of, refusal
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.verdict import Verdict

_REMEMBERED = 2_000


class FeedCatalog:
    """Another feed, seen as an upstream. Its viewer is looked up when it is needed: feeds are made together."""

    def __init__(
        self, feed: str, taker: str, viewer_of: Callable[[str], Viewer], owners: Owners | CuratedNames, store: BlobStore
    ) -> None:  # fmt: skip
        self._feed = feed
        #: The feed that it is an upstream of.
        self._taker = taker
        self._viewer_of = viewer_of
        self._owners = owners
        self._store = store
        #: name -> the view that was seen last, and the shard that tells what it shows.
        self._shown: OrderedDict[str, tuple[PypiView, Sha256]] = OrderedDict()

    def peek(self, name: str) -> Held | None:
        known = self._viewer_of(self._feed).peek(name)
        if known is None:
            return None
        view, offer = known
        if view is None or isinstance(offer, Absent):
            return _absent(offer)
        shown = self._known(view)
        return None if shown is None else self._held(view, offer, shown)

    async def find(self, name: str, *, refresh: bool = False, offline: bool = False) -> Held:
        view, offer = await self._viewer_of(self._feed).view(name, refresh=refresh, offline=offline)
        if view is None or isinstance(offer, Absent):
            return _absent(offer)
        if view.upstream == NOBODY and view.verdict is not None:
            # Whether there is such a name was not asked, so nobody knows that the next upstream may have it.
            raise refusal(self._taker, name, _named(view.verdict, view.policy), query=f"spec={name}")
        shown = self._known(view)
        if shown is None or (self._store.peek(shown) is None and await self._store.get(shown) is None):
            shown = await self._keep(view)
        if shown is not None:
            return self._held(view, offer, shown)
        if refresh:
            raise Problem("busy", f"the index of {name} could not be kept", retry_after_s=5)
        return await self.find(name, refresh=True, offline=offline)

    async def has_listed(self, name: str) -> bool:
        return await self._owners.has_listed(name)

    async def amend(self, name: str, edit: Callable[[bytes], bytes | None]) -> None:
        owned = await self._owners.find(name, offline=True)
        if owned.upstream is not None:
            await self._owners.amend(owned.upstream, name, edit)

    # -- parts ---------------------------------------------------------------------------------------------

    def _held(self, view: PypiView, offer: Offer, shown: Sha256) -> Held:
        fresh_for_s = self._viewer_of(self._feed).valid_for_s(view, offer)
        return Held(shown, offer.how, offer.age_s, fresh_for_s, offer.is_empty)

    def _known(self, view: PypiView) -> Sha256 | None:
        if view.policy is None and view.verdict is None:
            # All of it is shown that is not hidden there already.
            return view.shard
        known = self._shown.get(view.name)
        return known[1] if known is not None and known[0] is view else None

    async def _keep(self, view: PypiView) -> Sha256 | None:
        """Keep the shard that tells what the view shows; None where what it was made from is not held any more."""
        data = await held_bytes(self._store, view.shard)
        packed = await asyncio.to_thread(_packed, data, view) if data is not None else None
        if packed is None:
            return None
        shown = (await self._store.put(packed)).digest
        self._shown[view.name] = (view, shown)
        self._shown.move_to_end(view.name)
        if len(self._shown) > _REMEMBERED:
            self._shown.popitem(last=False)
        return shown


def _packed(data: bytes, view: PypiView) -> bytes | None:
    """Return the shard as the view shows it; what is hidden keeps its verdict, and says whose it is."""
    shard = stored.unpack(data)
    return None if shard is None else stored.pack(narrowed(shard, view))


def narrowed(shard: Shard, view: PypiView) -> Shard:
    hidden = {path: _named(verdict, view.policy) for path, verdict in view.hidden.items()}
    verdict = _named(view.verdict, view.policy) if view.verdict is not None else None
    return msgspec.structs.replace(shard, project=view.listing, hidden=hidden, verdict=verdict, dropped={})


def _named(verdict: Verdict, own: str | None) -> Verdict:
    return replace(verdict, policy=policy_of(verdict, own))


def _absent(offer: Offer | Absent) -> Held:
    how = offer.how if isinstance(offer, Offer) else How.HIT
    age_s = offer.age_s if isinstance(offer, Offer) else 0.0
    return Held(None, how, age_s, offer.fresh_for_s)
