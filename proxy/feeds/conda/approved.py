"""What is approved in one curated conda feed, by subdir, and which names changed since somebody looked.

A view of `state.approvals`, which has the last word at every moment; here is only what it cannot be asked: a subdir's
names. Nothing is decided.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol
from weakref import WeakSet

from proxy.conda.names import FileName
from proxy.model.approval import Approval

OnChange = Callable[[str, frozenset[str]], None]


class Approvals(Protocol):
    """The approvals of all feeds (proxy.state.approvals)."""

    def of(self, feed: str, name: str) -> Mapping[str, Approval]: ...

    def revoked(self, feed: str, name: str) -> Mapping[str, Approval]: ...

    def known_names(self, feed: str) -> Iterable[str]: ...

    def on_change(self, listener: OnChange) -> Callable[[], None]: ...


class Told(Protocol):
    """Who is told of changes."""

    def changed(self) -> None: ...


class Approved:
    """One feed's approvals. `revision` is this object's own count of changes."""

    def __init__(self, feed: str, approvals: Approvals) -> None:
        self.feed = feed
        self.revision = 0
        self._approvals = approvals
        #: subdir -> the names that have an active approval there; None: not looked at yet.
        self._names: dict[str, set[str]] | None = None
        #: subdir -> name -> the revision of its last change, the newest at the end.
        self._changed: dict[str, OrderedDict[str, int]] = {}
        self._told: WeakSet[Told] = WeakSet()
        self._stop = approvals.on_change(self._note)

    # -- the gate's questions

    def active(self, subdir: str, file: FileName) -> Approval | None:
        """Return the approval of a file."""
        return self._approvals.of(self.feed, file.name).get(f"{subdir}/{file.file}")

    def revoked(self, subdir: str, file: FileName) -> Approval | None:
        """Return the approval that a file had once."""
        return self._approvals.revoked(self.feed, file.name).get(f"{subdir}/{file.file}")

    # -- a subdir's

    def of(self, subdir: str, name: str) -> list[Approval]:
        """Return the active approvals of a name in a subdir."""
        found = self._approvals.of(self.feed, name)
        return [each for path, each in tuple(found.items()) if path.partition("/")[0] == subdir]

    def all_revoked(self, subdir: str, name: str) -> list[Approval]:
        """Return the approvals that files of a name had once in a subdir."""
        found = self._approvals.revoked(self.feed, name)
        return [each for path, each in tuple(found.items()) if path.partition("/")[0] == subdir]

    def revoked_files(self) -> Mapping[str, Approval]:
        """Return all that was approved once and is no more, by `subdir/file`."""
        return {
            path: each
            for name in tuple(self._approvals.known_names(self.feed))
            for path, each in self._approvals.revoked(self.feed, name).items()
        }

    def subdirs(self) -> Collection[str]:
        """Return the subdirs in which anything is approved, or was."""
        return tuple(self._known())

    def has(self, subdir: str) -> bool:
        return bool(self._known().get(subdir))

    def names(self, subdir: str) -> Collection[str]:
        return tuple(self._known().get(subdir, ()))

    def is_unchanged(self, subdir: str, revision: int) -> bool:
        """Tell whether nothing of the subdir has changed since that revision."""
        changed = self._changed.get(subdir)
        return not changed or next(reversed(changed.values())) <= revision

    def changed_since(self, subdir: str, revision: int) -> list[str]:
        """Return the names of the subdir that have changed since that revision."""
        found = []
        for name, at in reversed(self._changed.get(subdir, {}).items()):
            if at <= revision:
                break
            found.append(name)
        return found

    async def warm(self) -> None:
        """Look at all names once, in a thread; where they change under its hands, whoever asks first does it."""
        before = self.revision
        with contextlib.suppress(RuntimeError):
            names = await asyncio.to_thread(self._looked_up)
            if self._names is None and self.revision == before:
                self._names = names

    def tell(self, told: Told) -> None:
        """Tell somebody of each change of this feed, for as long as it lives."""
        self._told.add(told)

    def close(self) -> None:
        """Hear of no more changes."""
        stop, self._stop = self._stop, lambda: None
        stop()

    # -- parts

    def _known(self) -> dict[str, set[str]]:
        if self._names is None:
            self._names = self._looked_up()
        return self._names

    def _looked_up(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name in self._approvals.known_names(self.feed):
            for path in self._approvals.revoked(self.feed, name):
                found.setdefault(path.partition("/")[0], set())
            for subdir in self._subdirs_of(name):
                found.setdefault(subdir, set()).add(name)
        return found

    def _subdirs_of(self, name: str) -> set[str]:
        return {path.partition("/")[0] for path in self._approvals.of(self.feed, name)}

    def _note(self, feed: str, names: frozenset[str]) -> None:
        if feed != self.feed:
            return
        self.revision += 1
        if self._names is not None:
            for name in names:
                self._note_name(self._names, name)
        for each in tuple(self._told):
            each.changed()

    def _note_name(self, known: dict[str, set[str]], name: str) -> None:
        now = self._subdirs_of(name)
        for subdir in now:
            known.setdefault(subdir, set()).add(name)
        for subdir, has in known.items():
            if name in has:
                changed = self._changed.setdefault(subdir, OrderedDict())
                changed[name] = self.revision
                changed.move_to_end(name)
                if subdir not in now:
                    has.discard(name)
