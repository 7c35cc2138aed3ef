"""Judging a name: exemptions, audit, failures, twins, slices, whole names, and when verdicts change."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from proxy.model.verdict import Outcome, Verdict
from proxy.policy import rules as rules_module
from proxy.policy.facts import Facts, told
from proxy.policy.judge import Judge
from proxy.policy.rule import Rule
from proxy.policy.settings import Kind, Policy
from proxy.policy.spec import parse_spec
from tests.policy.made import DAY_MS, NOW, OLD_MS, conda, judged, ms, policy, pypi, verdict

EXEMPTION = {
    "spec": "openssl ==3.3.2",
    "rules": ["min_age"],
    "expires": date(2027, 1, 31),
    "reason": "CVE fix",
}


def test_exemption_lifts_the_named_rules_for_the_spec_and_no_others() -> None:
    table = {"min_age": 90 * 86400, "block": ["openssl"], "exemptions": [{**EXEMPTION, "rules": ["min_age"]}]}
    young = conda("openssl 3.3.2", uploaded_ms=ms(NOW) - DAY_MS)
    assert verdict(table, young).rule == "block"
    del table["block"]
    lifted = verdict(table, young)
    assert (lifted.outcome, lifted.rule) == (Outcome.ALLOW, "exemption")
    assert "CVE fix" in lifted.reason
    assert verdict(table, conda("openssl 3.3.3", uploaded_ms=ms(NOW) - DAY_MS)).rule == "min_age"
    assert verdict(table, conda("zlib", uploaded_ms=ms(NOW) - DAY_MS)).rule == "min_age"


def test_exemption_ends_with_its_day_in_index_and_gate_at_once() -> None:
    table = {"block": ["openssl"], "exemptions": [{**EXEMPTION, "rules": ["block"]}]}
    facts = [conda("openssl 3.3.2")]
    end = datetime(2027, 2, 1, tzinfo=UTC)
    before = judged(table, facts, now=end - timedelta(seconds=1))
    assert before.verdicts[0].is_visible
    assert before.until == end
    assert not judged(table, facts, now=end).verdicts[0].is_visible
    assert judged(table, facts, now=end).until is None


def test_exemption_from_min_age_is_one_from_unknown_age_too() -> None:
    unseen = conda("openssl 3.3.2", first_seen_ms=None, is_initial=False)
    table = {"min_age": 60, "unknown_age": "block"}
    assert verdict(table, unseen).rule == "unknown_age"
    assert verdict({**table, "exemptions": [EXEMPTION]}, unseen).rule == "exemption"


@pytest.mark.parametrize(
    ("rule", "table", "facts"),
    [
        ("platforms", {"platforms": ["win-64"]}, {}),
        ("python_versions", {"python_versions": ["2.7"]}, {"depends": ["python >=3"]}),
        ("only", {"only": ["zlib"]}, {}),
        ("block_licenses", {"block_licenses": ["MIT"]}, {}),
        ("block", {"block": ["openssl"]}, {}),
        ("unknown_license", {"unknown_license": "block"}, {"license": None}),
        ("min_age", {"min_age": 10**9}, {}),
        ("yanked", {"yanked": "hide"}, {"is_yanked": True}),
        ("quarantined", {}, {"is_quarantined": True}),
        ("max_size", {"max_size": 1}, {}),
    ],
)
def test_every_rule_can_be_lifted_and_only_by_its_name(
    rule: str, table: dict[str, object], facts: dict[str, Any]
) -> None:
    given = conda("openssl 3.3.2", **facts)
    assert verdict(table, given).rule == rule
    assert verdict({**table, "exemptions": [{**EXEMPTION, "rules": [rule]}]}, given).rule == "exemption"
    other = "prereleases" if rule != "min_age" else "block"
    assert verdict({**table, "exemptions": [{**EXEMPTION, "rules": [other]}]}, given).rule == rule


def test_exempted_version_stays_beside_the_newest() -> None:
    files = [conda(f"openssl {version}") for version in ("3.3.1", "3.3.2", "3.3.3")]
    result = judged({"keep_versions": 1, "exemptions": [{**EXEMPTION, "rules": ["keep_versions"]}]}, files)
    assert [found.is_visible for found in result.verdicts] == [False, True, True]
    assert result.until is not None


def test_audit_gives_the_same_verdicts_and_hides_nothing() -> None:
    table = {"block": ["openssl <3"], "keep_versions": 1, "min_age": 7 * 86400}
    files = [
        conda("openssl 1.1"),
        conda("openssl 3.0"),
        conda("openssl 3.1"),
        conda("openssl 3.2", uploaded_ms=ms(NOW)),
    ]
    enforced, audited = judged(table, files), judged({**table, "mode": "audit"}, files)
    assert [(found.outcome, found.rule) for found in audited.verdicts] == [
        (found.outcome, found.rule) for found in enforced.verdicts
    ]
    assert not audited.hidden
    assert audited.whole is None
    assert len(enforced.hidden) == 3


def test_twins_get_the_more_closed_of_their_verdicts() -> None:
    table = {"block": ["foo[fn='foo-1.0-h0_0.tar.bz2']"], "min_age": 7 * 86400}
    both = [conda("foo"), conda("foo", extension=".tar.bz2"), conda("foo 1.0 h1_0"), conda("foo", "osx-64")]
    found = judged(table, both).verdicts
    assert [each.rule for each in found] == ["block", "block", "open", "open"]
    ages = [
        conda("foo", uploaded_ms=ms(NOW)),
        conda("foo", extension=".tar.bz2", uploaded_ms=ms(NOW) - DAY_MS),
    ]
    untils = {each.until for each in judged({"min_age": 7 * 86400}, ages).verdicts}
    assert len(untils) == 1
    assert untils.pop() == verdict({"min_age": 7 * 86400}, ages[0]).until


def test_version_that_cannot_be_compared_hides() -> None:
    found = verdict({"block": ["foo <2"]}, conda("foo 1..2"))
    assert (found.outcome, found.rule, found.word) == (Outcome.BLOCK, "error", "blocked")


@pytest.mark.parametrize("kind", ["conda", "pypi"])
def test_version_that_cannot_be_compared_costs_no_other(kind: Kind) -> None:
    bad = conda("foo 1..2") if kind == "conda" else pypi("foo-x.tar.gz", version=None)
    sound = (
        [conda("foo 1"), conda("foo 2")] if kind == "conda" else [pypi("foo-1.tar.gz"), pypi("foo-2.tar.gz")]
    )
    files = [bad, *sound]
    exempt = {**EXEMPTION, "spec": "foo >=1", "rules": ["keep_versions"]}
    for more, visible in (
        ({"keep_versions": 1}, [False, False, True]),
        ({"keep_versions": 3}, [False, True, True]),
        ({"keep_versions": 1, "exemptions": [exempt]}, [False, True, True]),
    ):
        result = judged(more, files, kind)
        assert [found.is_visible for found in result.verdicts] == visible
        assert result.verdicts[0].rule == "keep_versions"
    judge = Judge(policy(block=["foo"], exemptions=[{**exempt, "rules": ["block"]}]), kind)
    assert [each.rule for each in judge.findings(bad, 0)] == ["block"]


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule with a bug."""

    name: str = "broken"

    def judge(self, facts: Facts, tick_ms: int) -> Verdict | None:
        raise ZeroDivisionError("boom\n")


