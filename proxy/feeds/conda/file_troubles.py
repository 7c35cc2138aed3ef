"""What is wrong with single files of a conda feed, one line for each subdir and kind: left out, changed, or held.

Read from the generation that is shown. Times count from when this process saw it first; a reason may tell an older one.
"""

from collections.abc import Collection, Iterator, Mapping

from proxy.conda.names import parse_file
from proxy.feeds.conda.edition import Edition
from proxy.feeds.troubles import Troubles
from proxy.model.clock import Clock

FIRST_STAYS = "what was seen first stays"
_LEFT_OUT, _CHANGED, _HELD = _KINDS = ("records are left out", "files changed", "files are held")


class FileTroubles:
    """The troubles of one feed's files."""

    def __init__(self, clock: Clock) -> None:
        self._troubles = Troubles(clock)

    def of_files(self, subdir: str, edition: Edition) -> Iterator[str]:
        """Yield what is wrong in a subdir."""
        found = dict(_found(subdir, edition))
        for kind, text in found.items():
            self._troubles.note(subdir, kind, text)
        self._troubles.forget(subdir, *(kind for kind in _KINDS if kind not in found))
        yield from self._troubles.of(subdir)


def _found(subdir: str, edition: Edition) -> Iterator[tuple[str, str]]:
    top = edition.generation.snapshot.top
    if dropped := top.dropped_files:
        file, why = next(iter(dropped.items()))
        verbs = "cannot be read and are left out, such as", "cannot be read and is left out:"
        yield _LEFT_OUT, f"{_counted(dropped, 'record', subdir)} {verbs[len(dropped) == 1]} {file} ({why})"
    if changed := _changed(edition):
        file = next(iter(changed))
        count = _counted(changed, "file", subdir)
        yield _CHANGED, f"{count} changed under the same name, such as {file}: {FIRST_STAYS}"
    if held := top.held:
        file, why = next(iter(held.items()))
        verb = "are held, such as" if len(held) > 1 else "is held:"
        yield _HELD, f"{_counted(held, 'file', subdir)} {verb} {file} ({why})"


def changed_files(edition: Edition, name: str) -> Iterator[str]:
    """Yield the files of a name, as `subdir/file`, of which another record is shown than the origin lists."""
    for file in _changed(edition):
        parsed = parse_file(file)
        if parsed is not None and parsed.name == name:
            yield f"{edition.subdir}/{file}"


def _changed(edition: Edition) -> Mapping[str, object]:
    """Return the files of which another record is shown than the origin lists; a composed generation notes none."""
    top = edition.generation.snapshot.top
    tops = [top, *(held.generation.snapshot.top for held in edition.below if held.generation is not None)]
    return {file: None for each in tops for file in each.changed if file not in each.held}


def _counted(files: Collection[str], what: str, subdir: str) -> str:
    return f"{len(files):,} {what if len(files) == 1 else what + 's'} of {subdir}"
