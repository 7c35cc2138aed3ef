"""What a package list needs (`only` with `include_dependencies`): a set of names, worked out beside the requests.

From each name of the list the requirements of the newest version that the rest of the policy shows lead to further
names, and so on; extras are not followed and markers are ignored (`proxy.policy.closure`). A name that only a glob of
the list names joins when it is first asked for. While anything of it is not known, names outside the set are held; a
set that is known stays in force while it is worked out anew, and over a reload that leaves the policy as it was.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterable
from typing import Protocol

from proxy.feeds.keeper import Absent, How, Offer
from proxy.feeds.pypi.keeper import PypiKeeper
from proxy.feeds.pypi.located import located_in
from proxy.feeds.pypi.subject import Subject
from proxy.feeds.pypi.view import PypiView
from proxy.feeds.shared import finish
from proxy.model.clock import Clock
from proxy.model.digest import parse_sha256
from proxy.model.problem import Problem
from proxy.policy.closure import NeededNames, list_names, needed_names
from proxy.policy.facts import Facts
from proxy.policy.settings import Policy
from proxy.pypi.distribution import Distribution, metadata_hashes
from proxy.pypi.names import FileKind
from proxy.pypi.versions import latest, parse_version

_LOG = logging.getLogger("feedgate.needs")
_REFRESH_S = 600.0
#: So soon it is tried again where something could not be found out.
_RETRY_S = 30.0
_AT_ONCE = 8
_MOST_NAMES = 5_000
#: What says for certain that a name has no requirements that could be met.
_NOTHING = frozenset({"unknown", "blocked", "held", "quarantined", "not-approved", "revoked"})


class ByAllElse(Protocol):
    """Tells a name's view by all rules but the list."""

    async def view(self, name: str) -> tuple[PypiView | None, Offer | Absent]: ...

    async def close(self, grace_s: float = 0.0) -> None: ...


class Everything:
    """The set that holds every name: what a list is worked out with."""

    is_complete = True

    def needs(self, facts: Facts) -> bool:
        return True

    def needs_of(self, name: str) -> bool:
        return True


class Needs:
    """The set of one feed. `take` is given each new one; `known` is what was in force before a reload."""

    def __init__(
        self, policy: Policy, keeper: PypiKeeper, by_all_else: ByAllElse, clock: Clock, known: NeededNames | None = None
    ) -> None:  # fmt: skip
        self.known = known
        self._policy = policy
        self._keeper = keeper
        self._by_all_else = by_all_else
        self._clock = clock
        self._globbed: set[str] = set()
        self._working: asyncio.Task[None] | None = None
        self._due_at = float("-inf")
        #: An older page was read of a name, because the origin did not answer in time.
        self._is_stale = False
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @property
    def digest(self) -> str:
        """The name of the set: what views and documents hang on."""
        if self.known is None:
            return "unknown"
        told = " ".join([str(self.known.is_complete), *sorted(self.known.names)])
        return hashlib.sha256(told.encode()).hexdigest()

    def work_soon(self) -> "asyncio.Task[None] | None":
        """Work the set out anew if it is due; return what is under way."""
        if self._working is None and self._clock.monotonic() >= self._due_at:
            self._working = asyncio.create_task(self._work(), name="needed names")
            self._working.add_done_callback(self._worked)
        return self._working

    async def wait(self) -> None:
        """Wait until the set has been worked out, if it never was in full."""
        working = self.work_soon()
        if working is not None and (self.known is None or not self.known.is_complete):
            await asyncio.wait({working})

    def meet(self, name: str) -> None:
        """Take note of a name that was asked for and is on the list, perhaps by a glob only."""
        if self.known is None or name in self.known.names or name in self._globbed:
            return
        if len(self._globbed) < _MOST_NAMES:
            self._globbed.add(name)
            self._due_at = float("-inf")

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop what is under way, after waiting that long for it."""
        await finish(() if self._working is None else (self._working,), grace_s)
        await self._by_all_else.close()

    # -- parts ---------------------------------------------------------------------------------------------

    def _worked(self, task: "asyncio.Task[None]") -> None:
        self._working = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._due_at = self._clock.monotonic() + _RETRY_S
            _LOG.error(
                "what a package list needs could not be worked out: policy %s",
                self._policy.name,
                exc_info=error,
            )

    async def _work(self) -> None:
        met, self._is_stale = len(self._globbed), False
        roots = list_names(self._policy, "pypi", sorted(self._globbed))
        requirements: dict[str, tuple[str, ...]] = {}
        unknown: set[str] = set()
        found = needed_names(roots, requirements)
        while (asked := sorted(found.missing - unknown)) and len(found.names) <= _MOST_NAMES:
            answers = await asyncio.gather(*(self._requires(name) for name in asked))
            for name, answer in zip(asked, answers, strict=True):
                if answer is None:
                    unknown.add(name)
                else:
                    requirements[name] = answer
            found = needed_names(roots, requirements)
        is_better = found.is_complete or self.known is None or not self.known.is_complete
        if not found.is_complete:
            _LOG.warning(
                "what a package list needs is known in part: policy %s, names that do not tell %s",
                self._policy.name,
                ", ".join(sorted(found.missing)[:20]),
            )
        if is_better:
            self.known = found
        has_more = len(self._globbed) > met
        is_certain = found.is_complete and not self._is_stale
        again_s = 0.0 if has_more else _REFRESH_S if is_certain else _RETRY_S
        self._due_at = self._clock.monotonic() + again_s

    async def _requires(self, name: str) -> tuple[str, ...] | None:
        """Return what the newest visible version of a name requires; None where that cannot be found out now."""
        async with self._turns:
            try:
                view, offer = await self._by_all_else.view(name)
                self._is_stale |= isinstance(offer, Offer) and offer.how is How.STALE
                if view is None or (not view.kept and not view.wanted):
                    return ()
                file = _speaker(view.kept.values())
                return None if file is None else await self._asked(view, file)
            except Problem as problem:
                return () if problem.word in _NOTHING else None

    async def _asked(self, view: PypiView, file: Distribution) -> tuple[str, ...]:
        told = metadata_hashes(file.core_metadata).get("sha256")
        advertised = parse_sha256(told) if told else None
        subject = Subject(located_in(view, file).ref, file.version, advertised, is_asked_for=True)
        return (await self._keeper.described(subject)).requires


def _speaker(files: Iterable[Distribution]) -> Distribution | None:
    """Return the file that is asked what its project requires: a wheel of the newest version, if it has one."""
    known = [file for file in files if file.version is not None]
    newest = latest((file.version, file.is_yanked) for file in known if file.version is not None)
    if newest is None:
        return None
    version = parse_version(newest)
    of_it = (file for file in known if parse_version(file.version or "") == version)
    return min(of_it, key=lambda file: (file.kind is not FileKind.WHEEL, file.size or 0))
