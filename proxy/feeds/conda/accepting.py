"""Accepting the change of a conda file (`feeds.accepting.Accepting`): the next generation has it as it is listed now.

A channel of which more files changed at once than are remembered one by one (`first_sight`) is another channel.
"""

import asyncio
from collections.abc import Callable

from proxy.conda.names import FileName, is_subdir, parse_file
from proxy.conda.pack import BadPack
from proxy.feeds.accepting import Present
from proxy.feeds.conda.edition import Edition, HeldSubdir
from proxy.feeds.conda.feed import CondaFeed
from proxy.feeds.conda.first_sight import digest_of_facts
from proxy.feeds.conda.subdir_catalog import SubdirCatalog
from proxy.model.problem import Problem


class CondaAccepting:
    """One feed. `forget` drops what was decided of files a moment ago, in every feed that may show them."""

    def __init__(self, feed: CondaFeed, forget: Callable[[], None]) -> None:
        self._feed = feed
        self._forget = forget

    async def present(self, name: str, artifact: str) -> Present:
        subdir, _, filename = artifact.partition("/")
        file = parse_file(filename)
        settings = self._feed.settings
        why = f"this feed has no file {artifact} of {name} (subdir/file)"
        unknown = Problem("unknown", why, feed=settings.name, artifact=artifact)
        if file is None or file.name != name.lower() or not is_subdir(subdir):
            raise unknown
        edition = await self._feed.channel.edition(subdir)
        if edition is None:
            raise unknown
        for place, below in enumerate(edition.below):
            upstream = edition.upstreams[place]
            try:
                found = await asyncio.to_thread(_present, edition, place, below, artifact, file)
            except BadPack as damage:
                raise Problem("busy", f"what is held of {subdir} is damaged", retry_after_s=2) from damage
            if found is not None:
                behind = next((each.feed for each in settings.upstreams if each.id == upstream), None)
                return (
                    found
                    if behind is None
                    else Present(artifact, file.name, upstream, subdir, filename, None, behind=behind)
                )
        raise unknown

    async def take(self, present: Present, first_ms: int) -> None:
        catalog = self._feed.channel.catalog(present.upstream, present.subdir)
        if not isinstance(catalog, SubdirCatalog):
            raise Problem("busy", "the settings of this feed have just changed", retry_after_s=1)
        await catalog.take_change(present.filename, first_ms)
        self._forget()


def _present(
    edition: Edition, place: int, below: HeldSubdir, artifact: str, file: FileName
) -> Present | None:
    """Return what an upstream lists of a file now; None where the name is not its own, or it lists none. Blocks."""
    generation = below.generation
    if generation is None:
        return None
    entries, upstream = edition.generation.snapshot.pack.entries, edition.upstreams[place]
    if file.name in entries and edition.place_of(file.name) != place:
        return None
    change = generation.snapshot.top.changes.get(file.file)
    if change is not None:
        return Present(artifact, file.name, upstream, edition.subdir, file.file, change.after, change)
    block = generation.snapshot.block(file.name)
    facts = block.facts().get(file.file) if block is not None else None
    if facts is None and file.file not in generation.snapshot.top.held:
        return None
    digest = digest_of_facts(facts) if facts is not None else None
    return Present(artifact, file.name, upstream, edition.subdir, file.file, digest)
