"""One solve over conda feeds: for a platform and a Python, over what the source shows and what the target has.

The solve itself is a child's (`solve_job.py`). Here is told what it may choose from: not what the target would hide,
nor what was revoked there, unless that is asked for on purpose.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from proxy.child.run import ChildFailed, busy, run_in_child
from proxy.feeds.conda.curated_feed import CuratedCondaFeed
from proxy.feeds.conda.edition import Edition
from proxy.feeds.conda.feed import CondaFeed
from proxy.feeds.conda.meaning import fits
from proxy.feeds.conda.revocations import Revocations
from proxy.feeds.conda.solve_job import Order
from proxy.feeds.promotion.selecting import Choice, Chosen, Found, LeftOut, Place, Refused, Sought, Wanted
from proxy.model.problem import Problem

if TYPE_CHECKING:
    from proxy.feeds.conda.selecting import CondaSelecting

_SOLVE_S = 120.0
#: How often is solved again without what the target would hide.
_MOST_TRIES = 8
_SOLVE_BYTES = 4 * 1024**3


class CondaSolving:
    """One solve; made for it and thrown away."""

    def __init__(self, kind: "CondaSelecting", source: str, target: str, place: Place) -> None:
        self._kind = kind
        self._source: CondaFeed = kind.feed(source)
        self._target: CondaFeed = kind.feed(target)
        self._place = place

    async def solve(self, wanted: Wanted) -> Choice:
        """Return what is wanted with all that it needs."""
        place = self._place
        candidates = [await self._kind.candidate(self._source, each) for each in wanted.found]
        fitting = await asyncio.to_thread(
            lambda: [each.path for each in candidates if fits(each, place.platform, place.python or None)]
        )
        if not wanted.specs and not fitting:
            return Choice()
        revocations = self._kind.revocations(self._target.settings.name)
        sought = Sought(
            every=True, platforms=(place.platform,), pythons=(place.python,) if place.python else ()
        )
        meant: dict[str, list[str]] = {}
        refusals: list[Refused] = []
        on_purpose = set(fitting)
        for spec in wanted.specs:
            meaning = await self._kind.meaning(self._source, spec, sought, revocations)
            refusals += meaning.refused
            on_purpose |= set(meaning.paths) if meaning.is_on_purpose else set()
            for path in meaning.paths:
                meant.setdefault(self._kind.name_of(path), []).append(path)
        if refusals:
            return Choice(refused=tuple(refusals))
        order = Order(
            platform=place.platform, python=place.python, source=await self._places(self._source),
            target=await self._places(self._target), exactly=tuple(fitting),
            meant=tuple((name, tuple(paths)) for name, paths in meant.items()),
            virtual_packages=place.virtual_packages,
        )  # fmt: skip
        made = await self._solved_for(order, revocations.files - on_purpose)
        if "unsolvable" in made:
            revoked = await self._revoked(order, revocations, on_purpose)
            return Choice(refused=tuple(revoked or [self._unsolvable(wanted, fitting, made["unsolvable"])]))
        if not place.python:
            self._require_no_python((*made["requested"], *made["needed"]))
        requested = [
            Chosen(await self._kind.either(self._source, self._target, path)) for path in made["requested"]
        ]
        needed = [
            Chosen(await self._kind.either(self._source, self._target, path), f"needed by {by}")
            for path, by in made["needed"].items()
        ]
        left_out = [LeftOut(path, why) for path, why in made["left_out"].items()]
        return Choice((*requested, *needed), left_out=tuple(left_out))

    # -- parts ---------------------------------------------------------------------------------------------

    def _unsolvable(self, wanted: Wanted, fitting: Sequence[str], why: str) -> Refused:
        python = f" for Python {self._place.python}" if self._place.python else ""
        what = ", ".join((*wanted.specs, *fitting))
        reason = f"on {self._place.platform}{python}: {why}"
        return Refused(what, "unsolvable", "dependencies", reason, is_spec=not fitting)

    def _require_no_python(self, paths: Iterable[str]) -> None:
        """Raise Problem where a closure that was asked for without a Python has one."""
        if not any(self._kind.name_of(path) == "python" for path in paths):
            return
        why = f"what is promoted needs python on {self._place.platform}: name at least one (python_versions, --python)"
        raise Problem(
            "unprocessable", f"python_versions: {why}", feed=self._target.settings.name,
            more={"faults": [{"key": "python_versions", "message": why}]},
        )  # fmt: skip

    async def _revoked(
        self, order: Order, revocations: Revocations, on_purpose: Collection[str]
    ) -> list[Refused]:
        """Return what stands against a solution because it was revoked, if there is one with it."""
        if not revocations.files:
            return []
        made = await self._solved_for(order, frozenset())
        if "unsolvable" in made:
            return []
        return revocations.refused(
            path for path in (*made["requested"], *made["needed"]) if path not in on_purpose
        )

    async def _places(self, feed: CondaFeed) -> tuple[tuple[str, str, str], ...]:
        editions = await self._kind.editions(feed, (self._place.platform,))
        return tuple((each.subdir, str(each.folder), each.generation.stem) for each in editions)

    async def _solved_for(self, order: Order, left_out: Collection[str]) -> dict[str, Any]:
        """Solve; where the target would hide something that is merely needed, solve again without it."""
        order = msgspec.structs.replace(order, excluded=(*order.excluded, *sorted(left_out)))
        target = self._target
        made = await _solved(order)
        for _ in range(_MOST_TRIES):
            if "unsolvable" in made or not isinstance(target, CuratedCondaFeed):
                break
            needed = [await self._kind.either(self._source, target, path) for path in made["needed"]]
            hidden = await asyncio.to_thread(target.judged, needed)
            if not hidden:
                break
            names = {each.name for each in needed if each.artifact in hidden}
            editions = await self._kind.editions(self._source, (order.platform,))
            excluded = await asyncio.to_thread(_hidden_of, target, editions, names)
            order = msgspec.structs.replace(order, excluded=(*order.excluded, *hidden, *excluded))
            found = await _solved(order)
            if "unsolvable" in found:
                break  # what is hidden is told by its rule, which says more than that nothing else fits
            made = found
        return made


async def _solved(order: Order) -> dict[str, Any]:
    try:
        made: dict[str, Any] = await run_in_child(
            "proxy.feeds.conda.solve_job:run", {"order": msgspec.to_builtins(order)},
            memory_bytes=_SOLVE_BYTES, timeout_s=_SOLVE_S,
        )  # fmt: skip
    except ChildFailed as failed:
        raise busy(failed) from failed
    if "damaged" in made:
        raise Problem("busy", "an index was damaged and is made anew", retry_after_s=2)
    return made


def _hidden_of(target: CuratedCondaFeed, editions: Iterable[Edition], names: Iterable[str]) -> list[str]:
    """Return the files of the names that the target would hide. Blocks."""
    found = []
    for edition in editions:
        for name in names:
            block = edition.generation.snapshot.block(name)
            for record in block.records() if block is not None else ():
                path = f"{edition.subdir}/{record.file}"
                found.append(Found(path, name, "", None, None, record.raw, "", ""))
    return list(target.judged(found))
