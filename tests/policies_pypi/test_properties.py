"""The law, over random projects and policies: a file downloads, by any road, if and only if every form lists it.

First the view alone, which every form and the gate read; then the whole server, with every file cached beforehand.
"""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.feeds.pypi.facts import facts_of, key_of
from proxy.feeds.pypi.feed_catalog import narrowed
from proxy.feeds.pypi.shard import FORMAT, Shard
from proxy.feeds.pypi.view import Place, PypiView, Ruling, view_of
from proxy.feeds.view import gate
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.verdict import Outcome, Verdict
from proxy.policy.facts import License
from proxy.policy.judge import Judge
from proxy.policy.settings import Exemption, Policy
from proxy.pypi import legacy_json, render_html, render_json
from proxy.pypi.distribution import Distribution
from proxy.pypi.names import FileKind, kind_of
from proxy.pypi.project import Project
from tests.policies_pypi.roads import agreed
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import Built, sdist, wheel

NOW = datetime(2026, 11, 20, 12, 7, 31, tzinfo=UTC)
COMMON = settings(deadline=None, max_examples=60)
WHOLE = settings(deadline=None, max_examples=12)

VERSIONS = ["1.0", "1.1", "2.0rc1", "2.0", "3.0.dev1", "10.0"]
TAGS = ["py3-none-any", "cp311-cp311-manylinux2014_x86_64", "cp38-abi3-win_amd64", "sdist"]
LICENSES = [
    "License-Expression: MIT",
    "License-Expression: GPL-3.0-only",
    "License: see COPYING",
    "License: BSD",
]
SPECS = ["{}", "{} >=2", "{} <2", "{} ==1.0", "{} !=2.0", "other", "*", "{}-x"]
LENIENCIES = ["allow", "warn", "hold", "block"]
PLATFORMS = ["linux-64", "win-64", "noarch", "osx-64"]

specs = st.lists(st.sampled_from(SPECS), max_size=2).map(tuple)
days = st.integers(0, 20)


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """Return some keys of a policy; names of packages are left open."""
    keys: dict[str, st.SearchStrategy[Any]] = {
        "platforms": st.lists(st.sampled_from(PLATFORMS), max_size=3).map(tuple),
        "python_versions": st.lists(st.sampled_from(["3.8", "3.11", "3.12"]), max_size=2).map(tuple),
        "block": specs,
        "allow": specs,
        "block_licenses": st.lists(st.sampled_from(["GPL3", "MIT", "Other"]), max_size=1).map(tuple),
        "unknown_license": st.sampled_from([None, *LENIENCIES]),
        "min_age_s": days.map(lambda number: number * 86400.0),
        "unknown_age": st.sampled_from(LENIENCIES),
        "prereleases": st.booleans(),
        "yanked": st.sampled_from(["keep", "hide"]),
        "quarantined": st.sampled_from(["block", "keep"]),
        "keep_versions": st.integers(0, 3),
        "max_size_bytes": st.sampled_from([None, 500, 2000]),
        "mode": st.sampled_from(["enforce", "enforce", "audit"]),
        "exemptions": st.lists(
            st.builds(
                Exemption,
                st.sampled_from(SPECS),
                st.lists(st.sampled_from(["min_age", "block", "yanked"]), min_size=1).map(tuple),
                st.sampled_from([date(2026, 11, 1), date(2026, 12, 1)]),
            ),
            max_size=1,
        ).map(tuple),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(keys)), max_size=5))
    return {key: draw(keys[key]) for key in sorted(chosen)}


def policy_for(name: str, keys: dict[str, Any], **more: Any) -> Policy:
    """Return the policy for a project of the name."""
    made = {**keys, **more}
    for key in ("block", "allow"):
        made[key] = tuple(spec.format(name) for spec in made.get(key, ()))
    made["exemptions"] = tuple(
        replace(each, spec=each.spec.format(name)) for each in made.get("exemptions", ())
    )
    return Policy("p", **made)


def filename(version: str, tag: str) -> str:
    return f"demo-{version}.tar.gz" if tag == "sdist" else f"demo-{version}-{tag}.whl"


