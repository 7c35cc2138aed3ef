"""`python_versions`: what is for none of the named Pythons is not shown; what is for no Python in particular stays.

How a file says for which Pythons it is: `conda_pythons` and `pypi_pythons`. Both give the part of a file that the
answer hangs on, the same for thousands of files, so it is read once.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from proxy.model.verdict import Verdict
from proxy.policy import conda_pythons, pypi_pythons
from proxy.policy.facts import Facts
from proxy.policy.rule import blocked
from proxy.policy.settings import Kind
from proxy.policy.wording import listed


class _Elsewhere:
    """The part was about something else than Python."""


_ELSEWHERE = _Elsewhere()


class Reader(Protocol):
    """How an ecosystem's files say for which Pythons they are."""

    def part(self, facts: Facts) -> Hashable:
        """Return what a file's answer hangs on."""
        ...

    def parts(self, files: Sequence[Facts]) -> list[Hashable]:
        """Return the same of many files."""
        ...

    def otherwise(self, facts: Facts) -> Hashable:
        """Return what it hangs on where the first part has no answer."""
        ...

    def read(self, part: Hashable, wanted: tuple[str, ...]) -> tuple[bool, str] | None:
        """Return whether a part is for one of the versions, and what it is for, in words; None: no answer."""
        ...


@dataclass(frozen=True, slots=True)
class PythonVersions:
    """Blocks what runs on none of the versions."""

    reader: Reader
    wanted: tuple[str, ...]
    name: str = "python_versions"
    _known: dict[Hashable, Verdict | _Elsewhere | None] = field(default_factory=dict)
    #: The same without what was about something else.
    _sure: dict[Hashable, Verdict | None] = field(default_factory=dict)

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        verdict = self._of(self.reader.part(facts))
        if isinstance(verdict, _Elsewhere):
            verdict = self._of(self.reader.otherwise(facts))
        return None if isinstance(verdict, _Elsewhere) else verdict

    def judge_many(self, files: Sequence[Facts], tick_ms: int) -> list[Verdict | None]:
        """Return what `judge` returns, of many files."""
        try:
            return list(map(self._sure.__getitem__, self.reader.parts(files)))
        except KeyError:
            return [self.judge(each, tick_ms) for each in files]

    def _of(self, part: Hashable) -> Verdict | _Elsewhere | None:
        try:
            return self._known[part]
        except KeyError:
            verdict = self._known[part] = self._read(part)
            if not isinstance(verdict, _Elsewhere):
                self._sure[part] = verdict
            return verdict

    def _read(self, part: Hashable) -> Verdict | _Elsewhere | None:
        found = self.reader.read(part, self.wanted)
        if found is None:
            return _ELSEWHERE
        runs, what = found
        reason = f"it is for {what}; this policy shows Python {listed(self.wanted)} only"
        return None if runs else blocked(self.name, reason)


def python_versions(kind: Kind, wanted: Sequence[str]) -> PythonVersions:
    """Return the rule for feeds of a kind."""
    return PythonVersions(conda_pythons if kind == "conda" else pypi_pythons, tuple(wanted))
