"""Arrivals: what is noted once an artifact has arrived whole, whichever site its fetch began under.

A reload retires a site while fetches go on, so the watch over them belongs to the process, like the fetches.
"""

import asyncio
import hashlib
import logging

from proxy.artifacts.flight import Flight
from proxy.artifacts.notes import Notes
from proxy.feeds.keeper import ArtifactRef
from proxy.model.digest import Sha256, read_sha256
from proxy.model.problem import Problem
from proxy.upstream.errors import UpstreamError

_LOG = logging.getLogger("feedgate.keeper")


class Arrivals:
    """The fetches that are watched, and the digests of what arrived without one told by an index."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._watching: set[asyncio.Task[None]] = set()

    def watch(self, flight: Flight, ref: ArtifactRef) -> None:
        """Note what the flight brings, when it has."""
        task = asyncio.create_task(self._note(flight, ref), name="arrival")
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def digest_of(self, ref: ArtifactRef) -> Sha256 | None:
        """Return the digest of the artifact's bytes: the index's word, else what arrived."""
        return ref.sha256 or read_sha256(await self._notes.get(_note(ref)))

    async def close(self) -> None:
        """Wait for the last notes; the flights have ended by now."""
        await asyncio.gather(*self._watching, return_exceptions=True)

    async def _note(self, flight: Flight, ref: ArtifactRef) -> None:
        try:
            blob = await flight.done()
        except (UpstreamError, Problem) as error:
            _LOG.warning(
                "an artifact did not arrive: feed %s, file %s, error %s", ref.feed, ref.filename, str(error)
            )
            return
        if ref.sha256 is None:
            await self._notes.set(_note(ref), blob.digest.encode("ascii"))


def _note(ref: ArtifactRef) -> str:
    return f"arrived/{ref.upstream}/{hashlib.sha256(ref.url.encode()).hexdigest()}"
