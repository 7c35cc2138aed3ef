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
from proxy.policy.rule import ListRule, Rule
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
    lists: Sequence[ListRule]
    #: What is removed and may be added back: licences, then names.
    block_licenses: Rule | None
    block: Block | None
    allow: Allow | None
    remaining: Sequence[Rule]
    liftings: Sequence[Lifting]

    def for_name(self, name: str, tick_ms: int) -> NameRules:
        """Return the rules as they apply to a name at a tick."""
        lists = [found for rule in self.lists if (found := rule.narrowed(name)) is not None]
        block = self.block.narrowed(name) if self.block is not None else None
        removing = [rule for rule in (self.block_licenses, block) if rule is not None]
        allow = self.allow.narrowed(name) if self.allow is not None and removing else None
        liftings = for_name(self.liftings, name, tick_ms) if self.liftings else ()
        return NameRules([*self.eligibility, *lists], removing, allow, self.remaining, liftings, tick_ms)

    def judge_name(self, name: str, tick_ms: int) -> Verdict | None:
        """Return the verdict that the lists alone give to every file of a name."""
        for rule in (*self.lists, self.block):
            verdict = rule.judge_name(name) if rule is not None else None
            if rule is None or verdict is None:
                continue
            is_added_back = (
                rule is self.block and self.allow is not None and bool(self.allow.specs.for_name(name))
            )
            if not is_added_back and not self._may_be_lifted(rule.name, name, tick_ms):
                return verdict
        return None

    def _may_be_lifted(self, rule: str, name: str, tick_ms: int) -> bool:
        return any(rule in each.rules for each in for_name(self.liftings, name, tick_ms))


def rules_of(policy: Policy, kind: Kind, needed: Needed | None = None) -> Rules:
    """Return the rules of a policy for feeds of a kind. Raises BadSpec, BadLicenseWord."""
    specs = {key: parse_specs(kind, getattr(policy, key)) for key in ("only", "block", "allow")}
    words = Words(policy.block_licenses)
    eligibility: list[Rule] = []
    if policy.platforms:
        eligibility.append(Platforms(kind, frozenset(policy.platforms)))
    if policy.python_versions:
        eligibility.append(python_versions(kind, policy.python_versions))
    lists: list[ListRule] = []
    if policy.only:
        is_awaiting = policy.include_dependencies and (needed is None or not needed.is_complete)
        lists.append(
            Only("only", specs["only"], needed if policy.include_dependencies else None, is_awaiting)
        )
    lists += _pypi_lists(policy) if kind == "pypi" else []
    return Rules(
        eligibility, lists,
        BlockLicenses(kind, words) if policy.block_licenses else None,
        Block("block", specs["block"]) if policy.block else None,
        Allow(specs["allow"]) if policy.allow else None,
        list(_remaining(policy, kind, words)), compile_exemptions(kind, policy.exemptions),
    )  # fmt: skip


def _pypi_lists(policy: Policy) -> list[ListRule]:
    given = policy.pypi
    if given.pkg_list:
        return [Only("pypi.pkg_list", parse_specs("pypi", given.pkg_list))]
    found: list[ListRule] = []
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
