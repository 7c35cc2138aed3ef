"""What holds for every catalog and every policy (issue's properties): one set in all forms and at the gate.

Random catalogs over small pools, so that rules meet records often; the children's jobs run in the test's process.
"""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.feeds.conda.ruling import Place, facts_of_block
from proxy.policy.closure import needed_records
from proxy.policy.facts import Facts
from proxy.policy.judge import Judge
from proxy.policy.settings import Policy
from proxy.state.first_seen import FirstSights
from tests.policies_conda.made import ORIGIN, Records, Workshop, names_of
from tests.policy.made import policy

COMMON = settings(deadline=None, max_examples=30)

NAMES = ["app", "lib", "lib-x", "python", "tk"]
VERSIONS = ["1.0", "1.1", "2.0rc1", "2.0", "1!0.5", "1.0+x"]
BUILDS = ["0", "py311_0", "h1_0"]
SPECS = [
    "app",
    "lib",
    "lib >=1.1",
    "l*",
    "tk ==1.0",
    "python",
    "lib[license=MIT]",
    "* *_0",
    "noarch::lib",
    "app 2.*",
]
LICENSES = ["MIT", "GPL-3.0-only", "BSD-3-Clause", "see COPYING", None]
DAY_S = 86_400.0

records = st.fixed_dictionaries(
    {"depends": st.lists(st.sampled_from(["lib", "lib >=1.1", "python >=3", "tk 1.0", "nobody"]), max_size=2),
     "license": st.sampled_from(LICENSES), "size": st.sampled_from([10, 5000])},
    optional={"timestamp": st.sampled_from([1_600_000_000, 1_790_000_000_000, 4_000_000_000_000]),
              "revoked": st.booleans()},
)  # fmt: skip


@st.composite
def catalogs(draw: st.DrawFn) -> Records:
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(VERSIONS), st.sampled_from(BUILDS),
                      st.sampled_from([".conda", ".tar.bz2"])),
            unique=True, max_size=14,
        )
    )  # fmt: skip
    return {
        f"{name}-{version}-{build}{extension}": {
            "name": name, "version": version, "build": build, "build_number": 0, "sha256": "ab" * 32,
            **draw(records),
        }
        for name, version, build, extension in rows
    }  # fmt: skip


specs = st.lists(st.sampled_from(SPECS), min_size=1, max_size=3)
tables = st.fixed_dictionaries(
    {},
    optional={
        "platforms": st.lists(st.sampled_from(["linux-64", "noarch"]), min_size=1, unique=True),
        "python_versions": st.just(["3.11"]), "block_licenses": st.just(["GPL3"]), "block": specs, "allow": specs,
        "unknown_license": st.sampled_from(["allow", "warn", "hold", "block"]),
        "min_age": st.sampled_from([DAY_S, 90 * DAY_S]), "unknown_age": st.sampled_from(["allow", "hold"]),
        "prereleases": st.booleans(), "yanked": st.sampled_from(["keep", "hide"]),
        "keep_versions": st.integers(0, 2), "max_size": st.just(1000),
        "mode": st.sampled_from(["enforce", "enforce", "audit"]),
    },
)  # fmt: skip
lists = st.fixed_dictionaries({"only": specs, "include_dependencies": st.booleans()}, optional={
    "platforms": st.just(["linux-64", "noarch"]), "python_versions": st.just(["3.11"]),
    "keep_versions": st.integers(0, 2), "min_age": st.just(DAY_S), "prereleases": st.booleans(),
})  # fmt: skip
policies = st.builds(lambda table: policy(**table), tables | lists)


def wanted(workshop: Workshop, rules: Policy, taken: dict[str, Records], subdir: str) -> set[str]:
    """Return what is to be shown, by the policy itself on facts of all records: the slow oracle."""
    facts = {
        (place, name): _facts(workshop, rules, place, name)
        for place in taken
        for name in names_of(taken[place])
    }
    names = names_of(*taken.values())

    def of(name: str) -> list[Facts]:
        return [each for place in sorted(taken) for each in facts.get((place, name), ())]

    needed = needed_records(Judge(rules, "conda"), names, of) if rules.include_dependencies else None
    judge = Judge(rules, "conda", needed)
    judged = [
        judge.judge(name, facts[subdir, name], judge.tick_of(workshop.clock.now()))
        for name in names_of(taken[subdir])
    ]
    return {
        each.file
        for of_name in judged
        for each, verdict in zip(of_name.facts, of_name.verdicts, strict=True)
        if verdict.is_visible
    }


