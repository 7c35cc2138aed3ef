"""The order of the rules: the one place where a policy's keys become rules, and where a new rule is entered."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from proxy.model.verdict import Verdict
from proxy.policy.age import MinAge, UnknownAge
from proxy.policy.block import Allow, Block
from proxy.policy.exemptions import Lifting, compile_exemptions, for_name
from proxy.policy.license_words import Words
from proxy.policy.licenses import BlockLicenses, UnknownLicense
from proxy.policy.name_rules import NameRules
from proxy.policy.only import Needed, Only
from proxy.policy.platforms import Platforms
from proxy.policy.prereleases import Prereleases
from proxy.policy.pythons import python_versions
from proxy.policy.quarantined import Quarantined
from proxy.policy.rule import Rule
from proxy.policy.settings import Kind, Policy
from proxy.policy.sizes import MaxSize
from proxy.policy.spec import parse_specs
from proxy.policy.yanked import Yanked


@dataclass(frozen=True, slots=True)
class Rules:
    """A policy's rules for feeds of a kind, in the contract's order (section 4)."""

    #: Platforms and Pythons.
    eligibility: Sequence[Rule]
    #: What is kept: nothing adds back what these leave out.
    lists: Sequence[Only | Block]
    #: What is removed, and may be added back.
    removing: Sequence[Rule]
    adding_back: Allow | None
    remaining: Sequence[Rule]
    liftings: Sequence[Lifting]

    def for_name(self, name: str, tick_ms: int) -> NameRules:
        """Return the rules as they apply to a name at a tick."""
        return NameRules(
            _narrowed((*self.eligibility, *self.lists), name),
            _narrowed(self.removing, name),
            self.adding_back.narrowed(name) if self.adding_back is not None else None,
            _narrowed(self.remaining, name),
            for_name(self.liftings, name, tick_ms) if self.liftings else (),
            tick_ms,
            [],
        )

    def judge_name(self, name: str, liftings: Iterable[Lifting]) -> Verdict | None:
        """Return the verdict that the lists alone give to every file of a name."""
        lifted = frozenset[str]().union(*(each.rules for each in liftings))
        is_added_back = self.adding_back is not None and bool(self.adding_back.specs.for_name(name))
        blocks = [] if is_added_back else [rule for rule in self.removing if isinstance(rule, Block)]
        for rule in (*self.lists, *blocks):
            verdict = rule.judge_name(name) if rule.name not in lifted else None
            if verdict is not None:
                return verdict
        return None


def _narrowed(rules: Sequence[Rule], name: str) -> list[Rule]:
    return [found for rule in rules if (found := rule.narrowed(name)) is not None]


def rules_of(policy: Policy, kind: Kind, needed: Needed | None = None) -> Rules:
    """Return the rules of a policy for feeds of a kind. Raises BadSpec, BadLicenseWord."""
    specs = {key: parse_specs(kind, getattr(policy, key)) for key in ("only", "block", "allow")}
    words = Words(policy.block_licenses)
    eligibility: list[Rule] = []
    if policy.platforms:
        eligibility.append(Platforms(kind, frozenset(policy.platforms)))
    if policy.python_versions:
        eligibility.append(python_versions(kind, policy.python_versions))
    lists: list[Only | Block] = []
    if policy.only:
        is_awaiting = policy.include_dependencies and needed is None
        lists.append(
            Only("only", specs["only"], needed if policy.include_dependencies else None, is_awaiting)
        )
    lists += _pypi_lists(policy) if kind == "pypi" else []
    removing: list[Rule] = []
    if policy.block_licenses:
        removing.append(BlockLicenses(kind, words))
    if policy.block:
        removing.append(Block("block", specs["block"]))
    return Rules(
        eligibility, lists, removing, Allow(specs["allow"]) if policy.allow else None,
        list(_remaining(policy, kind, words)), compile_exemptions(kind, policy.exemptions),
    )  # fmt: skip


def _pypi_lists(policy: Policy) -> list[Only | Block]:
    given = policy.pypi
    if given.pkg_list:
        return [Only("pypi.pkg_list", parse_specs("pypi", given.pkg_list))]
    found: list[Only | Block] = []
    if given.allowlist:
        found.append(Only("pypi.allowlist", parse_specs("pypi", given.allowlist)))
    if given.blocklist:
        found.append(Block("pypi.blocklist", parse_specs("pypi", given.blocklist)))
    return found


def _remaining(policy: Policy, kind: Kind, words: Words) -> Iterable[Rule]:
    if policy.asks_licenses:
        yield UnknownLicense(kind, words, policy.unknown_license_outcome)
    if policy.min_age_s > 0:
        yield MinAge(kind, policy.min_age_s)
        yield UnknownAge(policy.unknown_age)
    if not policy.prereleases:
        yield Prereleases(kind)
    if policy.yanked == "hide":
        yield Yanked()
    if policy.quarantined == "block":
        yield Quarantined()
    if policy.max_size_bytes is not None:
        yield MaxSize(policy.max_size_bytes)
