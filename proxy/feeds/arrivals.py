"""Arrivals: what is noted once an artifact has arrived whole, whichever site its fetch began under.

A reload retires a site while fetches go on, so the watch over them belongs to the process, like the fetches.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterable

from proxy.artifacts.flight import Flight
from proxy.artifacts.notes import Notes
from proxy.artifacts.proofs import Proofs
from proxy.feeds.keeper import ArtifactRef
from proxy.model.digest import Sha256, read_sha256
from proxy.model.problem import Problem
from proxy.state.sightings import Landed, Sightings
from proxy.upstream.errors import UpstreamError

_LOG = logging.getLogger("feedgate.keeper")


class Arrivals:
    """What arrived: proofs of who sent it, and the digests of what no index tells a digest of.

    Both are cache. That a file's bytes came, so that its digest binds, is state as well (`proxy.state.sighting`).
    """

    def __init__(self, notes: Notes, proofs: Proofs, sightings: Sightings) -> None:
        self._notes = notes
        self.proofs = proofs
        self._sightings = sightings
        self._watching: set[asyncio.Task[None]] = set()

    async def note(self, ref: ArtifactRef, upstream: str, equal: Iterable[str], digest: Sha256) -> None:
        """Note that an upstream sent all of an artifact, and that it was right.

        `equal` are the ids of all upstreams that ask the same place: their feeds send these bytes, too.
        """
        await self.proofs.add(upstream, digest)
        others = tuple(f"{name}:{value}" for name, value in ref.other_hashes)
        self._sightings.land(
            *(Landed(each, ref.subdir, ref.name, ref.filename, digest, others) for each in {upstream, *equal})
        )
        if ref.sha256 is None:
            await self._notes.set(_note(ref), digest.encode("ascii"))

    def watch(self, flight: Flight, ref: ArtifactRef) -> None:
        """Tell the log where the flight fails."""
        task = asyncio.create_task(self._watch(flight, ref), name="arrival")
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def digest_of(self, ref: ArtifactRef) -> Sha256 | None:
        """Return the digest of the artifact's bytes: the index's word, else what arrived."""
        return ref.sha256 or read_sha256(await self._notes.get(_note(ref)))

    async def close(self) -> None:
        """Wait for the last ones; the flights have ended by now."""
        await asyncio.gather(*self._watching, return_exceptions=True)

    async def _watch(self, flight: Flight, ref: ArtifactRef) -> None:
        try:
            await flight.done()
        except (UpstreamError, Problem) as error:
            _LOG.warning(
                "an artifact did not arrive: feed %s, file %s, error %s", ref.feed, ref.filename, str(error)
            )


def _note(ref: ArtifactRef) -> str:
    """Return the note's key. Other bytes may come to lie at the same address, which a weaker digest tells."""
    told = " ".join((ref.url, *(f"{name}:{value}" for name, value in sorted(ref.other_hashes))))
    return f"arrived/{ref.upstream}/{hashlib.sha256(told.encode()).hexdigest()}"
