"""`python_versions`: what is for none of the named Pythons is not shown; what is for no Python in particular stays.

How a file says for which Pythons it is: `conda_pythons` and `pypi_pythons`. Both give the part of a file that the
answer hangs on, the same for thousands of files, so it is read once.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from proxy.model.verdict import Verdict
from proxy.policy import conda_pythons, pypi_pythons
from proxy.policy.facts import Facts
from proxy.policy.rule import blocked
from proxy.policy.settings import Kind
from proxy.policy.wording import listed


@dataclass(frozen=True, slots=True)
class PythonVersions:
    """Blocks what runs on none of the versions."""

    #: A file -> what its answer hangs on.
    part: Callable[[Facts], Hashable]
    #: Such a part and the versions -> whether it runs on one of them, and what it is for, in words.
    read: Callable[[Hashable, tuple[str, ...]], tuple[bool, str]]
    wanted: tuple[str, ...]
    name: str = "python_versions"
    _known: dict[Hashable, Verdict | None] = field(default_factory=dict)

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        part = self.part(facts)
        try:
            return self._known[part]
        except KeyError:
            runs, what = self.read(part, self.wanted)
            reason = f"it is for {what}; this policy shows Python {listed(self.wanted)} only"
            verdict = self._known[part] = None if runs else blocked(self.name, reason)
            return verdict


def python_versions(kind: Kind, wanted: Sequence[str]) -> PythonVersions:
    """Return the rule for feeds of a kind."""
    reader = conda_pythons if kind == "conda" else pypi_pythons
    return PythonVersions(reader.part, reader.read, tuple(wanted))
