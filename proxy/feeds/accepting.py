"""Accepting the change of a file in an open feed: its origin lists other bytes under the name, and a person takes them.

The decision is state: the digest that the origin tells now binds from then on, in place of the one before, and the
file's age counts from the moment at which it was told first. What is derived from the index is changed after that;
where this fails half-way, accepting again does the rest. A file that comes from another feed of this server is that
feed's: whoever accepts it must be allowed to manage both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from proxy.config.settings import Feed
from proxy.model.actor import Actor
from proxy.model.audit_entry import AuditEntry
from proxy.model.problem import Problem
from proxy.model.sights import Change
from proxy.state.sightings import Sightings


@dataclass(frozen=True, slots=True)
class Present:
    """A file as its origin lists it now. `digest`: a SHA-256 in hex, else "algorithm:hex", None where it tells none."""

    artifact: str
    #: The package's name, and where its sightings are kept.
    name: str
    upstream: str
    subdir: str
    filename: str
    digest: str | None
    #: None: it is shown as the origin lists it.
    change: Change | None = None
    #: The feed of this server that the file comes from.
    behind: str | None = None


class Accepting(Protocol):
    """One open feed, whatever its kind."""

    async def present(self, name: str, artifact: str) -> Present:
        """Return what the origin tells of a file now. Raises Problem: unknown, or the origin's trouble."""
        ...

    async def take(self, present: Present, first_ms: int) -> None:
        """Show a changed file as the origin lists it now; its age counts from `first_ms` (UTC). Raises Problem."""
        ...


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken. `sha256` is null where the origin tells another `digest`; `before` was in force until now."""

    feed: str
    name: str
    artifact: str
    sha256: str | None
    digest: str
    before: str | None


class Acceptance:
    """All open feeds: `accepting_of` gives the one of a name."""

    def __init__(self, accepting_of: Callable[[str], Accepting], sightings: Sightings) -> None:
        self._accepting_of = accepting_of
        self._sightings = sightings

    async def accept(
        self, feed: Feed, name: str, artifact: str, digest: str, actor: Actor, request_id: str = ""
    ) -> Accepted:
        """Take a changed file, if `digest` is what the origin tells of it now. Raises Problem: 404, 409, 412."""
        accepting, present = await self._found(feed.name, name, artifact, actor)
        if digest.lower() != present.digest:
            raise _other(feed, artifact)
        change = present.change
        if change is None or change.after is None:
            why = "there is nothing to accept: this feed shows the file as its origin lists it"
            raise Problem("conflict", why, feed=feed.name, artifact=artifact)
        entry = AuditEntry(
            actor, "artifact.accept", present.artifact, before={"digest": change.before},
            after={"digest": change.after}, feed=feed.name, request_id=request_id,
            detail=f"the file that upstream {present.upstream} lists by now",
        )  # fmt: skip
        sighting = await self._sightings.accept(
            present.upstream, present.subdir, present.name, present.filename, change.after, entry
        )
        if sighting is None:
            raise _other(feed, artifact)
        await accepting.take(present, sighting.files[present.filename].first_ms)
        return Accepted(
            feed=feed.name, name=present.name, artifact=present.artifact,
            sha256=None if ":" in change.after else change.after, digest=change.after, before=change.before,
        )  # fmt: skip

    async def _found(self, feed: str, name: str, artifact: str, actor: Actor) -> tuple[Accepting, Present]:
        """Return what the origin tells, and the feed whose origin it is: the end of the chain of feeds."""
        while True:
            accepting = self._accepting_of(feed)
            present = await accepting.present(name, artifact)
            if present.behind is None:
                return accepting, present
            if not actor.may("manage", present.behind):
                why = "it comes from another feed of this server, and this key may not manage that one"
                raise Problem("forbidden", why, feed=feed, artifact=artifact)
            feed = present.behind


def _other(feed: Feed, artifact: str) -> Problem:
    why = "the origin tells another digest of this file by now than the one given; look again"
    return Problem("precondition-failed", why, feed=feed.name, artifact=artifact)
