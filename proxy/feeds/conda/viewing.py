"""The views of one conda feed, made off the loop and remembered for as long as nothing that they are made of changes.

A policy's generation may take seconds to compose. Until it is there the gate judges by itself, where one upstream has
every name and no verdict hangs on other names: the same rules on the same records, so that the generation will show
just what was let through.
"""

import asyncio
from collections.abc import Callable

from proxy.conda.pack import BadPack
from proxy.feeds.conda.channel import Channel
from proxy.feeds.conda.edition import Edition, HeldSubdir
from proxy.feeds.conda.finding import PATIENCE_S
from proxy.feeds.conda.view import CondaView, judged_view, view_of
from proxy.feeds.views import Views
from proxy.model.problem import Problem


class Viewing:
    """Makes and remembers views; `views` is shared by all feeds."""

    def __init__(self, channel: Channel, views: Views[CondaView]) -> None:
        self._channel = channel
        self._feed = channel.feed.name
        self._views = views

    async def of(self, edition: Edition, name: str) -> CondaView:
        """Return what an edition shows of a name. Raises BadPack."""
        # The same records may come from another upstream after a reload.
        source = " ".join(
            (edition.generation.stem, *edition.upstreams, *_rules_of(edition), *_ahead_of(edition))
        )
        return await self._made(edition.subdir, name, source, lambda: view_of(self._feed, edition, name))

    async def ahead(self, subdir: str, name: str, *, offline: bool) -> tuple[Edition, CondaView] | None:
        """Return what the edition that is being made will show of a name; None where there is nothing to wait for.

        Raises Problem.
        """
        if self._channel.ruling is None or self._channel.peek(subdir) is not None:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                held = await self._channel.unmade(subdir, offline=offline)
        except TimeoutError:
            detail = f"{subdir} is being fetched"
            raise Problem("preparing", detail, feed=self._feed, retry_after_s=10) from None
        if held is None:
            return None
        try:
            return await self._judged(subdir, name, held)
        except BadPack:
            return None  # whoever composes the edition finds it damaged as well, and has it fetched anew

    async def _judged(self, subdir: str, name: str, held: HeldSubdir) -> tuple[Edition, CondaView]:
        ruling, generation = self._channel.ruling, held.generation
        assert ruling is not None and generation is not None
        upstream = self._channel.feed.upstreams[0].id
        source = f"ahead {generation.stem} {upstream} {ruling.fingerprint} {ruling.tick_ms}"
        view = await self._made(
            subdir, name, source, lambda: judged_view(self._feed, subdir, upstream, held, ruling, name)
        )
        return Edition(subdir, generation, held.folder, (upstream,), held.how, held.age_s, 0.0), view

    async def _made(self, subdir: str, name: str, source: str, make: Callable[[], CondaView]) -> CondaView:
        key = (f"{self._feed}/{subdir}/{name}", source)
        view = self._views.get(key)
        if view is None:
            view = await asyncio.to_thread(make)
            self._views.put(key, view, 8 + len(view.kept) + len(view.hidden))
        return view


def _ahead_of(edition: Edition) -> tuple[str, ...]:
    """Return what else the view of an edition that stands in for another hangs on: what there is now, and the tick."""
    if not edition.is_behind:
        return ()
    tick = str(edition.ruling.tick_ms) if edition.ruling is not None else ""
    return tick, *(held.generation.stem for held in edition.below if held.generation is not None)


def _rules_of(edition: Edition) -> tuple[str, ...]:
    """Return what a view hangs on beside records: a policy's, and the policies of feeds that are upstreams."""
    inner = [held.edition for held in edition.below if held.edition is not None]
    below = tuple(text for each in inner for text in _rules_of(each))
    ruling = edition.ruling
    return below if ruling is None else (ruling.fingerprint, str(edition.until_ms), *below)