@st.composite
def shards(draw: st.DrawFn) -> tuple[Shard, dict[str, License]]:
    """Return a shard, and the licences that are known of its files."""
    chosen = draw(
        st.lists(st.tuples(st.sampled_from(VERSIONS), st.sampled_from(TAGS)), unique=True, max_size=8)
    )
    files, sights, licenses = [], {}, {}
    for number, (version, tag) in enumerate(chosen):
        name = filename(version, tag)
        kind = kind_of(name)
        assert kind is not None
        uploaded = draw(
            st.none() | days.map(lambda number: f"{NOW - timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}")
        )
        size = draw(st.sampled_from([None, 100, 1000, 10_000]))
        yanked: bool | str = draw(st.sampled_from([False, True]) | st.just("why"))
        file = Distribution(
            name, f"https://files.example/{name}", f"packages/{number}/{name}", {"sha256": f"{number:064x}"}, kind,
            version, size, uploaded, None, yanked, kind is FileKind.WHEEL,
        )  # fmt: skip
        files.append(file)
        first_ms = int((NOW - timedelta(days=draw(days))).timestamp() * 1000)
        sights[name] = (first_ms, draw(st.booleans()))
        if draw(st.booleans()):
            licenses[key_of(file)] = License(expression=draw(st.sampled_from(["MIT", "GPL-3.0-only", "x y"])))
    status = draw(st.sampled_from([None, "active", "archived", "quarantined"]))
    project = Project("demo", tuple(files), tuple(dict.fromkeys(version for version, _ in chosen)), status)
    hidden = {}
    if draw(st.booleans()):
        hidden["packages/x/demo-9.0.tar.gz"] = Verdict(Outcome.HOLD, "drift", "it changed", "held")
    return Shard(FORMAT, project, hidden, sights, draw(st.booleans())), licenses


def ruling(rules: Policy, licenses: dict[str, License], now: datetime = NOW) -> Ruling:
    judge = Judge(rules, "pypi")
    known = licenses if rules.asks_licenses else None
    return Ruling(judge, judge.tick_of(now), rules.fingerprint, known, len(known or ()))


def viewed(shard: Shard, made: Ruling | None) -> PypiView:
    return view_of(Place("feed", "demo", "up", Sha256("0" * 64)), shard, made)


def through_the_gate(view: PypiView, shard: Shard) -> set[str]:
    """Return the paths that the gate lets through; what it refuses it refuses with a word that is a refusal."""
    found = set()
    for path in (
        [file.path for file in shard.project.files] + list(shard.hidden) + ["packages/7/demo-7.tar.gz"]
    ):
        try:
            if gate(view, path) is not None:
                found.add(path)
        except Problem as problem:
            assert problem.status == 403
    return found


def forms(view: PypiView) -> Iterator[set[str]]:
    page = orjson.loads(render_json.render(view.listing))
    yield {file["url"].removeprefix("../../") for file in page["files"]}
    assert set(page.get("versions", ())) <= {file.version for file in view.kept.values()}
    html = render_html.render(view.listing).decode()
    yield {part.partition('"')[0].partition("#")[0] for part in html.split('href="../../')[1:]}
    api = legacy_json.render(view.listing, "", legacy_json.Sources())
    releases = orjson.loads(api)["releases"] if api is not None else {}
    yield {file["url"] for files in releases.values() for file in files}


@COMMON
@given(shards(), policies())
def test_every_form_lists_what_the_gate_lets_through(
    known: tuple[Shard, dict[str, License]], keys: dict[str, Any]
) -> None:
    shard, licenses = known
    for view in (viewed(shard, None), viewed(shard, ruling(policy_for("demo", keys), licenses))):
        allowed = through_the_gate(view, shard)
        assert allowed == set(view.kept)
        for listed in forms(view):
            assert listed == allowed
        assert not allowed & set(view.hidden)
        assert set(view.noted) <= allowed
        assert allowed | set(view.hidden) >= {file.path for file in shard.project.files}


@COMMON
@given(shards(), policies(), specs)
def test_another_block_never_widens(
    known: tuple[Shard, dict[str, License]], keys: dict[str, Any], more: tuple[str, ...]
) -> None:
    """Without `keep_versions`, which counts what the other rules leave."""
    shard, licenses = known
    keys = {key: value for key, value in keys.items() if key != "keep_versions"}
    one = viewed(shard, ruling(policy_for("demo", keys), licenses))
    other = viewed(shard, ruling(policy_for("demo", keys, block=(*keys.get("block", ()), *more)), licenses))
    assert set(other.kept) <= set(one.kept)


@COMMON
@given(shards(), policies())
def test_a_policy_shows_nothing_that_a_feed_without_one_hides(
    known: tuple[Shard, dict[str, License]], keys: dict[str, Any]
) -> None:
    shard, licenses = known
    rules = policy_for("demo", keys)
    judged = viewed(shard, ruling(rules, licenses))
    if rules.quarantined == "block" and not any("quarantined" in each.rules for each in rules.exemptions):
        assert set(judged.kept) <= set(viewed(shard, None).kept)
    assert not set(judged.kept) & set(shard.hidden)


