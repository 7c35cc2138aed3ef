"""What makes curated feeds live: promotions, reviews, the vault's filling, the watch over sources. Built once.

The feeds that it speaks of are those of the site in force, whichever that is.
"""

from collections.abc import Callable, Mapping

from proxy.base import Base
from proxy.feeds.conda.comparing import CondaComparing
from proxy.feeds.conda.depending import CondaDepending
from proxy.feeds.conda.feed import CondaFeed
from proxy.feeds.conda.selecting import CondaSelecting
from proxy.feeds.promotion.comparing import Comparing
from proxy.feeds.promotion.depending import Depending
from proxy.feeds.promotion.lacks import Lacks
from proxy.feeds.promotion.promotions import Ground, Promotions
from proxy.feeds.promotion.reviews import Reviews
from proxy.feeds.promotion.revocations import Revocations
from proxy.feeds.promotion.selecting import Selecting
from proxy.feeds.promotion.watch import Watch
from proxy.feeds.pypi.comparing import PypiComparing
from proxy.feeds.pypi.depending import PypiDepending
from proxy.feeds.pypi.feed import PypiFeed
from proxy.feeds.pypi.selecting import PypiSelecting
from proxy.feeds.vaulting import Vaulting
from proxy.site import Site
from proxy.web.api.approvals import ApprovalsApi
from proxy.web.api.explain import ExplainApi
from proxy.web.api.promotions import PromotionsApi
from proxy.web.api.revocations import RevocationsApi
from proxy.web.api.served import Served


class Curating:
    """`site` gives the one in force."""

    def __init__(self, base: Base, site: Callable[[], Site]) -> None:
        self._site = site
        self._grounds: tuple[Site, Ground] | None = None
        self.approvals = base.approvals
        self.vaulting = Vaulting(
            base.approvals, base.vault, base.store, base.clock, base.tally,
            lambda: site().keeper, lambda: site().settings.feeds,
        )  # fmt: skip
        self._selecting: Mapping[str, Selecting] = {
            "pypi": PypiSelecting(self._pypi, lambda: site().keeper, base.store, base.approvals),
            "conda": CondaSelecting(self._conda, lambda: site().keeper),
        }
        comparing: Mapping[str, Comparing] = {
            "pypi": PypiComparing(self._pypi), "conda": CondaComparing(self._conda),
        }  # fmt: skip
        depending: Mapping[str, Depending] = {
            "pypi": PypiDepending(lambda: site().keeper, lambda: site().pypi_keeper, base.store),
            "conda": CondaDepending(),
        }  # fmt: skip
        self.revocations = Revocations(base.approvals, base.clock, lambda: depending)
        self._lacks = Lacks(base.approvals, lambda: depending)
        self.promotions = Promotions(base.approvals, self.vaulting, base.clock, self._ground)
        self.reviews = Reviews(base.approvals, base.clock)
        self.watch = Watch(
            base.approvals,
            base.refreshes,
            base.clock,
            base.tally,
            lambda: site().settings.feeds,
            lambda: comparing,
        )

    def nouns(self, served: Served) -> tuple[PromotionsApi, ApprovalsApi, RevocationsApi, ExplainApi]:
        """Return the management API's part."""
        approvals = ApprovalsApi(served, self.approvals, self.reviews, self.vaulting)
        return (
            PromotionsApi(served, self.promotions, self.approvals),
            approvals,
            RevocationsApi(served, self.revocations, approvals.answer),
            ExplainApi(served, self._lacks),
        )

    def start(self) -> None:
        """Begin the work in the background, once the base is open."""
        self.vaulting.start()
        self.watch.start()

    async def close(self) -> None:
        await self.watch.close()
        await self.vaulting.close()

    def _pypi(self, name: str) -> PypiFeed | None:
        return self._site().pypi_feed(name)

    def _conda(self, name: str) -> CondaFeed | None:
        return self._site().conda_feed(name)

    def _ground(self) -> Ground:
        site = self._site()
        if self._grounds is None or self._grounds[0] is not site:
            self._grounds = site, Ground(site.settings.feeds, self._selecting)
        return self._grounds[1]
