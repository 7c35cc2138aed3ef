"""`python_versions`: what is for none of the named Pythons is not shown; what is for no Python in particular stays.

How a file says for which Pythons it is: `conda_pythons` and `pypi_pythons`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxy.model.verdict import Verdict
from proxy.policy.conda_pythons import conda_pythons
from proxy.policy.facts import Facts
from proxy.policy.pypi_pythons import pypi_pythons
from proxy.policy.rule import blocked
from proxy.policy.settings import Kind
from proxy.policy.wording import listed

#: A file and the versions asked for -> whether it runs on one of them, and what it is for, in words.
Reader = Callable[[Facts, tuple[str, ...]], tuple[bool, str]]


@dataclass(frozen=True, slots=True)
class PythonVersions:
    """Blocks what runs on none of the versions."""

    reader: Reader
    wanted: tuple[str, ...]
    name: str = "python_versions"

    def narrowed(self, name: str) -> "PythonVersions":
        return self

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        runs, what = self.reader(facts, self.wanted)
        if runs:
            return None
        return blocked(self.name, f"it is for {what}; this policy shows Python {listed(self.wanted)} only")


def python_versions(kind: Kind, wanted: Sequence[str]) -> PythonVersions:
    """Return the rule for feeds of a kind."""
    return PythonVersions(conda_pythons if kind == "conda" else pypi_pythons, tuple(wanted))