def test_rule_that_raises_hides_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def remaining(*_: object) -> Iterator[Rule]:
        yield Broken()

    monkeypatch.setattr(rules_module, "_remaining", remaining)
    judge = Judge(policy(), "conda")
    found = judge.judge("foo", [conda("foo")], 0).verdicts[0]
    assert (found.outcome, found.rule) == (Outcome.BLOCK, "error")
    assert "boom" in found.reason
    assert found.reason.isprintable()
    assert [each.rule for each in judge.findings(conda("foo"), 0)] == ["error"]
    lenient = Judge(policy(block=["foo"], allow=["foo"]), "conda")
    assert lenient.judge("foo", [conda("foo")], 0).verdicts[0].rule == "error"


def test_slices_give_what_the_whole_gives() -> None:
    files = [conda(f"foo {at}.0") for at in range(20)]
    judge = Judge(policy(keep_versions=3, block=["foo 19.0"]), "conda")
    judging = judge.start("foo", judge.tick_of(NOW))
    for at in range(0, 20, 7):
        judging.take(files[at : at + 7])
    assert judging.end() == judge.judge("foo", files, judge.tick_of(NOW))


def test_times_between_ticks_are_rounded_down_by_the_judge_itself() -> None:
    born = ms(NOW) - 7 * DAY_MS - 1000
    judge = Judge(policy(min_age=7 * 86400), "conda")
    assert judge.judge("foo", [conda("foo", uploaded_ms=born)], ms(NOW)).verdicts[0].outcome is Outcome.HOLD


