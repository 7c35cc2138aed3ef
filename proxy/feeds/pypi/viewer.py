"""What a PyPI feed shows of a name, from what its keeper offers and its policy: every page and the gate ask here.

A view is made once for a shard, a policy and what is known of licences, and is good until a tick may change it; so
index and gate change at the same tick. A name that the policy hides whatever is behind it is never asked for.
"""

import asyncio

from proxy.artifacts.store import BlobStore
from proxy.config.settings import Feed
from proxy.feeds.explained import ArtifactExplained
from proxy.feeds.held import held_bytes
from proxy.feeds.keeper import Absent, How, Keeper, Offer
from proxy.feeds.pypi import shard as stored
from proxy.feeds.pypi.view import NOBODY, Place, PypiView, Ruling, blocked_view, explained_in, view_of
from proxy.feeds.views import Views
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.verdict import Verdict
from proxy.policy.facts import License
from proxy.policy.judge import Judge
from proxy.policy.name_rules import failure
from proxy.policy.settings import Policy

#: What stands in the place of an offer where nobody was asked.
_NO_OFFER = Offer(NOBODY, Sha256(""), How.HIT, 0.0, 0.0)


class Viewer:
    """One feed's views. `views` are shared by all feeds and outlive changed settings."""

    def __init__(
        self, feed: Feed, policy: Policy | None, keeper: Keeper, store: BlobStore, views: Views[PypiView],
        clock: Clock,
    ) -> None:  # fmt: skip
        self.policy = policy
        self._feed = feed
        self._keeper = keeper
        self._store = store
        self._views = views
        self._clock = clock
        self._judge = Judge(policy, "pypi") if policy is not None else None
        self._fingerprint = policy.fingerprint if policy is not None else ""
        #: One at a time: a judge belongs to one thread, and several that wait for a name get the same view.
        self._judging = asyncio.Lock()

    @property
    def fingerprint(self) -> str:
        """What names of views and documents hang on beside the shard: "" without a policy."""
        return self._fingerprint

    def verdict_of(self, name: str) -> Verdict | None:
        """Return the verdict by which the policy hides a normalised name without asking what is behind it."""
        if self._judge is None:
            return None
        try:
            verdict = self._judge.judge_name(name, self._judge.tick_of(self._clock.now()))
        except Exception as err:  # noqa: BLE001 - any failure whatever hides (contract, section 4)
            return failure(err)
        return None if verdict is None or verdict.is_visible else verdict

    async def view(
        self, name: str, *, refresh: bool = False, offline: bool = False
    ) -> tuple[PypiView | None, Offer | Absent]:
        """Return the feed's view of a normalised name, None where nobody has it. `offline`: nobody is asked.

        Raises Problem: the origin's trouble, or a held owner.
        """
        verdict = self.verdict_of(name)
        if verdict is not None and self._judge is not None:
            return blocked_view(self._feed.name, name, self._judge.policy.name, verdict), _NO_OFFER
        offer = None if refresh else self._keeper.peek(self._feed.name, name)
        if offer is None:
            offer = await self._keeper.lookup(self._feed.name, name, refresh=refresh, offline=offline)
        if isinstance(offer, Absent):
            return None, offer
        view = self._known(offer) or await self._made(name, offer)
        if view is None and not offline:
            if refresh:
                raise Problem(
                    "busy", f"the index of {name} could not be kept", feed=self._feed.name, retry_after_s=5
                )
            return await self.view(name, refresh=True)
        return view, offer

    def peek(self, name: str) -> tuple[PypiView | None, Offer | Absent] | None:
        """Return the same at once where it is known and fresh, else None."""
        offer = self._keeper.peek(self._feed.name, name) if self.verdict_of(name) is None else None
        if offer is None or isinstance(offer, Absent):
            return None if offer is None else (None, offer)
        view = self._known(offer)
        return None if view is None else (view, offer)

    def valid_for_s(self, view: PypiView, offer: Offer) -> float:
        """Return for how long an answer from the view may be repeated without asking again."""
        if view.until is None:
            return offer.fresh_for_s
        return min(offer.fresh_for_s, (view.until - self._clock.now()).total_seconds())

    def is_of_policy(self, view: PypiView) -> bool:
        """Tell whether a view was made by the policy that is in force."""
        return view.policy == (self._judge.policy.name if self._judge is not None else None) and (
            self._judge is None or view.state.startswith(self._fingerprint[:16])
        )

    async def explained(self, view: PypiView) -> list[ArtifactExplained]:
        """Return each file of a view with its facts and what every rule says of it."""
        data = await held_bytes(self._store, view.shard) if view.upstream != NOBODY else None
        shard = await asyncio.to_thread(stored.unpack, data) if data is not None else None
        if shard is None:
            return []
        async with self._judging:
            return await asyncio.to_thread(explained_in, shard, view, self._ruling())

    # -- parts ---------------------------------------------------------------------------------------------

    def _key(self, offer: Offer) -> tuple[str, str]:
        # Two upstreams may have the same shard, and a view says whose it is.
        return self._feed.name, f"{offer.upstream} {offer.shard} {self._fingerprint}"

    def _known(self, offer: Offer) -> PypiView | None:
        view = self._views.get(self._key(offer))
        return view if view is not None and view.is_of(self._clock.now()) else None

    async def _made(self, name: str, offer: Offer) -> PypiView | None:
        """Make the view of an offer; None where its shard is not held any more."""
        if self._judge is None:
            return await self._make(name, offer, None)
        async with self._judging:
            return self._known(offer) or await self._make(name, offer, self._ruling())

    def _ruling(self) -> Ruling | None:
        if self._judge is None:
            return None
        licenses: dict[str, License] | None = {} if self._judge.policy.asks_licenses else None
        return Ruling(self._judge, self._judge.tick_of(self._clock.now()), self._fingerprint, licenses)

    async def _make(self, name: str, offer: Offer, ruling: Ruling | None) -> PypiView | None:
        data = await held_bytes(self._store, offer.shard)
        place = Place(self._feed.name, name, offer.upstream, offer.shard)
        view = await asyncio.to_thread(_view_in, data, place, ruling) if data is not None else None
        if view is not None:
            self._views.put(self._key(offer), view, 8 + len(view.kept) + len(view.hidden))
        return view


def _view_in(data: bytes, place: Place, ruling: Ruling | None) -> PypiView | None:
    shard = stored.unpack(data)
    return None if shard is None else view_of(place, shard, ruling)
