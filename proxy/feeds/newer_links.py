"""Newer links: the one that an index has by now, where the origin refuses what it listed (contract, section 3).

Signed links expire before their page does, and files move. The page that is held is looked at first: who comes after
the one that had it refreshed finds the new link there. So whatever many are refused, their page is asked for once.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from proxy.artifacts.store import BlobStore
from proxy.feeds.held import held_bytes
from proxy.feeds.keeper import ArtifactRef, How
from proxy.feeds.owners import Owned
from proxy.model.problem import Problem
from proxy.upstream.answer import Answer
from proxy.upstream.errors import AuthRefused, BadAnswer, UpstreamError
from proxy.upstream.stream import OriginStream

_LOG = logging.getLogger("feedgate.keeper")
_REMEMBERED = 4096
_GONE = (404, 410)
#: What speaks of the way, or of a moment, and not of the link.
_NOT_OF_LINK = (407, 408, 425, 429)
_REFUSALS = (AuthRefused, BadAnswer)
_Refused = AuthRefused | BadAnswer

T = TypeVar("T", Answer, OriginStream)
#: Returns where a stored shard says that an artifact's bytes are, None where it lists no such bytes.
LinkOf = Callable[[bytes, ArtifactRef], str | None]
#: Returns what the origin's index has under the artifact's name; with True it is asked for anew.
Find = Callable[[bool], Awaitable[Owned]]


class NewerLinks:
    """The links that were found in place of refused ones."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._found: OrderedDict[tuple[str, str, str], str] = OrderedDict()

    async def asked(
        self, ref: ArtifactRef, ask: Callable[[str], Awaitable[T]], find: Find, link_of: LinkOf
    ) -> T:
        """Ask by the artifact's link; where that is refused, by the page's present one, then by the page's next.

        Raises UpstreamError, Problem.
        """
        key = (ref.feed, ref.upstream, ref.url)
        link = self._found.get(key, ref.url)
        answer = await _answer(ask, link)
        for refresh in (False, True):
            if not _is_refused(answer):
                break
            newer, is_last = await self._newer(ref, find, link_of, refresh=refresh)
            if newer is not None and newer != link:
                await _let_go(answer)
                self._remember(key, newer)
                answer, link = await _answer(ask, newer), newer
            if is_last:
                break
        if isinstance(answer, _REFUSALS):
            raise answer
        return answer

    async def _newer(
        self, ref: ArtifactRef, find: Find, link_of: LinkOf, *, refresh: bool
    ) -> tuple[str | None, bool]:
        """Return the page's link to the same bytes, and whether the page has just been asked for."""
        try:
            owned = await find(refresh)
        except (UpstreamError, Problem) as error:
            _LOG.info("the page of a refused file did not come: file %s, why %s", ref.filename, error)
            return None, True
        return await self._link(ref, owned, link_of), owned.held.how not in (How.HIT, How.STALE)

    async def _link(self, ref: ArtifactRef, owned: Owned, link_of: LinkOf) -> str | None:
        data = await held_bytes(self._store, owned.held.shard) if owned.held.shard is not None else None
        return await asyncio.to_thread(link_of, data, ref) if data is not None else None

    def _remember(self, key: tuple[str, str, str], link: str) -> None:
        self._found[key] = link
        self._found.move_to_end(key)
        if len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)


async def _answer(ask: Callable[[str], Awaitable[T]], link: str) -> T | _Refused:
    try:
        return await ask(link)
    except _REFUSALS as error:
        # Buckets call a link with an old token a bad request.
        if error.status is None or not 400 <= error.status < 500 or error.status in _NOT_OF_LINK:
            raise
        return error


def _is_refused(answer: Answer | OriginStream | _Refused) -> bool:
    return isinstance(answer, _REFUSALS) or answer.status in _GONE


async def _let_go(answer: Answer | OriginStream | _Refused) -> None:
    if isinstance(answer, OriginStream):
        await answer.close()
