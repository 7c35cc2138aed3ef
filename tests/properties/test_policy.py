"""What holds for every policy and every name: judging is pure, blocks narrow, allow adds back, holds last.

Random tables over random files of one name; small pools of words, so that rules meet files often.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.model.verdict import Outcome
from proxy.policy.facts import Facts, License
from proxy.policy.judge import Judge
from proxy.policy.license import read
from proxy.policy.license_words import Answer, Words
from proxy.policy.parse import KEYS, parse_policy
from proxy.policy.settings import EXEMPTABLE, Kind, Policy
from proxy.policy.spec import BadSpec, parse_spec
from proxy.policy.tick import TICK_MS

#: The machine may be busy: no deadlines; and the default run is short.
settings.register_profile("policy", deadline=None, max_examples=40)
COMMON = settings.get_profile("policy")

NOW = datetime(2026, 11, 20, 12, 7, 31, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
DAY_MS = 86_400_000
VERSIONS = ["1.0", "1.0.0", "1.1", "2.0rc1", "2.0", "3.0.dev1", "10.0"]
SPECS = ["foo", "bar", "f*", "*", "foo >=2", "foo <2", "foo ==1.0", "foo !=2.0", "b*"]
LICENSES = [
    "MIT",
    "GPL-3.0-only",
    "GPL-2.0-or-later",
    "MIT OR GPL-3.0-only",
    "see COPYING",
    "BSD",
    "",
    "GPL",
    "AGPL-3.0-only",
]
WORDS = ["MIT", "GPL3", "GPL2", "GPL", "BSD", "AGPL-3.0-only", "Other", "GPL-2.0-or-later"]
LENIENCIES = ["allow", "warn", "hold", "block"]

kinds = st.sampled_from(["conda", "pypi"])
times = st.none() | st.integers(NOW_MS - 20 * DAY_MS, NOW_MS + DAY_MS)
licenses = st.none() | st.builds(License, st.sampled_from(LICENSES))


@st.composite
def conda_files(draw: st.DrawFn) -> list[Facts]:
    builds = draw(
        st.lists(
            st.tuples(st.sampled_from(VERSIONS), st.sampled_from(["py311_0", "py38_0", "0"]),
                      st.sampled_from(["linux-64", "noarch", "osx-64"]), st.sampled_from([".conda", ".tar.bz2"])),
            unique=True, max_size=8,
        )
    )  # fmt: skip
    return [
        draw(_facts(f"foo-{version}-{build}{extension}", version, build=build, subdir=subdir))
        for version, build, subdir, extension in builds
    ]


@st.composite
def pypi_files(draw: st.DrawFn) -> list[Facts]:
    tails = [
        ".tar.gz",
        "-py3-none-any.whl",
        "-cp311-cp311-win_amd64.whl",
        "-cp38-abi3-manylinux2014_x86_64.whl",
    ]
    files = draw(
        st.lists(st.tuples(st.sampled_from(VERSIONS), st.sampled_from(tails)), unique=True, max_size=8)
    )
    return [draw(_facts(f"foo-{version}{tail}", version)) for version, tail in files]


def _facts(file: str, version: str, **more: Any) -> st.SearchStrategy[Facts]:
    fixed = {key: st.just(value) for key, value in more.items()}
    return st.builds(
        Facts, file=st.just(file), name=st.just("foo"), version=st.just(version), license=licenses,
        size=st.sampled_from([None, 1, 1000]), uploaded_ms=times, first_seen_ms=times, is_initial=st.booleans(),
        is_yanked=st.booleans(), is_quarantined=st.booleans(),
        depends=st.sampled_from([(), ("python >=3.8",), ("python 3.11.*",)]),
        requires_python=st.sampled_from([None, ">=3.8", "<3.11"]), **fixed,
    )  # fmt: skip


exemptions = st.fixed_dictionaries(
    {
        "spec": st.sampled_from(SPECS),
        "rules": st.lists(st.sampled_from(EXEMPTABLE), min_size=1, max_size=3),
        "expires": st.sampled_from(
            [date(2026, 11, 1), date(2026, 11, 20), date(2026, 11, 23), date(2027, 1, 31)]
        ),
    }
)
common: dict[str, st.SearchStrategy[Any]] = {
    "platforms": st.lists(st.sampled_from(["linux-64", "noarch", "win-64"]), min_size=1),
    "python_versions": st.lists(st.sampled_from(["3.8", "3.11", "3.12"]), min_size=1),
    "unknown_license": st.sampled_from(LENIENCIES),
    "min_age": st.integers(0, 10).map(lambda days: days * 86400 + 17),
    "unknown_age": st.sampled_from(LENIENCIES),
    "prereleases": st.booleans(),
    "yanked": st.sampled_from(["keep", "hide"]),
    "quarantined": st.sampled_from(["keep", "block"]),
    "max_size": st.integers(1, 2000),
    "exemptions": st.lists(exemptions, max_size=2),
}
lists: dict[str, st.SearchStrategy[Any]] = {
    "block": st.lists(st.sampled_from(SPECS), max_size=2),
    "allow": st.lists(st.sampled_from(SPECS), max_size=2),
    "block_licenses": st.lists(st.sampled_from(WORDS), max_size=2),
}
#: Without `keep_versions`, which shows an older version where a newer one is blocked: that is what it is for.
tables = st.fixed_dictionaries({}, optional=common | lists)
package_lists = st.fixed_dictionaries({"only": st.lists(st.sampled_from(SPECS), min_size=1)}, optional=common)
newest = st.fixed_dictionaries({"keep_versions": st.integers(1, 3)}, optional=common | lists)
any_tables = tables | package_lists | newest
cases = st.one_of(st.tuples(st.just("conda"), conda_files()), st.tuples(st.just("pypi"), pypi_files()))
Case = tuple[Kind, list[Facts]]
any_case: Any = cases


def policy(table: dict[str, Any]) -> Policy:
    parsed = parse_policy("random", table)
    assert parsed.policy is not None, parsed.faults
    return parsed.policy


def visible(table: dict[str, Any], case: Case, tick_ms: int = NOW_MS) -> set[str]:
    return {artifact for artifact, found in rules(table, case, tick_ms).items() if found[0]}


def rules(table: dict[str, Any], case: Case, tick_ms: int = NOW_MS) -> dict[str, tuple[bool, str]]:
    kind, files = case
    judged = Judge(policy(table), kind).judge("foo", files, tick_ms)
    return {artifact: (found.is_visible, found.rule) for artifact, found in judged.by_artifact.items()}


@COMMON
@given(any_tables, cases, st.integers(0))
def test_verdicts_are_a_function_of_facts_policy_and_tick(
    table: dict[str, Any], case: Case, offset: int
) -> None:
    kind, files = case
    tick = NOW_MS - NOW_MS % TICK_MS[kind]
    judge = Judge(policy(table), kind)
    first = judge.judge("foo", files, tick)
    assert judge.judge("foo", files, tick + offset % TICK_MS[kind]) == first
    assert Judge(policy(table), kind).judge("foo", files, tick) == first


@COMMON
@given(any_tables, cases, st.randoms(use_true_random=False))
def test_order_and_slices_of_the_files_do_not_matter(table: dict[str, Any], case: Case, random: Any) -> None:
    kind, files = case
    judge = Judge(policy(table), kind)
    whole = judge.judge("foo", files, NOW_MS).by_artifact
    shuffled = random.sample(files, len(files))
    judging = judge.start("foo", NOW_MS)
    judging.take(shuffled[:3])
    judging.take(shuffled[3:])
    found = judging.end().by_artifact
    assert {artifact: verdict.is_visible for artifact, verdict in found.items()} == {
        artifact: verdict.is_visible for artifact, verdict in whole.items()
    }


@COMMON
@given(tables, cases, st.sampled_from(SPECS))
def test_another_block_never_widens(table: dict[str, Any], case: Case, spec: str) -> None:
    more = {**table, "block": [*table.get("block", []), spec]}
    assert visible(more, case) <= visible(table, case)


@COMMON
@given(tables, cases, st.sampled_from(WORDS))
def test_another_blocked_licence_never_widens(table: dict[str, Any], case: Case, word: str) -> None:
    # Asking for licences at all makes unknown ones a question; its answer is given here in both.
    table = {"unknown_license": "warn", **table}
    more = {**table, "block_licenses": [*table.get("block_licenses", []), word]}
    if table["unknown_license"] not in ("hold", "block"):
        assert visible(more, case) <= visible(table, case)


@COMMON
@given(newest, cases, st.sampled_from(SPECS))
def test_block_shows_at_most_what_the_other_rules_show(table: dict[str, Any], case: Case, spec: str) -> None:
    more = {**table, "block": [*table.get("block", []), spec]}
    assert visible(more, case) <= visible({**table, "keep_versions": 0}, case)


@COMMON
@given(tables, cases, st.sampled_from(SPECS))
def test_allow_adds_back_only_what_licences_and_block_removed(
    table: dict[str, Any], case: Case, spec: str
) -> None:
    more = {**table, "allow": [*table.get("allow", []), spec]}
    before = rules(table, case)
    after = visible(more, case)
    assert {artifact for artifact, found in before.items() if found[0]} <= after
    added = {before[artifact][1] for artifact in after if not before[artifact][0]}
    assert added <= {"block", "block_licenses", "unknown_license"}


@COMMON
@given(tables, cases, exemptions)
def test_exemption_only_widens_and_only_by_its_rules(
    table: dict[str, Any], case: Case, exemption: dict[str, Any]
) -> None:
    before = rules(table, case)
    after = visible({**table, "exemptions": [*table.get("exemptions", []), exemption]}, case)
    assert {artifact for artifact, found in before.items() if found[0]} <= after
    lifted = {*exemption["rules"], *(["unknown_age"] if "min_age" in exemption["rules"] else [])}
    # A licence that nobody has looked up is told under unknown_license, whichever of the two rules asked.
    lifted |= {"unknown_license"} if "block_licenses" in lifted else set()
    assert {before[artifact][1] for artifact in after if not before[artifact][0]} <= lifted


@COMMON
@given(any_tables, cases)
def test_audit_changes_no_verdict_and_hides_nothing(table: dict[str, Any], case: Case) -> None:
    enforced, audited = rules(table, case), rules({**table, "mode": "audit"}, case)
    assert {artifact: rule for artifact, (_, rule) in enforced.items()} == {
        artifact: rule for artifact, (_, rule) in audited.items()
    }
    assert all(found for found, _ in audited.values())


@COMMON
@given(any_tables, cases)
def test_verdicts_stay_until_the_moment_that_was_told(table: dict[str, Any], case: Case) -> None:
    kind, files = case
    judge = Judge(policy(table), kind)
    now = judge.judge("foo", files, NOW_MS)
    end = now.until or NOW + timedelta(days=400)
    for share in (0.1, 0.5, 0.99):
        moment = NOW + (end - NOW) * share
        if judge.tick_of(moment) < int(end.timestamp() * 1000):
            assert judge.judge("foo", files, judge.tick_of(moment)).by_artifact == now.by_artifact
    if now.until is not None:
        assert judge.tick_of(now.until) == int(now.until.timestamp() * 1000)
        assert now.until > NOW - timedelta(milliseconds=TICK_MS[kind])


@COMMON
@given(cases, st.integers(0, 30 * 24 * 3600), st.integers(0, 40 * DAY_MS))
def test_holds_never_end_early(case: Case, min_age_s: int, later_ms: int) -> None:
    kind, files = case
    now_ms = NOW_MS + later_ms
    judged = Judge(policy({"min_age": min_age_s, "quarantined": "keep"}), kind).judge("foo", files, now_ms)
    for facts, found in zip(judged.facts, judged.verdicts, strict=True):
        known = [] if facts.is_initial else [facts.first_seen_ms]
        for since in (*known, facts.uploaded_ms):
            if found.is_visible and since is not None:
                assert since + min_age_s * 1000 <= now_ms or min_age_s == 0
        if found.until is not None:
            assert found.outcome is Outcome.HOLD


@COMMON
@given(any_tables, conda_files())
def test_twins_are_shown_together_or_not_at_all(table: dict[str, Any], files: list[Facts]) -> None:
    found = rules(table, ("conda", files))
    for artifact, (is_visible, _) in found.items():
        twin = artifact.replace(".conda", ".tar.bz2")
        assert found.get(twin, (is_visible, ""))[0] == is_visible


@COMMON
@given(any_tables, cases)
def test_verdict_on_a_name_agrees_with_those_on_its_files(table: dict[str, Any], case: Case) -> None:
    kind, files = case
    judge = Judge(policy(table), kind)
    if judge.judge_name("foo", NOW_MS) is not None:
        assert len(judge.judge("foo", files, NOW_MS).hidden) == len(files)


@COMMON
@given(any_tables, cases)
def test_findings_hold_the_rule_that_decided(table: dict[str, Any], case: Case) -> None:
    kind, files = case
    judge = Judge(policy(table), kind)
    for facts in files:
        decided = judge.judge("foo", [facts], NOW_MS).verdicts[0]
        if decided.rule not in ("open", "keep_versions"):
            assert decided.rule in {each.rule for each in judge.findings(facts, NOW_MS)}


@COMMON
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([*LICENSES, " OR ", " AND ", "(", ")", " WITH ", "+"])).map("".join)
)
def test_any_licence_text_is_read_and_more_words_never_let_more_pass(text: str) -> None:
    for licence in (License(text), License(expression=text), License(classifiers=(f"License :: {text}",))):
        for kind in ("conda", "pypi"):
            tree = read("conda" if kind == "conda" else "pypi", licence)
            few, many = Words(WORDS[:2]).judge(tree).answer, Words(WORDS).judge(tree).answer
            assert few is not Answer.BLOCKED or many is Answer.BLOCKED
            assert few is not Answer.UNKNOWN or many is not Answer.PASSES


@COMMON
@given(kinds, st.text(max_size=40) | st.text("fo=<>!~1.2*,|[]'\": @;()x", max_size=30))
def test_any_text_is_a_spec_or_refused(kind: Kind, text: str) -> None:
    try:
        spec = parse_spec(kind, text)
    except BadSpec as err:
        assert str(err)
        return
    spec.matches(Facts(file="foo-1.2-0.conda", name="foo", version="1.2"))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYS, "spec", "rules", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@COMMON
@given(st.dictionaries(st.sampled_from([*KEYS, "", "Block", "x y"]), values))
def test_any_table_is_a_policy_or_faults(table: dict[str, Any]) -> None:
    kinds: tuple[Kind, ...] = ("conda", "pypi")
    parsed = parse_policy("any", table, kinds)
    assert (parsed.policy is None) == bool(parsed.faults)
    if parsed.policy is not None:
        for kind in kinds:
            Judge(parsed.policy, kind).judge("foo", [Facts(file="foo-1.0.tar.gz", name="foo")], NOW_MS)


@st.composite
def many_files(draw: st.DrawFn) -> Case:
    """Files of one name, so many that they are judged rule by rule."""
    found: Case = draw(any_case)
    kind, files = found
    copies = [
        msgspec.structs.replace(each, file=f"{number}{each.file}") for number in range(10) for each in files
    ]
    return kind, draw(st.permutations(copies))


@COMMON
@given(any_tables, many_files())
def test_many_files_get_the_verdicts_that_each_gets_alone(table: dict[str, Any], case: Case) -> None:
    kind, files = case
    judge = Judge(policy(table), kind)
    together, alone = judge.start("foo", NOW_MS).rules, judge.start("foo", NOW_MS).rules
    assert together.judge_all(files) == [alone.judge(each) for each in files]
    # Once more, with everything known that rules remember.
    assert judge.start("foo", NOW_MS).rules.judge_all(files) == together.judge_all(files)
    assert together.exempted_until_ms == alone.exempted_until_ms
