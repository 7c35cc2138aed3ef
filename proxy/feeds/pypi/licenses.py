"""What is known of the licences of a project's files, where an index tells none: looked up once, kept by digest.

It is an upstream's word about its own files, so it is kept for that upstream and project. Only what was found out is
kept; a look-up that failed is tried again after a while. Knowledge only grows, so its amount says whether a view knows
all of it (`revision`). It is cache: losing it costs look-ups.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from packaging.version import Version

from proxy.artifacts.notes import Notes
from proxy.feeds.pypi.facts import key_of, version_key
from proxy.feeds.pypi.keeper import PypiKeeper
from proxy.feeds.pypi.located import located_in
from proxy.feeds.pypi.subject import Subject
from proxy.feeds.pypi.view import PypiView
from proxy.model.clock import Clock
from proxy.model.digest import parse_sha256
from proxy.model.problem import Problem
from proxy.policy.facts import License
from proxy.pypi.described import Described
from proxy.pypi.distribution import Distribution, metadata_hashes
from proxy.pypi.names import FileKind

_LOG = logging.getLogger("feedgate.licenses")
#: Projects in memory.
_REMEMBERED = 2_000
#: Look-ups at once: clients' own requests go by the same way.
_AT_ONCE = 6
_RETRY_S = 60.0
#: Failures in memory.
_MOST_FAILED = 50_000
#: Raised when the same METADATA tells another licence: what was found out before is looked up again.
FORM = 1
_DECODER = msgspec.msgpack.Decoder(dict[str, License])

Project = tuple[str, str]


class Licenses:
    """The licences of one feed's files; a project is an upstream and a name."""

    def __init__(self, keeper: PypiKeeper, notes: Notes, clock: Clock) -> None:
        self._clock = clock
        self._keeper = keeper
        self._notes = notes
        self._known: OrderedDict[Project, dict[str, License]] = OrderedDict()
        #: Until when a file is not asked again, and why it could not tell.
        self._failed: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._looking = asyncio.Semaphore(_AT_ONCE)

    def revision(self, upstream: str, name: str) -> int | None:
        """Return how much is known; None where that has not been recalled yet."""
        known = self._known.get((upstream, name))
        return None if known is None else len(known)

    async def of(self, upstream: str, name: str) -> Mapping[str, License]:
        """Return the known licences by `key_of` the file, as they are at this moment."""
        project = (upstream, name)
        known = self._known.get(project)
        if known is None:
            recalled = _read(await self._notes.get(_note(project)))
            known = self._known.setdefault(project, recalled)
        self._known.move_to_end(project)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return dict(known)

    def worth_asking(self, wanted: Iterable[Distribution]) -> list[Distribution]:
        """Return one file of each version that is wanted, the newest version first; none that failed just now."""
        now = self._clock.monotonic()
        return one_of_each_version(file for file in wanted if self._rests_until(file, now) <= now)

    def trouble(self, file: Distribution) -> str:
        """Return why a file's licence could not be looked up the last time; "" where nothing stood against it."""
        return self._failed.get(key_of(file), (0.0, ""))[1]

    async def learn(
        self, view: PypiView, files: Sequence[Distribution], *, is_asked_for: bool = False,
        turns: asyncio.Semaphore | None = None,
    ) -> None:  # fmt: skip
        """Look up what the files say; each is known as soon as it came, what does not come stays unknown.

        `turns`: what somebody waits for does not stand in line behind the work for pages.
        """
        await self.of(view.upstream, view.name)
        known = self._known.setdefault((view.upstream, view.name), {})
        before = len(known)
        turns = turns or self._looking
        try:
            await asyncio.gather(*(self._look_up(view, file, known, is_asked_for, turns) for file in files))
        finally:
            if len(known) > before:
                await self._notes.set(_note((view.upstream, view.name)), msgspec.msgpack.encode(known))

    def _rests_until(self, file: Distribution, now: float) -> float:
        return self._failed.get(key_of(file), (now, ""))[0]

    async def _look_up(
        self, view: PypiView, file: Distribution, known: dict[str, License], is_asked_for: bool,
        turns: asyncio.Semaphore,
    ) -> None:  # fmt: skip
        told = metadata_hashes(file.core_metadata).get("sha256")
        advertised = parse_sha256(told) if told else None
        subject = Subject(located_in(view, file).ref, file.version, advertised, is_asked_for)
        try:
            async with turns:
                known[key_of(file)] = _license_of(await self._keeper.described(subject))
            self._failed.pop(key_of(file), None)
        except Problem as problem:
            _LOG.info("a licence could not be looked up: file %s, why %s", file.filename, problem.detail)
            self._failed[key_of(file)] = self._clock.monotonic() + _RETRY_S, problem.detail
            if len(self._failed) > _MOST_FAILED:
                self._failed.popitem(last=False)


def one_of_each_version(files: Iterable[Distribution]) -> list[Distribution]:
    """Return of each version the file that costs least to ask, the newest version first."""
    best, odd = dict[Version, Distribution](), list[Distribution]()
    for file in files:
        version = version_key(file)
        if version is None:
            odd.append(file)
        elif version not in best or _ease(file) < _ease(best[version]):
            best[version] = file
    return [*(best[version] for version in sorted(best, reverse=True)), *odd]


def _license_of(said: Described) -> License:
    return License(said.license, None, said.license_expression, said.classifiers).bounded()


def _ease(file: Distribution) -> tuple[bool, int]:
    """Sort files by how little it costs to ask them: wheels first, small ones first."""
    return file.kind is not FileKind.WHEEL, file.size or 0


def _read(data: bytes | None) -> dict[str, License]:
    try:
        return _DECODER.decode(data) if data is not None else {}
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _note(project: Project) -> str:
    return f"licenses/{FORM}/{hashlib.sha256(' '.join(project).encode()).hexdigest()}"
