"""What the promotion engine asks of conda feeds: which files of a source are meant, and what they need.

A source is seen as its view shows it. Of a package in both formats a spec takes only the `.conda`, as every client
does; the other is promoted by its file name. Newest is told for each platform and Python that is asked for, so that
none is left without; `noarch` belongs to every platform.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from proxy.child.run import ChildFailed, busy, run_in_child
from proxy.conda.names import FileName, is_subdir, parse_file
from proxy.conda.pack import BadPack
from proxy.conda.record import raws_of
from proxy.feeds.conda.channel import NOARCH
from proxy.feeds.conda.curated_feed import CuratedCondaFeed
from proxy.feeds.conda.edition import Edition
from proxy.feeds.conda.feed import CondaFeed
from proxy.feeds.conda.meaning import Candidate, chosen, fits, means, shown, verdicts_on
from proxy.feeds.conda.solve_job import Order
from proxy.feeds.local_keeper import LocalKeeper
from proxy.feeds.promotion.selecting import Choice, Chosen, Found, Place, Refused, Sought, Wanted, refused
from proxy.model.problem import Problem
from proxy.model.verdict import Verdict
from proxy.policy.spec import BadSpec, Spec, parse_spec
from proxy.upstream.errors import UpstreamError, problem_for

_MOST_NAMES = 2000
_COMMON = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
_SOLVE_S = 120.0
#: How often is solved again without what the target would hide.
_MOST_TRIES = 8
_SOLVE_BYTES = 4 * 1024**3


class CondaSelecting:
    """The conda feeds of a site, by name (`promotion.selecting.Selecting`)."""

    def __init__(self, feeds: Callable[[str], CondaFeed | None], keeper: Callable[[], LocalKeeper]) -> None:
        self._feeds = feeds
        self._keeper = keeper

    def fault(self, spec: str) -> str | None:
        try:
            parse_spec("conda", spec)
        except BadSpec as bad:
            return str(bad)
        return None

    async def select(self, source: str, spec: str, sought: Sought) -> Choice:
        feed = self._feed(source)
        paths, refusals = await self._meaning(feed, spec, sought)
        if refusals:
            return Choice(refused=refusals)
        return Choice(tuple([Chosen(await self._found(feed, path)) for path in paths]))

    async def find(self, source: str, artifact: str) -> Choice:
        feed = self._feed(source)
        subdir, _, name = artifact.partition("/")
        file = parse_file(name)
        unknown = Refused(artifact, "unknown", "unknown", f"{source} does not list this file (subdir/file)")
        if file is None or not is_subdir(subdir):
            return Choice(refused=(unknown,))
        try:
            _, view = await feed.view(subdir, file.name)
        except Problem as problem:
            if problem.word != "unknown":
                raise
            return Choice(refused=(unknown,))
        verdict = view.hidden.get(artifact)
        if verdict is not None:
            return Choice(refused=(refused(artifact, verdict),))
        if artifact not in view.kept:
            return Choice(refused=(unknown,))
        return Choice((Chosen(await self._found(feed, artifact)),))

    async def solve(self, source: str, target: str, wanted: Wanted, place: Place) -> Choice:
        feed, curated = self._feed(source), self._feed(target)
        candidates = [await self._candidate(feed, each) for each in wanted.found]
        fitting = await asyncio.to_thread(
            lambda: [each.path for each in candidates if fits(each, place.platform, place.python)]
        )
        if not wanted.specs and not fitting:
            return Choice()
        meant: dict[str, list[str]] = {}
        sought = Sought(every=True, platforms=(place.platform,), pythons=(place.python,))
        refusals: list[Refused] = []
        for spec in wanted.specs:
            paths, why = await self._meaning(feed, spec, sought)
            refusals += why
            for path in paths:
                meant.setdefault(_parsed(path)[1].name, []).append(path)
        if refusals:
            return Choice(refused=tuple(refusals))
        order = Order(
            platform=place.platform, python=place.python, source=await self._places(feed, place),
            target=await self._places(curated, place), exactly=tuple(fitting),
            meant=tuple((name, tuple(paths)) for name, paths in meant.items()),
        )  # fmt: skip
        made = await self._solved_for(feed, curated, order)
        if "unsolvable" in made:
            words = f"on {place.platform} for Python {place.python}: {made['unsolvable']}"
            what = ", ".join((*wanted.specs, *fitting))
            return Choice(refused=(Refused(what, "unsolvable", "dependencies", words, is_spec=not fitting),))
        requested = [Chosen(await self._either(feed, curated, path)) for path in made["requested"]]
        needed = [
            Chosen(await self._either(feed, curated, path), f"needed by {by}")
            for path, by in made["needed"].items()
        ]
        return Choice((*requested, *needed))

    async def hashed(self, source: str, found: Found) -> Found:
        feed = self._feed(source)
        subdir, file = _parsed(found.artifact)
        ref = (await feed.locate(subdir, file)).ref
        try:
            blob = await feed.blob(ref) or await self._keeper().arrived(ref)
        except UpstreamError as error:
            raise problem_for(error, source) from error
        return Found(
            found.artifact, found.name, found.version, blob.digest, blob.size, found.record, found.upstream,
            found.origin_url,
        )  # fmt: skip

    async def hidden(self, source: str, target: str, found: Sequence[Found]) -> Mapping[str, Verdict]:
        feed = self._feed(target)
        return await asyncio.to_thread(feed.judged, found) if isinstance(feed, CuratedCondaFeed) else {}

    # -- parts ---------------------------------------------------------------------------------------------

    async def _meaning(
        self, feed: CondaFeed, spec: str, sought: Sought
    ) -> tuple[list[str], tuple[Refused, ...]]:
        """Return the paths of what a spec means in a source; where it means nothing there, why."""
        source = feed.settings.name
        editions = await self._editions(feed, sought.platforms)
        asked, names = await asyncio.to_thread(_asked, spec, editions)
        if len(names) > _MOST_NAMES:
            why = f"{spec} means {len(names)} names; promote at most {_MOST_NAMES} at once"
            raise Problem("unprocessable", why, feed=source)
        kept: dict[str, list[Candidate]] = {}
        hiding: dict[str, Verdict] = {}
        for name in names:
            for edition in editions:
                _, view = await feed.view(edition.subdir, name)
                channel = channel_of(edition, name)
                kept.setdefault(name, []).extend(shown(*each, channel) for each in view.kept.items())
                hiding |= view.hidden
        paths, whys = await asyncio.to_thread(_meant, asked, kept, hiding, sought)
        if paths:
            return paths, ()
        if whys:
            return [], tuple(refused(path, verdict) for path, verdict in whys.items())
        reason = f"nothing that {source} shows fits it; looked at: {_listed(editions)}"
        return [], (Refused(spec, "unknown", "unknown", reason, is_spec=True),)

    def _feed(self, name: str) -> CondaFeed:
        feed = self._feeds(name)
        if feed is None:
            raise Problem("unknown", f"there is no conda feed {name}", feed=name)
        return feed

    async def _editions(self, feed: CondaFeed, platforms: Collection[str]) -> list[Edition]:
        """Return what the feed shows on the platforms and in noarch.

        Without platforms that is every subdir that it is known to have; where its settings name none, those that
        most machines have, too: what is newest must not hang on which clients have asked for what by then. Trouble of
        one that nobody named costs no other.
        """
        wanted = tuple(platforms) or (*feed.subdirs(), *(() if feed.settings.subdirs else _COMMON))
        subdirs = [subdir for subdir in dict.fromkeys((NOARCH, *wanted)) if is_subdir(subdir)]
        needed = (NOARCH, *platforms)
        return list((await feed.channel.editions(subdirs, needed)).values())

    async def _places(self, feed: CondaFeed, place: Place) -> tuple[tuple[str, str, str], ...]:
        editions = await self._editions(feed, (place.platform,))
        return tuple((each.subdir, str(each.folder), each.generation.stem) for each in editions)

    async def _solved_for(self, source: CondaFeed, target: CondaFeed, order: Order) -> dict[str, Any]:
        """Solve; where the target would hide something that is merely needed, solve again without it."""
        made = await self._solved(order)
        for _ in range(_MOST_TRIES):
            if "unsolvable" in made or not isinstance(target, CuratedCondaFeed):
                break
            needed = [await self._either(source, target, path) for path in made["needed"]]
            hidden = await asyncio.to_thread(target.judged, needed)
            if not hidden:
                break
            names = {each.name for each in needed if each.artifact in hidden}
            excluded = await asyncio.to_thread(
                _hidden_of, target, await self._editions(source, (order.platform,)), names
            )
            order = msgspec.structs.replace(order, excluded=(*order.excluded, *hidden, *excluded))
            found = await self._solved(order)
            if "unsolvable" in found:
                break  # what is hidden is told by its rule, which says more than that nothing else fits
            made = found
        return made

    async def _solved(self, order: Order) -> dict[str, Any]:
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

    async def _candidate(self, feed: CondaFeed, found: Found) -> Candidate:
        subdir, file = _parsed(found.artifact)
        return shown(found.artifact, (await feed.locate(subdir, file)).record)

    async def _either(self, source: CondaFeed, target: CondaFeed, path: str) -> Found:
        """Return a file as the target has it, else as the source does."""
        subdir, file = _parsed(path)
        try:
            _, view = await target.view(subdir, file.name)
            return await self._found(target if path in view.kept else source, path)
        except Problem as problem:
            if problem.word != "unknown":
                raise
            return await self._found(source, path)

    async def _found(self, feed: CondaFeed, path: str) -> Found:
        subdir, file = _parsed(path)
        located = await feed.locate(subdir, file)
        edition = await feed.edition(subdir)
        raw = await asyncio.to_thread(_raw, edition, file)
        ref = located.ref
        upstream = feed.origin_of(subdir, file, located)
        return Found(path, file.name, located.record.version, ref.sha256, ref.size, raw, upstream, ref.url)


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


def _raw(edition: Edition, file: FileName) -> bytes:
    """Return a record's own bytes. Blocks."""
    block = edition.generation.snapshot.block(file.name)
    members = b"" if block is None else block.conda if file.section == "packages.conda" else block.tar
    raw = raws_of(members).get(file.file)
    if raw is None:
        raise BadPack(f"{file.file} is not there any more")
    return bytes(raw)