def _facts(workshop: Workshop, rules: Policy, subdir: str, name: str) -> list[Facts]:
    block = workshop._taken[subdir].snapshot.block(name)
    if block is None:
        return []
    seen = FirstSights(workshop.state, "up", subdir).of(name) if rules.min_age_s else None
    return facts_of_block(block, Place(subdir, ORIGIN), seen, {})


@COMMON
@given(catalogs(), catalogs(), policies)
def test_gate_and_every_form_show_one_set(linux: Records, noarch: Records, rules: Policy) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        taken = {"linux-64": linux, "noarch": noarch}
        for subdir, records in taken.items():
            workshop.take(subdir, records)
        for subdir, records in taken.items():
            made = workshop.compose(subdir, rules)
            names = names_of(records, {"ghost-1-0.conda": {}})
            shown = made.in_shards()
            assert shown == made.in_document("json") == made.in_document("zst") == made.at_the_gate(names)
            assert shown == wanted(workshop, rules, taken, subdir)
            if not rules.include_dependencies:
                assert shown == made.ahead(names)


@COMMON
@given(catalogs(), catalogs(), policies, st.sampled_from([0.0, 901.0, 2 * DAY_S, 100 * DAY_S]))
def test_what_is_judged_anew_is_what_would_be_judged_from_scratch(
    before: Records, after: Records, rules: Policy, passed_s: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        workshop.take("linux-64", before)
        first = workshop.compose("linux-64", rules)
        workshop.clock.advance(passed_s)
        workshop.take("linux-64", {**before, **after})
        second = workshop.compose("linux-64", rules, first)
        scratch = workshop.compose("linux-64", rules, folder="scratch")
        assert second.content() == scratch.content()
        assert (second.edition.counts, second.edition.until_ms) == (
            scratch.edition.counts,
            scratch.edition.until_ms,
        )
        assert second.judged <= scratch.judged
        assert second.in_shards() == second.at_the_gate(names_of(before, after))


@COMMON
@given(catalogs(), tables, specs)
def test_another_block_never_widens(catalog: Records, table: dict[str, Any], more: list[str]) -> None:
    """Without `keep_versions`, which counts what the other rules leave."""
    table = {key: value for key, value in table.items() if key != "keep_versions"}
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        workshop.take("linux-64", catalog)
        wide = workshop.compose("linux-64", policy(**table))
        table["block"] = [*table.get("block", ()), *more]
        narrow = workshop.compose("linux-64", policy(**table), folder="narrow")
        assert narrow.in_shards() <= wide.in_shards()
        assert narrow.at_the_gate(NAMES) <= wide.at_the_gate(NAMES)


@COMMON
@given(catalogs(), policies)
def test_nothing_changes_before_the_tick_that_is_told(catalog: Records, rules: Policy) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        workshop.take("linux-64", catalog)
        first = workshop.compose("linux-64", rules)
        left_s = 100 * DAY_S
        if first.edition.until_ms is not None:
            left_s = first.edition.until_ms / 1000 - workshop.clock.now().timestamp()
        workshop.clock.advance(max(0.0, min(left_s, 100 * DAY_S) - 1))
        later = workshop.compose("linux-64", rules, folder="later")
        assert later.in_shards() == first.in_shards()


def test_a_first_sight_that_is_not_written_yet_is_looked_for_at_the_next_tick(tmp_path: Path) -> None:
    """As after a full disk: held meanwhile, and judged again without any change at the origin."""
    workshop = Workshop(tmp_path)
    record = {"name": "app", "version": "1.0", "build": "0", "build_number": 0, "depends": [], "timestamp": 1}
    workshop.take("linux-64", {"app-1.0-0.conda": record})
    rows = workshop.forget_sights()
    rules = policy(min_age=DAY_S)
    first = workshop.compose("linux-64", rules)
    assert first.in_shards() == first.at_the_gate(["app"]) == set()
    assert first.edition.until_ms is not None
    assert 0 < first.edition.until_ms - workshop.clock.now().timestamp() * 1000 <= 900_000
    workshop.remember_sights(rows)
    workshop.clock.advance(900)
    assert workshop.compose("linux-64", rules, first).in_shards() == {"app-1.0-0.conda"}
