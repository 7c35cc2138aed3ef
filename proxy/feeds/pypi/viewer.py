"""What a PyPI feed shows of a name, from what its keeper offers and its policy: every page and the gate ask here.

A view is made once for a shard, a policy and what is known of licences, and is good until a tick may change it; so
index and gate change at the same tick. A name that the policy hides whatever is behind it is never asked for.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from proxy.artifacts.store import BlobStore
from proxy.config.settings import Feed
from proxy.feeds.explained import ArtifactExplained
from proxy.feeds.held import held_bytes
from proxy.feeds.keeper import Absent, How, Keeper, Offer
from proxy.feeds.promotion.comparing import Refreshes
from proxy.feeds.pypi import shard as stored
from proxy.feeds.pypi.learning import Learning
from proxy.feeds.pypi.licenses import Licenses, one_of_each_version
from proxy.feeds.pypi.needs import Needs
from proxy.feeds.pypi.shard import Shard
from proxy.feeds.pypi.view import KINDS, NOBODY, Place, PypiView, Ruling, blocked_view, explained_in, view_of
from proxy.feeds.troubles import Troubles
from proxy.feeds.views import Views
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.verdict import Verdict
from proxy.policy.judge import Judge
from proxy.policy.licenses import NOT_KNOWN_YET
from proxy.policy.name_rules import failure
from proxy.policy.only import Needed
from proxy.policy.settings import Policy
from proxy.pypi.distribution import Distribution

#: What stands in the place of an offer where nobody was asked.
NO_OFFER = Offer(NOBODY, Sha256(""), How.HIT, 0.0, 0.0)
_UNTOLD = "its licence could not be looked up"
#: So long a name waits that may be needed by a package list.
_NEEDS_S = 10.0


class Viewer:
    """One feed's views. `views` are shared by all feeds and outlive changed settings."""

    def __init__(
        self, feed: Feed, policy: Policy | None, keeper: Keeper, store: BlobStore, views: Views[PypiView],
        clock: Clock, licenses: Licenses, refreshes: Refreshes, needed: Needed | None = None,
        troubles: Troubles | None = None,
    ) -> None:  # fmt: skip
        #: What is wrong with projects that were looked at, those of the viewer before it included.
        self.troubles = troubles or Troubles(clock)
        self.policy = policy
        self._feed = feed
        self._keeper = keeper
        self._store = store
        self._views = views
        self._clock = clock
        self._licenses = licenses
        self._asks_licenses = policy is not None and policy.asks_licenses
        self._learning = Learning(licenses, self._again)
        self._refreshes = refreshes
        self._judge = Judge(policy, "pypi", needed) if policy is not None else None
        #: What names of views and documents hang on beside the shard.
        self._fingerprint = _fingerprint(policy, "" if needed is None else "everything")
        #: What the policy's list needs; None where it does not ask for that.
        self.needs: Needs | None = None
        self._needed = "unknown"
        #: Called when a view is made anew: what was answered a moment ago is not to be repeated beside it.
        self.on_change: Callable[[], None] = lambda: None
        #: One at a time: a judge belongs to one thread, and several that wait for a name get the same view.
        self._judging = asyncio.Lock()

    @property
    def licenses(self) -> Licenses:
        """What is known of licences."""
        return self._licenses

    def take_needs(self, needs: Needs) -> None:
        """Show what the policy's package list needs, too."""
        self.needs = needs
        self._rejudge(needs)

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
        self, name: str, *, refresh: bool = False, offline: bool = False, whole: bool = True
    ) -> tuple[PypiView | None, Offer | Absent]:
        """Return the feed's view of a normalised name, None where nobody has it. `offline`: nobody is asked.

        `whole`: facts that the index does not tell are looked up for all files, not for one that is `asked` only.
        Raises Problem: the origin's trouble, or a held owner.
        """
        verdict = self.verdict_of(name)
        if self.needs is not None:
            verdict = await self._with_needs(self.needs, name, verdict, offline=offline)
        if verdict is not None and self._judge is not None:
            return blocked_view(self._feed.name, name, self._judge.policy.name, verdict), NO_OFFER
        offer = None if refresh else self._keeper.peek(self._feed.name, name)
        if offer is None:
            offer = await self._keeper.lookup(self._feed.name, name, refresh=refresh, offline=offline)
        if isinstance(offer, Absent):
            self._refreshes.tell(self._feed.name, name)
            return None, offer
        view = self._known(offer) or await self._made(name, offer)
        if view is None and not offline:
            if refresh:
                raise Problem(
                    "busy", f"the index of {name} could not be kept", feed=self._feed.name, retry_after_s=5
                )
            return await self.view(name, refresh=True, whole=whole)
        if whole and view is not None and view.wanted and not (offline or self._feed.offline):
            view = await self._learning.waited(view)
        return view, offer

    async def asked(self, view: PypiView, path: str) -> PypiView:
        """Return the view after the fact was looked up that alone keeps a file from being judged, if there is one."""
        return view if self._feed.offline else await self._learning.asked(view, path)

    async def learned(
        self, view: PypiView, files: Sequence[Distribution], turns: asyncio.Semaphore
    ) -> PypiView:
        """Return the view of the same shard after the licences of these files were looked up, as far as they came.

        For who needs the truth about these files and waits for it, however long that is.
        """
        if self._feed.offline:
            return view
        await self._licenses.learn(view, files, is_asked_for=True, turns=turns)
        offer = Offer(view.upstream, view.shard, How.HIT, 0.0, 0.0)
        return self._known(offer) or await self._made(view.name, offer) or view

    def told_of(self, file: Distribution, verdict: Verdict) -> Verdict:
        """Return the verdict on a file with the reason why its licence is not known, if that is what it waits for."""
        if verdict != NOT_KNOWN_YET:
            return verdict
        trouble = "this feed is offline" if self._feed.offline else self._licenses.trouble(file)
        why = f"{_UNTOLD}: {trouble}" if trouble else verdict.reason
        return replace(verdict, reason=why)

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop what is under way, after waiting that long for it."""
        await self._learning.close(grace_s)
        if self.needs is not None:
            await self.needs.close(grace_s)

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
        ruling = await self._ruling(view.upstream, view.name)
        async with self._judging:
            return await asyncio.to_thread(explained_in, shard, view, ruling)

    async def shard(self, name: str, *, refresh: bool = False) -> tuple[Shard, Offer] | None:
        """Return what is behind the feed's view of a name, None where nobody has it. Raises Problem."""
        for is_anew in (refresh, True):
            offer = await self._keeper.lookup(self._feed.name, name, refresh=is_anew)
            if isinstance(offer, Absent):
                return None
            data = await held_bytes(self._store, offer.shard)
            shard = await asyncio.to_thread(stored.unpack, data) if data is not None else None
            if shard is not None:
                return shard, offer
        raise Problem("busy", f"the index of {name} could not be kept", feed=self._feed.name, retry_after_s=5)

    async def judged(self, shard: Shard, source: PypiView | None, turns: asyncio.Semaphore) -> PypiView:
        """Return the view that the feed would have of a shard that it does not have (yet).

        `source` is the view that its files were taken from: licences are looked up there.
        """
        upstream = source.upstream if source is not None else NOBODY
        view = await self._supposed(shard, upstream)
        if view.wanted and source is not None:
            asked = one_of_each_version(view.wanted)
            await self._licenses.learn(source, asked, is_asked_for=True, turns=turns)
            view = await self._supposed(shard, upstream)
        return view

    # -- parts ---------------------------------------------------------------------------------------------

    async def _supposed(self, shard: Shard, upstream: str) -> PypiView:
        place = Place(self._feed.name, shard.project.name, NOBODY, Sha256(""))
        ruling = await self._ruling(upstream, shard.project.name)
        async with self._judging:
            return await asyncio.to_thread(view_of, place, shard, ruling)

    async def _with_needs(
        self, needs: Needs, name: str, verdict: Verdict | None, *, offline: bool
    ) -> Verdict | None:
        """Return the verdict on a name once it is known what the list needs, or for so long as anybody waits."""
        working = None if offline else needs.work_soon()
        if (
            verdict is not None
            and working is not None
            and (needs.known is None or not needs.known.is_complete)
        ):
            await asyncio.wait({working}, timeout=_NEEDS_S)
        if needs.digest != self._needed:
            self._rejudge(needs)
            verdict = self.verdict_of(name)
        if verdict is None:
            needs.meet(name)
        return verdict

    def _rejudge(self, needs: Needs) -> None:
        assert self.policy is not None
        self._judge = Judge(self.policy, "pypi", needs.known)
        self._needed = needs.digest
        self._fingerprint = _fingerprint(self.policy, needs.digest)
        self.on_change()

    def _key(self, offer: Offer, fingerprint: str) -> tuple[str, str]:
        # Two upstreams may have the same shard, and a view says whose it is.
        return self._feed.name, f"{offer.upstream} {offer.shard} {fingerprint}"

    def _known(self, offer: Offer) -> PypiView | None:
        view = self._views.get(self._key(offer, self._fingerprint))
        if view is None or not view.is_of(self._clock.now()):
            return None
        is_all = not self._asks_licenses or view.learned == self._licenses.revision(view.upstream, view.name)
        return view if is_all else None

    async def _made(self, name: str, offer: Offer) -> PypiView | None:
        """Make the view of an offer; None where its shard is not held any more."""
        if self._judge is None:
            return await self._make(name, offer, None)
        async with self._judging:
            # What is known is recalled first: without it no view is known to be up to date.
            ruling = await self._ruling(offer.upstream, name)
            return self._known(offer) or await self._make(name, offer, ruling)

    async def _ruling(self, upstream: str, name: str) -> Ruling | None:
        if self._judge is None:
            return None
        licenses = await self._licenses.of(upstream, name) if self._asks_licenses else None
        tick_ms = self._judge.tick_of(self._clock.now())
        return Ruling(self._judge, tick_ms, self._fingerprint, licenses, len(licenses or ()))

    async def _again(self, view: PypiView) -> PypiView:
        """Return the view as it is by now; the shard may have changed, too."""
        current = self._keeper.peek(self._feed.name, view.name)
        offer = current if isinstance(current, Offer) else Offer(view.upstream, view.shard, How.HIT, 0.0, 0.0)
        return self._known(offer) or await self._made(view.name, offer) or view

    async def _make(self, name: str, offer: Offer, ruling: Ruling | None) -> PypiView | None:
        data = await held_bytes(self._store, offer.shard)
        place = Place(self._feed.name, name, offer.upstream, offer.shard)
        view = await asyncio.to_thread(_view_in, data, place, ruling) if data is not None else None
        if view is not None:
            self._refreshes.tell(self._feed.name, name)
            self.on_change()
            self._note(view)
            fingerprint = ruling.fingerprint if ruling is not None else ""
            self._views.put(self._key(offer, fingerprint), view, 8 + len(view.kept) + len(view.hidden))
        return view

    def _note(self, view: PypiView) -> None:
        """Note what is wrong with a project, and forget what is well again."""
        for trouble in view.troubles:
            self.troubles.note(view.name, *trouble)
        present = {trouble.kind for trouble in view.troubles}
        self.troubles.forget(view.name, *(kind for kind in KINDS if kind not in present))


def is_untold(verdict: Verdict) -> bool:
    """Tell whether a verdict would be another if a licence were known."""
    reasons = NOT_KNOWN_YET.reason, _UNTOLD
    return verdict.rule == NOT_KNOWN_YET.rule and verdict.reason.startswith(reasons)


def _fingerprint(policy: Policy | None, needed: str) -> str:
    """Return the name of what judges: "" for nothing."""
    if policy is None or not needed:
        return "" if policy is None else policy.fingerprint
    return hashlib.sha256(f"{policy.fingerprint} {needed}".encode()).hexdigest()


def _view_in(data: bytes, place: Place, ruling: Ruling | None) -> PypiView | None:
    shard = stored.unpack(data)
    return None if shard is None else view_of(place, stored.served(shard), ruling)
