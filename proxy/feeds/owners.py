"""Finding the owner of a name among a feed's catalogs, and remembering it.

The rule is in `ownership`; here the catalogs are asked, one after the other, so that a name that belongs to a
private upstream is never mentioned to a public one. Who answers an empty page for what he does not know owns nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.config.settings import Feed, Upstream
from proxy.feeds.keeper import How
from proxy.feeds.name_catalog import Held
from proxy.feeds.ownership import candidates
from proxy.feeds.shared import finish
from proxy.feeds.troubles import Troubles
from proxy.model.problem import Problem
from proxy.model.tally import Tally
from proxy.upstream.errors import UpstreamError

_LOG = logging.getLogger("feedgate.owners")
_HELD, _KEPT = "names are held for their owners", "names stay with their owners"


class Catalog(Protocol):
    """What an upstream offers, however its index is made."""

    def peek(self, name: str) -> Held | None: ...

    async def find(self, name: str, *, refresh: bool = False, offline: bool = False) -> Held: ...

    async def has_listed(self, name: str) -> bool:
        """Tell whether it ever listed a file of the name."""
        ...

    async def amend(self, name: str, edit: Callable[[bytes], bytes | None]) -> None: ...


class Register(Protocol):
    """The remembered owners (state)."""

    async def of(self, feed: str, name: str) -> str | None: ...

    async def set(self, feed: str, name: str, upstream: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Owned:
    """The owner's answer; `upstream` is None when nobody has the name."""

    upstream: str | None
    held: Held

    @property
    def is_found(self) -> bool:
        """Whether the upstream lists anything under the name."""
        return self.upstream is not None and not self.held.is_empty


class Owners:
    """The names of one feed."""

    def __init__(
        self, feed: Feed, catalogs: Mapping[str, Catalog], register: Register, tally: Tally, troubles: Troubles
    ) -> None:  # fmt: skip
        self._feed = feed
        self._catalogs = catalogs
        self._register = register
        self._tally = tally
        #: The names of which the owner is in question.
        self.troubles = troubles
        self._watched: dict[str, asyncio.Task[None]] = {}

    def peek(self, name: str) -> Owned | None:
        """Return the answer at once where only one upstream may have the name and its answer is fresh."""
        able = candidates(self._feed, name)
        if not able:
            return Owned(None, Held(None, How.HIT, 0.0, 60.0))
        if len(self._feed.upstreams) > 1:
            return None
        held = self._catalogs[able[0].id].peek(name)
        return None if held is None else Owned(able[0].id if held.shard else None, held)

    async def find(self, name: str, *, refresh: bool = False, offline: bool = False) -> Owned:
        """Return the owner's answer. Raises UpstreamError when it cannot be known, Problem when it is held.

        `offline`, which a feed's own setting is as well: nothing is asked, here or further on.
        """
        able = candidates(self._feed, name)
        offline = offline or self._feed.offline
        if len(self._feed.upstreams) <= 1:
            return await self._first(able, name, refresh=refresh, offline=offline)
        remembered = await self._register.of(self._feed.name, name)
        owner = next((upstream for upstream in able if upstream.id == remembered), None)
        if owner is None:
            return await self._decide(able, name, refresh=refresh, offline=offline)
        held = await self._catalogs[owner.id].find(name, refresh=refresh, offline=offline)
        if offline:
            return Owned(owner.id if held.shard is not None else None, held)
        if held.shard is not None and not held.is_empty:
            self.troubles.forget(name, _HELD)
            self._watch(able[: able.index(owner)], owner, name)
            return Owned(owner.id, held)
        if not await self._catalogs[owner.id].has_listed(name):
            return await self._decide(able, name, refresh=refresh, offline=False)
        if held.shard is not None:
            return Owned(owner.id, held)
        await self._refuse_successor(owner, able, name)
        return Owned(None, held)

    async def _first(
        self, able: tuple[Upstream, ...], name: str, *, refresh: bool = False, offline: bool = False
    ) -> Owned:
        """Return the answer of the first that lists anything; of the first that has an empty page, if none does."""
        lacking, empty = Held(None, How.HIT, 0.0, 60.0), None
        for upstream in able:
            held = await self._catalogs[upstream.id].find(name, refresh=refresh, offline=offline)
            if held.shard is None:
                lacking = held
            elif held.is_empty:
                empty = empty or Owned(upstream.id, held)
            else:
                return Owned(upstream.id, held)
        return empty or Owned(None, lacking)

    async def _decide(self, able: tuple[Upstream, ...], name: str, *, refresh: bool, offline: bool) -> Owned:
        owned = await self._first(able, name, refresh=refresh, offline=offline)
        # What one upstream happens to hold says nothing about who would come first.
        owner = owned.upstream if owned.is_found and not offline else None
        if owner is not None:
            self.troubles.forget(name, _HELD, _KEPT)
            await self._register.set(self._feed.name, name, owner)
        return owned

    def _watch(self, earlier: tuple[Upstream, ...], owner: Upstream, name: str) -> None:
        """Notice, without making anybody wait, that an upstream before the owner has the name by now."""
        asking = tuple(upstream for upstream in earlier if self._catalogs[upstream.id].peek(name) is None)
        if asking and name not in self._watched:
            task = asyncio.create_task(self._notice(asking, owner, name), name="watch owner")
            self._watched[name] = task
            task.add_done_callback(lambda _: self._watched.pop(name, None))

    async def _notice(self, earlier: tuple[Upstream, ...], owner: Upstream, name: str) -> None:
        try:
            rival = await self._first(earlier, name)
        except (UpstreamError, Problem):
            return
        if not rival.is_found:
            self.troubles.forget(name, _KEPT)
        else:
            self._tally.count("owner_changes_held", self._feed.name)
            text = f"{name} stays with its owner, though an upstream of this feed that comes first has it by now, too"
            self.troubles.note(name, _KEPT, text)
            _LOG.error(
                "an earlier upstream has the name too; its owner stays: feed %s, project %s, owner %s, rival %s",
                self._feed.name,
                name,
                owner.id,
                rival.upstream,
            )

    async def has_listed(self, name: str, upstream: str | None = None) -> bool:
        """Tell whether an upstream (None: any) ever listed a file of the name; one of former settings has not."""
        for id_, catalog in self._catalogs.items():
            if upstream in (None, id_) and await catalog.has_listed(name):
                return True
        return False

    async def amend(self, upstream: str, name: str, edit: Callable[[bytes], bytes | None]) -> None:
        """Change the held shard of a name by what was learned since; an upstream of former settings has none."""
        catalog = self._catalogs.get(upstream)
        if catalog is not None:
            await catalog.amend(name, edit)

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop what is under way, after waiting that long for it."""
        await finish(tuple(self._watched.values()), grace_s)

    async def _refuse_successor(self, owner: Upstream, able: tuple[Upstream, ...], name: str) -> None:
        others = tuple(upstream for upstream in able if upstream.id != owner.id)
        successor = await self._first(others, name)
        if not successor.is_found:
            return
        self._tally.count("owner_changes_held", self._feed.name)
        text = f"{name} is held: it belonged to another upstream of this feed, which no longer has it"
        self.troubles.note(name, _HELD, text)
        _LOG.error(
            "a name would change its owner and is held: feed %s, project %s, owner %s, successor %s",
            self._feed.name,
            name,
            owner.id,
            successor.upstream,
        )
        raise Problem(
            "held",
            f"{name} belonged to another upstream of this feed, which no longer has it; the administrator decides "
            "with `only` or `except`, or `feedgate feed owners` with --release, who may have the name",
            feed=self._feed.name, artifact=name, rule="owner",
        )  # fmt: skip
