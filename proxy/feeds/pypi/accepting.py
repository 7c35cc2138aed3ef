"""Accepting the change of a PyPI file (`feeds.accepting.Accepting`): the stored shard takes it as it is listed now."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from proxy.feeds.accepting import Present
from proxy.feeds.pypi.feed import PypiFeed
from proxy.feeds.pypi.index import strongest
from proxy.feeds.pypi.shard import Shard, with_accepted
from proxy.model.problem import Problem
from proxy.model.sights import Change
from proxy.pypi.names import normalize


class Amending(Protocol):
    """Where the shards of a feed's upstreams are changed (`owners.Owners`)."""

    async def amend(self, upstream: str, name: str, edit: Callable[[bytes], bytes | None]) -> None: ...


class PypiAccepting:
    """One feed. `forget` drops what was decided of files a moment ago, in every feed that may show them."""

    def __init__(self, feed: PypiFeed, owners: Amending, forget: Callable[[], None]) -> None:
        self._feed = feed
        self._owners = owners
        self._forget = forget

    async def present(self, name: str, artifact: str) -> Present:
        name = normalize(name)
        settings = self._feed.settings
        # What it tells now: the page that is held may be as old as `ttl`.
        found = await self._feed.viewer.shard(name, refresh=True)
        if found is not None:
            shard, offer = found
            behind = next((each.feed for each in settings.upstreams if each.id == offer.upstream), None)
            if behind is not None:
                return Present(artifact, name, offer.upstream, "", artifact, None, behind=behind)
            listed = _listed(shard, artifact)
            if listed is not None:
                return Present(artifact, name, offer.upstream, "", artifact, *listed)
        raise Problem(
            "unknown", f"this feed has no file {artifact} of {name}", feed=settings.name, artifact=artifact
        )

    async def take(self, present: Present, first_ms: int) -> None:
        edit = partial(with_accepted, filename=present.filename, first_ms=first_ms)
        await self._owners.amend(present.upstream, present.name, edit)
        self._forget()


def _listed(shard: Shard, filename: str) -> tuple[str | None, Change | None] | None:
    """Return the digest that the origin tells of a file now, and what changed about it; None: it lists no such file."""
    changed = shard.changed.get(filename)
    if changed is not None:
        digest = strongest(changed.hashes)
        return digest, shard.changes.get(filename) or Change(None, digest, None)
    file = next((each for each in shard.project.files if each.filename == filename), None)
    return None if file is None else (strongest(file.hashes), None)