def _asked(text: str, editions: Iterable[Edition]) -> tuple[Spec, list[str]]:
    """Return a spec, and the names that it may mean. Blocks: the first version that is read loads py-rattler."""
    spec = parse_spec("conda", text)
    if spec.name.is_exact:
        return spec, [spec.name.text]
    known = {name for edition in editions for name in edition.generation.snapshot}
    return spec, sorted(name for name in known if spec.name.matches(name))


def _meant(
    spec: Spec, kept: Mapping[str, Sequence[Candidate]], hiding: Mapping[str, Verdict], sought: Sought
) -> tuple[list[str], dict[str, Verdict]]:
    """Return the paths that a spec means, else why what it means is hidden. Blocks."""
    meant = [
        each.path
        for of_name in kept.values()
        for each in chosen([one for one in of_name if means(spec, one)], sought)
    ]
    return meant, {} if meant else verdicts_on(spec, hiding, replace(sought, every=False))


def _parsed(path: str) -> tuple[str, FileName]:
    subdir, _, name = path.partition("/")
    file = parse_file(name)
    assert file is not None, "a listed file has a file's name"
    return subdir, file


def channel_of(edition: Edition, name: str) -> str:
    """Return the URL of the channel that a name of an edition comes from; "" where that is not known."""
    entry = edition.generation.snapshot.pack.entries.get(name)
    return edition.lineage.origin_of(entry.source).channel if entry is not None else ""


def _listed(editions: Iterable[Edition]) -> str:
    return ", ".join(edition.subdir for edition in editions) or "no subdir"
