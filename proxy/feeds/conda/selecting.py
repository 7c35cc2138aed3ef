"""What the promotion engine asks of conda feeds: which files of a source are meant, and what they need.

A source is seen as its view shows it. Of a package in both formats a spec takes only the `.conda`, as every client
does; the other is promoted by its file name. Newest is told for each platform and Python that is asked for, so that
none is left without; `noarch` belongs to every platform.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from proxy.conda.names import FileName, is_subdir, parse_file
from proxy.conda.pack import BadPack
from proxy.conda.record import raws_of
from proxy.feeds.conda.channel import NOARCH
from proxy.feeds.conda.curated_feed import CuratedCondaFeed
from proxy.feeds.conda.edition import Edition
from proxy.feeds.conda.feed import CondaFeed
from proxy.feeds.conda.machines import parse_virtual_package
from proxy.feeds.conda.meaning import Candidate, chosen, means, shown, verdicts_on
from proxy.feeds.conda.revocations import Revocations, names_one_version
from proxy.feeds.conda.solving import CondaSolving
from proxy.feeds.local_keeper import LocalKeeper
from proxy.feeds.promotion.selecting import Choice, Chosen, Found, Place, Refused, Sought, Wanted, refused
from proxy.model.problem import Problem
from proxy.model.verdict import Verdict
from proxy.policy.conda_version import BadVersion, version_key
from proxy.policy.spec import BadSpec, Spec, parse_spec
from proxy.upstream.errors import UpstreamError, problem_for

_MOST_NAMES = 2000
_COMMON = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")


@dataclass(frozen=True, slots=True)
class Meaning:
    """The paths that a spec means, or why it means none. `is_on_purpose`: it names them, or one version."""

    paths: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    is_on_purpose: bool = False


class CondaSelecting:
    """The conda feeds of a site, by name (`promotion.selecting.Selecting`)."""

    needs_python = False

    def __init__(self, feeds: Callable[[str], CondaFeed | None], keeper: Callable[[], LocalKeeper]) -> None:
        self._feeds = feeds
        self._keeper = keeper

    def fault(self, spec: str) -> str | None:
        try:
            parse_spec("conda", spec)
        except BadSpec as bad:
            return str(bad)
        return None

    def machine_fault(self, virtual_package: str) -> str | None:
        try:
            package = parse_virtual_package(virtual_package)
            version_key(package.version or "0")
        except BadVersion as bad:
            return f"the version of {virtual_package} cannot be read: {bad}"
        except ValueError as bad:
            return str(bad)
        return None

    async def select(self, source: str, spec: str, sought: Sought, target: str = "") -> Choice:
        feed = self.feed(source)
        meant = await self.meaning(feed, spec, sought, self.revocations(target))
        if meant.refused:
            return Choice(refused=meant.refused)
        return Choice(tuple([Chosen(await self._found(feed, path)) for path in meant.paths]))

    async def find(self, source: str, artifact: str) -> Choice:
        feed = self.feed(source)
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
        return await CondaSolving(self, source, target, place).solve(wanted)

    async def hashed(self, source: str, found: Found) -> Found:
        feed = self.feed(source)
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
        feed = self.feed(target)
        return await asyncio.to_thread(feed.judged, found) if isinstance(feed, CuratedCondaFeed) else {}

    # -- parts ---------------------------------------------------------------------------------------------

    async def meaning(self, feed: CondaFeed, spec: str, sought: Sought, revocations: Revocations) -> Meaning:
        """Return what a spec means in a source; where it means nothing there, why."""
        source = feed.settings.name
        editions = await self.editions(feed, sought.platforms)
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
        is_on_purpose = names_one_version(spec)
        left_out = frozenset() if is_on_purpose else revocations.files
        paths, whys = await asyncio.to_thread(_meant, asked, kept, hiding, sought, left_out)
        if paths:
            return Meaning(tuple(paths), is_on_purpose=is_on_purpose)
        if left_out:
            again, _ = await asyncio.to_thread(_meant, asked, kept, hiding, sought, frozenset())
            if again:
                return Meaning(refused=tuple(revocations.refused(again)))
        if whys:
            return Meaning(refused=tuple(refused(path, verdict) for path, verdict in whys.items()))
        reason = f"nothing that {source} shows fits it; looked at: {_listed(editions)}"
        return Meaning(refused=(Refused(spec, "unknown", "unknown", reason, is_spec=True),))

    def revocations(self, target: str) -> Revocations:
        """Return what was revoked in a curated feed."""
        feed = self._feeds(target)
        return Revocations(feed.approved.revoked_files() if isinstance(feed, CuratedCondaFeed) else {})

    def feed(self, name: str) -> CondaFeed:
        feed = self._feeds(name)
        if feed is None:
            raise Problem("unknown", f"there is no conda feed {name}", feed=name)
        return feed

    async def editions(self, feed: CondaFeed, platforms: Collection[str]) -> list[Edition]:
        """Return what the feed shows on the platforms and in noarch.

        Without platforms that is every subdir that it is known to have; where its settings name none, those that
        most machines have, too: what is newest must not hang on which clients have asked for what by then. Trouble of
        one that nobody named costs no other.
        """
        wanted = tuple(platforms) or (*feed.subdirs(), *(() if feed.settings.subdirs else _COMMON))
        subdirs = [subdir for subdir in dict.fromkeys((NOARCH, *wanted)) if is_subdir(subdir)]
        needed = (NOARCH, *platforms)
        return list((await feed.channel.editions(subdirs, needed)).values())

    async def candidate(self, feed: CondaFeed, found: Found) -> Candidate:
        subdir, file = _parsed(found.artifact)
        return shown(found.artifact, (await feed.locate(subdir, file)).record)

    def name_of(self, path: str) -> str:
        return _parsed(path)[1].name

    async def either(self, source: CondaFeed, target: CondaFeed, path: str) -> Found:
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
    spec: Spec, kept: Mapping[str, Sequence[Candidate]], hiding: Mapping[str, Verdict], sought: Sought,
    left_out: Collection[str],
) -> tuple[list[str], dict[str, Verdict]]:  # fmt: skip
    """Return the paths that a spec means, else why what it means is hidden. Blocks."""
    meant = [
        each.path
        for of_name in kept.values()
        for each in chosen([one for one in of_name if one.path not in left_out and means(spec, one)], sought)
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
