"""`only`, and the restricting lists of the PyPI sub-table: what is not named is not shown.

With `include_dependencies` what the named ones need is shown too: a set over the catalog, made once per snapshot
(`closure`) and handed in. While it is not there, what only it could let through is held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.model.verdict import Outcome, Verdict
from proxy.policy.facts import Facts
from proxy.policy.rule import blocked
from proxy.policy.spec import Spec, SpecList, first_match


class Needed(Protocol):
    """What a package list's members need."""

    @property
    def is_complete(self) -> bool:
        """Tell whether all of it is known; until then what does not belong to it yet is held."""
        ...

    def needs(self, facts: Facts) -> bool:
        """Tell whether the file belongs to what is needed."""
        ...

    def needs_of(self, name: str) -> bool:
        """Tell whether any file of the name may belong to it."""
        ...


@dataclass(frozen=True, slots=True)
class Only:
    """Blocks what no spec names. `needed` None: nothing is needed beyond; `is_awaiting`: not worked out yet."""

    name: str
    specs: SpecList
    needed: Needed | None = None
    is_awaiting: bool = False
    here: Sequence[Spec] = ()

    def narrowed(self, name: str) -> "Only | None":
        here = self.specs.for_name(name)
        return (
            None
            if any(spec.is_bare for spec in here)
            else Only(self.name, self.specs, self.needed, self.is_awaiting, here)
        )

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        if first_match(self.here, facts) is not None:
            return None
        if self.needed is not None and self.needed.needs(facts):
            return None
        return self._refused()

    def judge_name(self, name: str) -> Verdict | None:
        """Return the verdict on every file of a name that nothing names, None where the files must be asked."""
        if self.specs.for_name(name) or (self.needed is not None and self.needed.needs_of(name)):
            return None
        return self._refused()

    def _refused(self) -> Verdict:
        if self.is_awaiting:
            reason = "which packages the package list needs is not worked out yet"
            return Verdict(Outcome.HOLD, self.name, reason, "held")
        return blocked(self.name, f"it is not on the package list ({self.name})")
