"""`block`, and `allow`, which adds back what `block_licenses` and `block` removed and nothing else.

The block list of the PyPI sub-table removes for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.model.verdict import Outcome, Verdict
from proxy.policy.facts import Facts
from proxy.policy.rule import blocked
from proxy.policy.spec import Spec, SpecList, first_match
from proxy.policy.wording import quoted


@dataclass(frozen=True, slots=True)
class Block:
    """Blocks what a spec names."""

    name: str
    specs: SpecList
    here: Sequence[Spec] = ()

    def narrowed(self, name: str) -> "Block | None":
        here = self.specs.for_name(name)
        return Block(self.name, self.specs, here) if here else None

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        spec = first_match(self.here, facts)
        return None if spec is None else self._blocked(spec)

    def judge_name(self, name: str) -> Verdict | None:
        """Return the verdict on every file of a name that is blocked whole, None where the files must be asked."""
        bare = next((spec for spec in self.specs.for_name(name) if spec.is_bare), None)
        return None if bare is None else self._blocked(bare)

    def _blocked(self, spec: Spec) -> Verdict:
        return blocked(self.name, f"{quoted(spec.text)} is on the list ({self.name})")


@dataclass(frozen=True, slots=True)
class Allow:
    """Finds what is added back. Its verdict allows; who removed it is told."""

    specs: SpecList
    here: Sequence[Spec] = ()
    name: str = "allow"

    def narrowed(self, name: str) -> "Allow | None":
        here = self.specs.for_name(name)
        return Allow(self.specs, here) if here else None

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        spec = first_match(self.here, facts)
        if spec is None:
            return None
        return Verdict(Outcome.ALLOW, self.name, f"{quoted(spec.text)} is on the allow list", "blocked")
