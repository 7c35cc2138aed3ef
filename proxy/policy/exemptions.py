"""Exemptions: named rules that do not ask what a spec names, until the end of a day (UTC).

A lifted `min_age` lifts `unknown_age` too: both ask how old a file is. What an exemption has let through ends with the
first tick at or after its end, in gate and index alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from proxy.policy.facts import Facts
from proxy.policy.settings import Exemption, Kind
from proxy.policy.spec import Spec, parse_spec

_WITH = {"min_age": ("unknown_age",)}


@dataclass(frozen=True, slots=True)
class Lifting:
    """One exemption, compiled."""

    spec: Spec
    rules: frozenset[str]
    ends_ms: int
    exemption: Exemption

    @property
    def ends_at(self) -> datetime:
        return self.exemption.ends_at

    @property
    def words(self) -> str:
        """What an exempted file's verdict says."""
        why = f": {self.exemption.reason}" if self.exemption.reason else ""
        return f"exempted from {', '.join(self.exemption.rules)} to the end of {self.exemption.expires:%Y-%m-%d}{why}"


def compile_exemptions(kind: Kind, exemptions: Iterable[Exemption]) -> tuple[Lifting, ...]:
    """Return the exemptions as they apply to feeds of a kind. Raises BadSpec."""
    return tuple(
        Lifting(
            parse_spec(kind, each.spec),
            frozenset(each.rules).union(*(_WITH.get(rule, ()) for rule in each.rules)),
            int(each.ends_at.timestamp() * 1000),
            each,
        )
        for each in exemptions
    )


def for_name(liftings: Iterable[Lifting], name: str, tick_ms: int) -> tuple[Lifting, ...]:
    """Return the exemptions that may lift something of a name at a tick."""
    return tuple(each for each in liftings if tick_ms < each.ends_ms and each.spec.name.matches(name))


def lifting(liftings: Sequence[Lifting], rule: str, facts: Facts) -> Lifting | None:
    """Return the exemption that lifts the rule for a file, the one that lasts longest."""
    found = [each for each in liftings if rule in each.rules and _is_meant(each.spec, facts)]
    return max(found, key=lambda each: each.ends_ms, default=None)


def _is_meant(spec: Spec, facts: Facts) -> bool:
    """Tell whether a spec means a file; one whose version cannot be compared is exempt by its name only."""
    try:
        return spec.matches(facts)
    except ValueError:
        return False