def test_whole_name_is_told_when_nothing_of_it_is_shown() -> None:
    files = [conda("foo 1.0"), conda("foo 2.0", uploaded_ms=ms(NOW))]
    assert judged({"min_age": 60}, files).whole is None
    whole = judged({"block": ["foo <2"], "min_age": 7 * 86400}, files).whole
    assert whole is not None
    assert whole.rule == "min_age"
    assert judged({"block": ["foo"]}, files).whole == verdict({"block": ["foo"]}, files[0])


@pytest.mark.parametrize(
    ("table", "name", "rule"),
    [
        ({"block": ["tk"]}, "tk", "block"),
        ({"block": ["corp-*"]}, "corp-x", "block"),
        ({"block": ["tk <2"]}, "tk", None),
        ({"block": ["tk"], "allow": ["tk >=9"]}, "tk", None),
        ({"block": ["tk"], "exemptions": [{**EXEMPTION, "spec": "tk ==1"}]}, "tk", "block"),
        ({"block": ["tk"], "exemptions": [{**EXEMPTION, "spec": "tk ==1", "rules": ["block"]}]}, "tk", None),
        ({"only": ["zlib"]}, "tk", "only"),
        ({"only": ["tk >=1"]}, "tk", None),
        ({"only": ["zlib"], "include_dependencies": True}, "tk", "only"),
        ({"pypi": {"blocklist": ["tk"]}}, "tk", "pypi.blocklist"),
        ({"pypi": {"allowlist": ["zlib"]}, "allow": ["tk"], "block": ["x"]}, "tk", "pypi.allowlist"),
        ({"block_licenses": ["MIT"]}, "tk", None),
    ],
)
def test_name_that_is_hidden_whole_is_known_without_its_files(
    table: dict[str, object], name: str, rule: str | None
) -> None:
    judge = Judge(policy(**table), "pypi")
    found = judge.judge_name(name, judge.tick_of(NOW))
    assert (found.rule if found else None) == rule


def test_name_verdict_agrees_with_the_verdicts_on_its_files() -> None:
    judge = Judge(policy(block=["tk"], mode="audit"), "pypi")
    found = judge.judge_name("tk", 0)
    assert found is not None
    assert found.is_visible


def test_findings_tell_every_rule_that_speaks() -> None:
    table = {
        "platforms": ["win-64"], "block": ["openssl"], "allow": ["openssl"], "min_age": 10**9,
        "exemptions": [EXEMPTION],
    }  # fmt: skip
    judge = Judge(policy(**table), "conda")
    found = judge.findings(conda("openssl 3.3.2", uploaded_ms=OLD_MS), judge.tick_of(NOW))
    assert [each.rule for each in found] == ["platforms", "block", "allow", "min_age", "exemption"]


def test_facts_are_told_without_digest_and_size() -> None:
    facts = told(pypi("foo-1.0.tar.gz", sha256="ab" * 32, requires_python=">=3", license=None))
    assert facts["requires_python"] == ">=3"
    assert facts["license"] == "not known yet"
    assert not {"sha256", "md5", "size"} & facts.keys()


def test_empty_policy_shows_everything_that_is_not_in_quarantine() -> None:
    assert verdict(Policy("empty"), conda("foo")).rule == "open"


def test_facts_that_nobody_filled_in_are_held_by_age_rather_than_shown() -> None:
    bare = Facts(file="foo-1-0.conda", name="foo", version="1")
    assert verdict({"min_age": 60}, bare).rule == "unknown_age"


def test_name_without_files_is_judged_to_nothing() -> None:
    judge = Judge(policy(keep_versions=1), "pypi")
    assert judge.judge("foo", [], 0).verdicts == ()
    assert judge.judge("foo", [], 0).whole is None


def test_a_long_list_is_parsed_once_for_all_feeds() -> None:
    """The settings are read in a thread, judges are made on the loop: 20,000 specs parsed there take a second."""
    long = policy(only=[f"p{number}" for number in range(20_000)])
    parsed = parse_spec.cache_info().misses
    for kind in ("pypi", "conda"):
        Judge(long, kind)
        Judge(long, kind)
    assert parse_spec.cache_info().misses - parsed <= 2 * len(long.only)
