"""What the promotion engine asks of PyPI feeds: which files of a source are meant, and what they need.

A source is seen as its view shows it; a file whose bytes changed at the origin under its name is none to promote.
Newest is told for each platform and Python that is asked for. The solve is `solving.py`'s.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product

from packaging.requirements import InvalidRequirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from proxy.artifacts.store import BlobStore
from proxy.feeds.curated import OfName
from proxy.feeds.keeper import Absent
from proxy.feeds.local_keeper import LocalKeeper
from proxy.feeds.promotion.selecting import Choice, Chosen, Found, Place, Refused, Sought, Wanted, refused
from proxy.feeds.pypi.feed import PypiFeed
from proxy.feeds.pypi.fitting import by_version, fitting, is_yanked
from proxy.feeds.pypi.located import located_in
from proxy.feeds.pypi.pinned import shard_of, unpin, with_sha256
from proxy.feeds.pypi.revocations import Revocations, names_one_version
from proxy.feeds.pypi.shard import Shard
from proxy.feeds.pypi.solving import Solving
from proxy.feeds.pypi.sourced import Seen, Sourced, SourcedBehind, Untold
from proxy.feeds.pypi.viewer import is_untold
from proxy.model.approval import Approval
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.verdict import Verdict
from proxy.pypi.distribution import Distribution
from proxy.pypi.names import normalize, version_of
from proxy.pypi.requirements import parse_requirement
from proxy.state.approvals import Approvals
from proxy.upstream.errors import UpstreamError, problem_for

#: Of one name so many hidden files are told.
_MOST_HIDDEN = 50
#: So much is looked up at once for all promotions: clients' own requests go by the same way.
_AT_ONCE = 6


class PypiSelecting:
    """The PyPI feeds of a site, by name (`promotion.selecting.Selecting`)."""

    needs_python = True

    def __init__(
        self, feeds: Callable[[str], PypiFeed | None], keeper: Callable[[], LocalKeeper], store: BlobStore,
        approvals: Approvals,
    ) -> None:  # fmt: skip
        self._feeds = feeds
        self._keeper = keeper
        self._store = store
        self._approvals = approvals
        self.turns = asyncio.Semaphore(_AT_ONCE)

    def fault(self, spec: str) -> str | None:
        try:
            requirement = parse_requirement(spec)
        except InvalidRequirement as bad:
            return f"{spec!r} is no requirement such as requests or 'numpy >=1.26,<3': {str(bad).splitlines()[0]}"
        if requirement.url is not None:
            return "a requirement with a URL cannot be promoted: name a version"
        if requirement.marker is not None:
            return "markers say nothing here: give platforms and python_versions"
        return None

    def machine_fault(self, virtual_package: str) -> str | None:
        return "virtual packages are conda's: a PyPI feed asks for platforms and python_versions only"

    async def select(self, source: str, spec: str, sought: Sought, target: str = "") -> Choice:
        requirement = parse_requirement(spec)
        name = normalize(requirement.name)
        sourced = await self.sourced(source, name)
        if sourced is None:
            return _unknown(spec, f"{source} has no project {name}")
        is_on_purpose = names_one_version(requirement.specifier)
        revocations = Revocations() if is_on_purpose else self.revocations(target, name)
        files = sourced.possible()
        try:
            taken = await self._taken(sourced, requirement.specifier, revocations.left(files), sought)
            if taken:
                return Choice(tuple(Chosen(sourced.found(file)) for file in taken))
            again = await self._taken(sourced, requirement.specifier, files, sought) if revocations else []
            if again:
                return Choice(refused=tuple(revocations.refused(again)))
        except Untold as untold:
            return Choice(refused=(untold.refused,))
        hiding = list(_hidden(sourced, requirement.specifier))
        if hiding:
            return Choice(refused=tuple(hiding[:_MOST_HIDDEN]))
        places = ", ".join((*sought.platforms, *(f"Python {python}" for python in sought.pythons)))
        reason = f"no version that {source} shows fits it" + (f" on {places}" if places else "")
        return _unknown(spec, reason)

    async def find(self, source: str, artifact: str) -> Choice:
        feed = self._feed(source)
        hidden: Verdict | None = None
        for name, may_ask in feed.candidates(artifact):
            sourced = await self.sourced(source, name) if may_ask else None
            if sourced is None:
                continue
            try:
                await sourced.allowed([each for each in sourced.possible() if each.filename == artifact])
            except Untold as untold:
                return Choice(refused=(untold.refused,))
            file = next((each for each in sourced.shown if each.filename == artifact), None)
            if file is not None and sourced.drifted(file):
                return Choice(refused=(_drifted(artifact),))
            if file is not None:
                return Choice((Chosen(sourced.found(file)),))
            view = sourced.view
            why = next((v for path, v in view.hidden.items() if path.endswith(f"/{artifact}")), None)
            if why is not None:
                return Choice(refused=(refused(artifact, why),))
            hidden = hidden or view.verdict
        if hidden is not None:
            return Choice(refused=(refused(artifact, hidden),))
        reason = f"no project of {source} lists this file"
        return Choice(refused=(Refused(artifact, "unknown", "unknown", reason),))

    async def solve(self, source: str, target: str, wanted: Wanted, place: Place) -> Choice:
        return await Solving(self, self._keeper(), self._store, source, target, place).solve(wanted)

    async def hashed(self, source: str, found: Found) -> Found:
        feed = self._feed(source)
        view, offer = await feed.view(found.name, whole=False)
        file = unpin(found.record).file
        if view is None or isinstance(offer, Absent) or file.path not in view.kept:
            raise Problem(
                "unknown", "the source lists the file no more", feed=source, artifact=found.artifact
            )
        ref = located_in(view, view.kept[file.path]).ref
        keeper = self._keeper()
        digest = await keeper.held(ref)
        blob = await self._store.get(digest) if digest is not None else None
        try:
            blob = blob or await keeper.arrived(ref)
        except UpstreamError as error:
            raise problem_for(error, source) from error
        record = with_sha256(found.record, blob.digest, blob.size)
        return Found(
            found.artifact, found.name, found.version, blob.digest, blob.size, record, found.upstream,
            found.origin_url,
        )  # fmt: skip

    async def hidden(self, source: str, target: str, found: Sequence[Found]) -> Mapping[str, Verdict]:
        feed = self._feed(target)
        by_name: dict[str, list[Found]] = {}
        for each in found:
            by_name.setdefault(each.name, []).append(each)
        hiding: dict[str, Verdict] = {}
        for name, new in by_name.items():
            verdict = feed.viewer.verdict_of(name)
            if verdict is not None:
                hiding |= {each.artifact: verdict for each in new}
            elif feed.policy is not None:
                hiding |= await self._hidden_of(source, feed, name, new)
        return hiding

    async def sourced(self, source: str, name: str) -> Sourced | None:
        """Return what a feed shows of a normalised name, None where nobody has it. Raises Problem."""
        feed = self._feed(source)
        seen = await self._seen(feed, name)
        if seen is None:
            return None
        approved = self._approvals.of(source, name) if feed.settings.curated_from else {}
        inner = next((each.feed for each in feed.settings.upstreams if each.id == seen.view.upstream), None)
        behind = None
        if inner is not None and any(map(is_untold, seen.view.hidden.values())):
            behind = await self.sourced(inner, name)
            seen = await self._seen(feed, name) or seen
        sourced = Sourced(feed, seen, approved, self.turns)
        if behind is not None:
            sourced = SourcedBehind(feed, seen, approved, self.turns, behind, lambda: self._seen(feed, name))
        if feed.policy is not None and feed.policy.keep_versions:
            # Which versions are shown depends on every newer one.
            await sourced.settle()
        return sourced

    async def _seen(self, feed: PypiFeed, name: str) -> Seen | None:
        await self._wait_for_lists(feed)
        view, offer = await feed.view(name, whole=False)
        if view is None or isinstance(offer, Absent):
            return None
        behind = await feed.viewer.shard(name) if feed.viewer.verdict_of(name) is None else None
        return Seen(view, behind[0] if behind is not None else Shard(0, view.listing))

    async def _wait_for_lists(self, feed: PypiFeed) -> None:
        """Wait until it is known what package lists need, of the feed and of those behind it."""
        if feed.viewer.needs is not None:
            await feed.viewer.needs.wait()
        for upstream in feed.settings.upstreams:
            inner = self._feeds(upstream.feed) if upstream.feed is not None else None
            if inner is not None:
                await self._wait_for_lists(inner)

    def revocations(self, target: str, name: str) -> Revocations:
        """Return what was revoked of a name in a feed."""
        return Revocations(self._approvals.revoked(target, name), self._approvals.of(target, name))

    # -- parts ---------------------------------------------------------------------------------------------

    async def _hidden_of(
        self, source: str, feed: PypiFeed, name: str, new: Iterable[Found]
    ) -> dict[str, Verdict]:
        """Return what the policy would hide of new files beside those that are approved."""
        target = feed.settings.name
        active = dict(self._approvals.of(target, name))
        supposed = {each.artifact: _supposed(target, each) for each in new}
        seen, _ = await self._feed(source).view(name, whole=False)
        view = await feed.viewer.judged(shard_of(OfName(name, active | supposed, {})), seen, self.turns)
        waiting = {file.path: file for file in view.wanted}
        hiding = {
            path.rpartition("/")[2]: feed.viewer.told_of(waiting[path], verdict)
            if path in waiting
            else verdict
            for path, verdict in view.hidden.items()
        }
        if view.verdict is not None:
            return dict.fromkeys(supposed, view.verdict) | {
                artifact: hiding[artifact] for artifact in supposed if artifact in hiding
            }
        return {artifact: hiding[artifact] for artifact in supposed if artifact in hiding}

    async def _taken(
        self, sourced: Sourced, specifier: SpecifierSet, files: Iterable[Distribution], sought: Sought
    ) -> list[Distribution]:
        """Return what a spec means of these files: of the newest version for each place, or of all. Raises Untold."""
        versions = by_version(files)
        while meant := _matching(specifier, versions):
            if sought.every:
                await sourced.settle([file for version in meant for file in versions[version]])
            taken: dict[str, Distribution] = {}
            is_any_shown = False
            for platform, python in product(_or_any(sought.platforms), _or_any(sought.pythons)):
                place = None if platform == "noarch" else platform, python
                for version in meant:
                    if not fitting(versions[version], *place):
                        continue
                    able = fitting(await sourced.allowed(versions[version]), *place)
                    is_any_shown |= bool(able)
                    taken |= {file.filename: file for file in able}
                    if able and not sought.every:
                        break
            if is_any_shown:
                return list(taken.values())
            # Where no final release may be shown, a pre-release is meant (PEP 440).
            versions = {version: of_it for version, of_it in versions.items() if version not in meant}
        return []

    def _feed(self, name: str) -> PypiFeed:
        feed = self._feeds(name)
        if feed is None:
            raise Problem("unknown", f"there is no PyPI feed {name}")
        return feed


def _supposed(feed: str, found: Found) -> Approval:
    return Approval(
        id="", feed=feed, kind="pypi", name=found.name, version=found.version, artifact=found.artifact,
        sha256=found.sha256 or Sha256(""), size=found.size, record=found.record, source_feed="",
        upstream=found.upstream, origin_url=found.origin_url, promotion_id="", at_ms=0, actor="",
    )  # fmt: skip


def _or_any(wanted: Sequence[str]) -> Sequence[str | None]:
    return wanted or (None,)


def _matching(specifier: SpecifierSet, versions: Mapping[str, Sequence[Distribution]]) -> list[str]:
    """Return the versions that a specifier means, newest first; yanked ones only where they are pinned."""
    may_be_yanked = any(each.operator in ("==", "===") for each in specifier)
    able = [version for version, files in versions.items() if may_be_yanked or not is_yanked(files)]
    fitting_it = set(specifier.filter(able))
    return [version for version in able if version in fitting_it]


def _hidden(sourced: Sourced, specifier: SpecifierSet) -> Iterable[Refused]:
    for file in sourced.shown:
        if sourced.drifted(file) and _means(specifier, file.version):
            yield _drifted(file.filename)
    view = sourced.view
    for path, verdict in view.hidden.items():
        filename = path.rpartition("/")[2]
        if _means(specifier, version_of(filename, sourced.name)):
            yield refused(filename, verdict)
    if view.verdict is not None and not view.hidden:
        yield refused(sourced.name, view.verdict, is_spec=True)


def _means(specifier: SpecifierSet, version: str | None) -> bool:
    return version is not None and specifier.contains(Version(version), prereleases=True)


def _drifted(artifact: str) -> Refused:
    reason = "its bytes changed at the origin under its name since they were first seen"
    return Refused(artifact, "drifted", "drift", reason)


def _unknown(spec: str, reason: str) -> Choice:
    return Choice(refused=(Refused(spec, "unknown", "unknown", reason, is_spec=True),))