@COMMON
@given(shards(), policies(), policies())
def test_a_feed_that_takes_from_another_never_shows_more(
    known: tuple[Shard, dict[str, License]], inner: dict[str, Any], outer: dict[str, Any]
) -> None:
    shard, licenses = known
    below = viewed(shard, ruling(policy_for("demo", inner), licenses))
    handed = narrowed(shard, below)
    above = viewed(handed, ruling(policy_for("demo", outer), licenses))
    assert set(above.kept) <= set(below.kept)
    assert set(above.kept) | set(above.hidden) >= {file.path for file in shard.project.files}


@COMMON
@given(shards(), policies(), st.integers(1, 30 * 1440))
def test_until_its_end_a_view_says_what_it_would_say_if_it_were_made_anew(
    known: tuple[Shard, dict[str, License]], keys: dict[str, Any], minutes: int
) -> None:
    shard, licenses = known
    rules = policy_for("demo", keys)
    view = viewed(shard, ruling(rules, licenses))
    later = NOW + timedelta(minutes=minutes)
    if view.is_of(later):
        again = viewed(shard, ruling(rules, licenses, later))
        assert (set(again.kept), again.key) == (set(view.kept), view.key)
        assert {path: verdict.rule for path, verdict in again.hidden.items()} == {
            path: verdict.rule for path, verdict in view.hidden.items()
        }


@COMMON
@given(shards(), policies())
def test_views_that_show_different_files_have_different_documents(
    known: tuple[Shard, dict[str, License]], keys: dict[str, Any]
) -> None:
    shard, licenses = known
    views = [viewed(shard, ruling(policy_for("demo", keys), told)) for told in (licenses, {})]
    if set(views[0].kept) != set(views[1].kept):
        assert views[0].key != views[1].key


def test_a_shard_that_tells_no_first_sight_is_of_an_age_that_nobody_knows() -> None:
    file = Distribution("demo-1.0.tar.gz", "https://files.example/x", "packages/x", {}, FileKind.SDIST)
    (facts,) = facts_of(Shard(FORMAT, Project("demo", (file,))))
    assert (facts.is_initial, facts.first_seen_ms) == (False, None), (
        "who forgets to say is held, not let through"
    )


# -- the whole server ------------------------------------------------------------------------------------------


@st.composite
def built(draw: st.DrawFn) -> list[tuple[str, str, str, int | None, bool]]:
    """Return files of a project: version, tag, a line of METADATA, days since the upload, yanked."""
    chosen = draw(
        st.lists(
            st.tuples(st.sampled_from(VERSIONS), st.sampled_from(TAGS)), unique=True, min_size=1, max_size=4
        )
    )
    return [
        (version, tag, draw(st.sampled_from(LICENSES)), draw(st.none() | days), draw(st.booleans()))
        for version, tag in chosen
    ]


def made(name: str, version: str, tag: str, line: str) -> Built:
    if tag == "sdist":
        return sdist(name, version, fields=[line])
    return wheel(name, version, tag=tag, fields=[line])


@pytest.mark.parametrize("has_outer", [False, True])
def test_no_road_leads_to_what_is_not_listed_whatever_is_cached(tmp_path: Path, has_outer: bool) -> None:
    numbers = itertools.count()
    clock = FakeClock(NOW)

    async def example(
        origin: Origin, index: FakeIndex, gateway: Gateway, files: list[Any], keys: dict[str, Any]
    ) -> None:
        name = f"demo{next(numbers)}"
        for version, tag, line, age, is_yanked in files:
            uploaded = NOW - timedelta(days=age) if age is not None else None
            index.add(made(name, version, tag, line), uploaded_at=uploaded, yanked=is_yanked)
        gateway.reload(policies=[Policy("p")])
        everything = await agreed(gateway, index, name)
        assert len(everything) == len(files)
        gateway.reload(policies=[policy_for(name, keys)])
        shown = await agreed(gateway, index, name)
        if has_outer:
            assert await agreed(gateway, index, name, "outer") == shown

    with asyncio.Runner() as runner:
        origin = runner.run(Origin().__aenter__())
        index = FakeIndex(origin)
        feeds = [feed(upstream(index.url), policy="p")]
        if has_outer:
            feeds.append(feed(replace(upstream(index.url), urls=(), feed="pypi", id="of-pypi"), name="outer"))
        gateway = Gateway(tmp_path, *feeds, policies=[Policy("p")], clock=clock)
        runner.run(gateway.start())

        @WHOLE
        @given(built(), policies())
        def examples(files: list[Any], keys: dict[str, Any]) -> None:
            runner.run(example(origin, index, gateway, files, keys))

        try:
            examples()
        finally:
            runner.run(gateway.stop())
            runner.run(origin.__aexit__(None, None, None))
