"""The solve alone: a solution is found if and only if there is one, and it is the one that installers would take."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from proxy.feeds.promotion.selecting import Place
from proxy.feeds.pypi.fitting import environments
from proxy.feeds.pypi.resolve import Release, Unsolvable, requirements_in, resolve
from tests.support.length import sized

#: name -> version -> what it needs.
World = Mapping[str, Mapping[str, Sequence[str]]]
LINUX = environments(Place("linux-64", "3.11"))


def solved(
    world: World, *wanted: str, held: Mapping[str, str] | None = None, yanked: Sequence[str] = ()
) -> dict[str, str]:
    """Return name -> version of the solution."""

    def releases(name: str) -> list[Release]:
        return [
            Release(
                name, Version(version), (version,), (held or {}).get(name) == version,
                f"{name} {version}" in yanked,
            )
            for version in world.get(name, {})
        ]  # fmt: skip

    def needs(release: Release) -> Sequence[str]:
        return world[release.name][release.files[0]]

    chosen = resolve([Requirement(each) for each in wanted], releases, needs, LINUX)
    return {each.release.name: each.release.files[0] for each in chosen}


def test_the_newest_versions_are_taken_that_go_together() -> None:
    world: World = {"a": {"1": [], "2": ["c<2"]}, "b": {"1": ["c>=1"]}, "c": {"1": [], "2": []}}
    assert solved(world, "a", "b") == {"a": "2", "b": "1", "c": "1"}
    assert solved(world, "b") == {"b": "1", "c": "2"}


def test_what_is_held_comes_before_what_is_newer_unless_it_was_asked_for() -> None:
    world: World = {"a": {"1": ["c"]}, "c": {"1": [], "2": []}}
    assert solved(world, "a", held={"c": "1"}) == {"a": "1", "c": "1"}
    assert solved(world, "a", "c", held={"c": "1"}) == {"a": "1", "c": "2"}


def test_need_that_cannot_be_read_is_left_out() -> None:
    unreadable = [
        "b; " + "(" * 300 + "os_name == 'x'" + ")" * 300,
        "c; os_name ~= 'x'",
        "d; '1' ~= '2'",
        "e" * 4100,
    ]
    assert solved({"a": {"1": [*unreadable, "f"]}, "f": {"1": []}}, "a") == {"a": "1", "f": "1"}


def test_prereleases_count_only_where_they_are_meant() -> None:
    world: World = {"a": {"1": [], "2rc1": []}, "b": {"1rc1": []}, "c": {"1": ["a>=2rc1"]}}
    assert solved(world, "a") == {"a": "1"}
    assert solved(world, "b") == {"b": "1rc1"}
    assert solved(world, "c") == {"c": "1", "a": "2rc1"}


def test_yanked_releases_count_only_where_they_are_pinned() -> None:
    world: World = {"a": {"1": [], "2": []}, "b": {"1": ["a==2"]}}
    assert solved(world, "a", yanked=["a 2"]) == {"a": "1"}
    assert solved(world, "b", yanked=["a 2"]) == {"b": "1", "a": "2"}


@pytest.mark.parametrize(
    ("marker", "is_needed"),
    [
        ("python_version >= '3.11'", True),
        ("python_version < '3.11'", False),
        # Some Python 3.11 needs it, so it is needed.
        ("python_full_version < '3.11.4'", True),
        ("python_full_version >= '3.11.4'", True),
        ("sys_platform == 'linux' and platform_machine == 'x86_64'", True),
        ("platform_system == 'Windows' or os_name == 'nt'", False),
        ("platform_python_implementation == 'PyPy'", False),
        ("extra == 'fast'", False),
    ],
)
def test_markers_are_those_of_any_python_of_the_place(marker: str, is_needed: bool) -> None:
    world: World = {"a": {"1": [f"b; {marker}"]}, "b": {"1": []}}
    assert ("b" in solved(world, "a")) is is_needed


def test_extras_of_extras_are_followed() -> None:
    world: World = {
        "a": {"1": ["a[x]; extra == 'all'", "b[y]; extra == 'x'"]},
        "b": {"1": ["c; extra == 'y'", "d; extra == 'z'"]},
        "c": {"1": []},
        "d": {"1": []},
    }
    assert solved(world, "a[all]") == {"a": "1", "b": "1", "c": "1"}
    assert solved(world, "a") == {"a": "1"}


def test_lines_that_nobody_can_read_are_left_out_as_installers_do() -> None:
    assert solved({"a": {"1": ["b (>=1) garbage", "c"]}, "c": {"1": []}}, "a") == {"a": "1", "c": "1"}


def test_what_is_needed_is_read_from_metadata() -> None:
    body = b"Metadata-Version: 2.1\nName: a\nVersion: 1\nRequires-Dist: b>=1\nRequires-Dist: c; extra == 'x'\n\nText"
    assert requirements_in(body) == ["b>=1", "c; extra == 'x'"]


def test_a_conflict_says_who_needs_what() -> None:
    with pytest.raises(Unsolvable) as caught:
        solved({"a": {"1": ["c<2"]}, "b": {"1": ["c>=2"]}, "c": {"1": [], "2": []}}, "a", "b")
    assert "a 1 needs c<2" in str(caught.value) and "b 1 needs c>=2" in str(caught.value)


NAMES, VERSIONS = ("a", "b", "c", "d"), ("1", "2", "3")
specs = st.builds(
    lambda name, operator, version: f"{name}{operator}{version}",
    st.sampled_from(NAMES),
    st.sampled_from(("==", ">=", "<=", "!=", "<", ">")),
    st.sampled_from(VERSIONS),
)
worlds = st.dictionaries(
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(VERSIONS), st.lists(specs, max_size=2), min_size=1),
    min_size=1,
)


def is_solution(world: World, wanted: Sequence[str], chosen: Mapping[str, str]) -> bool:
    asked = [*wanted, *(line for name, version in chosen.items() for line in world[name][version])]
    return all(
        requirement.name in chosen and requirement.specifier.contains(chosen[requirement.name])
        for requirement in map(Requirement, asked)
    )


def combinations(world: World) -> Iterator[dict[str, str]]:
    """Yield every choice of at most one version of each name: the slow oracle."""
    for versions in product(*((None, *world[name]) for name in world)):
        yield {name: version for name, version in zip(world, versions, strict=True) if version is not None}


@settings(max_examples=sized(150, 3000), deadline=None)
@given(worlds, st.lists(specs, min_size=1, max_size=2))
def test_a_solution_is_found_if_and_only_if_there_is_one(world: World, wanted: list[str]) -> None:
    exists = any(is_solution(world, wanted, chosen) for chosen in combinations(world))
    try:
        chosen = solved(world, *wanted)
    except Unsolvable:
        assert not exists
        return
    assert is_solution(world, wanted, chosen)
