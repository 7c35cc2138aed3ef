"""Licences of a project looked up beside the requests that need them: newest versions first, a moment at most to wait.

The first page waits for what can be found out quickly; the rest goes on in the background, and later pages show more.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proxy.feeds.pypi.licenses import Licenses
from proxy.feeds.pypi.view import PypiView
from proxy.feeds.shared import finish

_LOG = logging.getLogger("feedgate.licenses")
#: So long a page waits for licences that are not known yet, and so long a request for one file.
_PATIENCE_S = 2.0
_DIRECT_S = 20.0
#: Versions whose licences are looked up together: few at first, because the newest may be all that is shown.
_FIRST_BATCH, _LARGEST_BATCH, _MOST_BATCHES = 8, 128, 500

#: Returns a view as it is by now.
Again = Callable[[PypiView], Awaitable[PypiView]]


@dataclass(frozen=True, slots=True)
class _Under:
    """A project's look-ups under way; whoever asks for it waits until the deadline (the loop's time)."""

    task: "asyncio.Task[None]"
    deadline: float


class Learning:
    """The look-ups of one feed. `again` makes a view anew with what was found out."""

    def __init__(self, licenses: Licenses, again: Again) -> None:
        self._licenses = licenses
        self._again = again
        self._under_way: dict[str, _Under] = {}

    async def waited(self, view: PypiView) -> PypiView:
        """Return the view with what can be looked up in a moment; the rest goes on in the background."""
        under = self._under_way.get(view.name)
        if under is None:
            if not self._licenses.worth_asking(view.wanted):
                return view
            task = asyncio.create_task(self._learn(view), name="licences")
            under = _Under(task, asyncio.get_running_loop().time() + _PATIENCE_S)
            self._under_way[view.name] = under
            task.add_done_callback(lambda done: self._has_learned(view, done))
        left_s = under.deadline - asyncio.get_running_loop().time()
        if left_s > 0:
            await asyncio.wait({under.task}, timeout=left_s)
        return await self._again(view)

    async def asked(self, view: PypiView, path: str) -> PypiView:
        """Return the view after the one fact was looked up that keeps a file from being judged, if there is one."""
        file = next((each for each in view.wanted if each.path == path), None)
        if file is None:
            return view
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DIRECT_S):
                await self._licenses.learn(view, [file], is_asked_for=True)
        return await self._again(view)

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop what is under way, after waiting that long for it."""
        await finish([under.task for under in self._under_way.values()], grace_s)

    async def _learn(self, view: PypiView) -> None:
        """Look up what the view's verdicts wait for, newest versions first, until nothing more can be found out."""
        batch = _FIRST_BATCH
        for _ in range(_MOST_BATCHES):
            files = self._licenses.worth_asking(view.wanted)[:batch]
            if not files:
                return
            await self._licenses.learn(view, files)
            view = await self._again(view)
            batch = min(2 * batch, _LARGEST_BATCH)

    def _has_learned(self, view: PypiView, task: "asyncio.Task[None]") -> None:
        self._under_way.pop(view.name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error(
                "licences could not be looked up: feed %s, project %s", view.feed, view.name, exc_info=error
            )
